import Diagnostics
import Files
import Foundation
import Timing

/// `logs/times.jsonl` of a run directory: when which step was done, so that `dtrain report` can draw throughput and time. It is no part of
/// `metrics.jsonl`, whose bytes are the same however long a run takes.
///
/// One JSON object per line: `start` (a job began at `step`, on so many `ranks`), `time` (so many `seconds` after that start `step` was
/// done; `samples` were trained on since then, and training stood still for `paused` of the seconds), `phases` (what a rank's time
/// went into, where `--trace` measured it), `end` (as `time`; what came behind the last step is in it).
///
/// The longer a job runs, the farther its lines lie apart: about two hundred for each time that the duration grows e-fold. Used by one
/// thread; what can't be written is told once, and never stops a run.
package final class TimesLog {
    package static let fileName = "times.jsonl"
    /// Seconds between two lines at the least, and as a share of the job's time so far.
    private static let leastSeconds = 0.02, share = 0.005

    private let run: Directory
    private let clock: () -> Double
    private let began: Double
    private var file: (descriptor: Int32, logs: Directory, path: String)?
    private var samples = 0
    private var lastWritten = 0.0
    /// A line that is being made.
    private var line: [UInt8] = []
    private var lastStep: Int
    private var pausedSince: Double?
    private var paused = 0.0
    /// Why lines are missing; nil where none is.
    package private(set) var failure: String?

    /// Writes that a job begins behind `step`.
    ///
    /// - Parameter clock: seconds; can be replaced in tests.
    package init(in run: Directory, step: Int, ranks: Int, clock: @escaping () -> Double = { MonotonicClock.seconds }) {
        self.run = run
        self.clock = clock
        began = clock()
        lastStep = step
        line.reserveCapacity(256)
        let now = Date().timeIntervalSince1970
        write([
            .init("event", .text("start")), .init("step", .integer(step)), .init("ranks", .integer(ranks)),
            .init("unix_seconds", .number((now * 1000).rounded() / 1000))
        ])
    }

    deinit {
        if let file { try? file.logs.fileSystem.close(file.descriptor, path: file.path) }
    }

    /// A step is done, of so many samples.
    package func step(_ step: Int, samples count: Int) {
        samples += count
        lastStep = step
        let now = clock() - began
        guard now - lastWritten >= max(Self.leastSeconds, Self.share * now) else { return }
        writeTime(now)
    }

    /// Training stands still, for a validation or a checkpoint.
    package func pause() { pausedSince = pausedSince ?? clock() }

    /// It goes on.
    package func resume() {
        if let since = pausedSince { paused += clock() - since }
        pausedSince = nil
    }

    /// The last line of a job.
    package func end() {
        resume()
        writeTime(clock() - began, event: "end")
    }

    /// What the ranks' time went into, seconds by phase.
    package func phases(_ ranks: [(host: String, seconds: [(name: String, seconds: Double)])]) {
        for (rank, entry) in ranks.enumerated() {
            write([
                .init("event", .text("phases")), .init("rank", .integer(rank)), .init("host", .text(entry.host)),
                .init("seconds", .object(entry.seconds.map { .init($0.name, .number($0.seconds)) }))
            ])
        }
    }

    /// A step takes no memory, and this may be one of its parts.
    private func writeTime(_ now: Double, event: StaticString = "time") {
        lastWritten = now
        let stopped = paused + (pausedSince.map { clock() - $0 } ?? 0)
        line.removeAll(keepingCapacity: true)
        append("{\"event\":\"")
        append(event)
        append("\",\"step\":")
        append(lastStep)
        append(",\"seconds\":")
        append(now)
        append(",\"samples\":")
        append(samples)
        append(",\"paused\":")
        append(stopped)
        append("}\n")
        line.withUnsafeBytes { write($0) }
    }

    private func append(_ text: StaticString) {
        text.withUTF8Buffer { line.append(contentsOf: $0) }
    }

    private func append(_ number: Int) {
        var scale = 1
        while number / scale >= 10 { scale *= 10 }
        while scale > 0 {
            line.append(UInt8(48 + number / scale % 10))
            scale /= 10
        }
    }

    /// In microseconds, which are enough.
    private func append(_ seconds: Double) {
        let microseconds = Int(max(0, min(seconds * 1e6, 1e18)).rounded())
        append(microseconds / 1_000_000)
        append(".")
        var scale = 100_000
        while scale > 0 {
            line.append(UInt8(48 + microseconds / scale % 10))
            scale /= 10
        }
    }

    private func write(_ fields: [LogLine.Field]) {
        var line = LogValue.object(fields).json + "\n"
        line.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        do {
            let file = try file ?? open()
            self.file = file
            try reportingSystemErrors {
                try file.logs.fileSystem.writeAll(bytes, to: file.descriptor, path: file.path)
            }
        } catch {
            failure = "\(error)"
        }
    }

    private func open() throws -> (descriptor: Int32, logs: Directory, path: String) {
        let logs = try RankLog.made(in: run)
        return (try RankLog.openFile(Self.fileName, in: logs), logs, logs.at(Self.fileName).path)
    }
}
