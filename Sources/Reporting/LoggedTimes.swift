import Diagnostics
import Files
import Foundation

/// `logs/times.jsonl`, read back: the way to the newest step, without what a resume went back behind.
package struct LoggedTimes: Sendable, Equatable {
    /// When a step was done.
    package struct Point: Sendable, Equatable {
        package let step: Int
        /// Since the run began, without the time between its jobs.
        package let seconds: Double
        /// Per second of training since the point before; nil at the beginning of a job.
        package let samplesPerSecond: Double?
    }

    /// What a rank's time went into.
    package struct Phases: Sendable, Equatable {
        package let rank: Int
        package let host: String
        /// Seconds by the name of the phase.
        package let seconds: [String: Double]
    }

    /// In the order of the steps.
    package private(set) var points: [Point] = []
    /// Of the last job that measured them.
    package private(set) var phases: [Phases] = []
    /// On how many ranks each job ran, in their order.
    package private(set) var ranks: [Int] = []

    package init() {}

    /// Of the run directory at hand; empty where nothing was recorded, or nothing of it can be read.
    package init(in run: Directory) {
        guard let logs = try? run.directory(RankLog.directoryName, orFailWith: .inputOutput) else { return }
        for name in [TimesLog.fileName + ".old", TimesLog.fileName] {
            guard let file = try? InputFile(logs.at(name), fileSystem: logs.fileSystem), file.byteCount <= Self.mostBytes,
                let data = try? MetricsLog.contents(of: file)
            else { continue }
            add(MetricsLog.completeLines(of: data))
        }
    }

    /// A longer file isn't ours.
    private static let mostBytes = 1 << 26
    /// More of anything than a run can have, and small enough for sums.
    private static let largestCount = 1 << 53
    /// Longer than anything runs, and small enough for the sums of as many jobs as a file can tell of.
    private static let mostSeconds = 1e12

    private struct Line: Decodable {
        let event: String
        var step: Int?
        var ranks: Int?
        var seconds: Content?
        var samples: Int?
        var paused: Double?
        var rank: Int?
        var host: String?

        enum Content: Decodable {
            case time(Double)
            case phases([String: Double])

            init(from decoder: any Decoder) throws {
                let value = try decoder.singleValueContainer()
                if let number = try? value.decode(Double.self) {
                    self = .time(number)
                } else {
                    self = .phases(try value.decode([String: Double].self))
                }
            }
        }
    }

    private mutating func add(_ lines: [Data]) {
        var start = 0.0
        var last: (seconds: Double, samples: Int, paused: Double)?
        for bytes in lines {
            guard let line = try? JSONDecoder().decode(Line.self, from: bytes),
                [line.step, line.samples, line.ranks, line.rank].allSatisfy({ (0...Self.largestCount).contains($0 ?? 0) })
            else { continue }
            switch (line.event, line.seconds) {
            case ("start", _):
                let step = line.step ?? 0
                points.removeAll { $0.step > step }
                start = points.last?.seconds ?? 0
                last = (0, 0, 0)
                ranks.append(max(1, line.ranks ?? 1))
            case ("time", .time(let seconds)?), ("end", .time(let seconds)?):
                let paused = line.paused ?? 0
                guard let step = line.step, let samples = line.samples,
                    [seconds, paused].allSatisfy((0...Self.mostSeconds).contains)
                else { continue }
                var rate: Double?
                // The end includes what came behind the last step.
                if let last, line.event == "time" {
                    let spent = (seconds - last.seconds) - (paused - last.paused)
                    if spent > 0, samples > last.samples { rate = Double(samples - last.samples) / spent }
                }
                last = (seconds, samples, paused)
                // The last line of a job may repeat a step.
                if let before = points.last, before.step >= step { continue }
                points.append(Point(step: step, seconds: start + seconds, samplesPerSecond: rate))
            case ("phases", .phases(let seconds)?):
                guard let rank = line.rank, rank >= 0 else { continue }
                if rank == 0 { phases = [] }
                phases.append(
                    Phases(
                        rank: rank, host: line.host ?? "", seconds: seconds.filter { (0...Self.mostSeconds).contains($0.value) }
                    ))
            default: continue
            }
        }
    }

    /// When a step was done, seconds, between the points that are known; nil where none is.
    package func seconds(atStep step: Int) -> Double? {
        guard let first = points.first, let end = points.last else { return nil }
        if step <= first.step { return first.step > 0 ? first.seconds * Double(max(0, step)) / Double(first.step) : 0 }
        if step >= end.step { return end.seconds }
        // The first point that isn't before the step.
        var (low, high) = (0, points.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if points[middle].step < step { low = middle + 1 } else { high = middle }
        }
        let (a, b) = (points[low - 1], points[low])
        return a.seconds + (b.seconds - a.seconds) * Double(step - a.step) / Double(b.step - a.step)
    }
}
