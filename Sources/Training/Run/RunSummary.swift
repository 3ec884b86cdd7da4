import Checkpointing
import Diagnostics
import Files
import Foundation
import Reporting

/// A run in one row, for `dtrain ls`. It is a look from outside: whether somebody is at work is told by the locks, not guessed, and what
/// is damaged is left out, not refused.
package struct RunSummary: Sendable {
    package enum State: String, Sendable {
        case running, finished, interrupted, failed
        /// The run hasn't ended, and the file system has no locks that could tell whether it goes on.
        case unknown
    }

    package let path: String
    package let state: State
    /// The newest step that the log tells of.
    package private(set) var step: Int?
    package private(set) var totalSteps: Int?
    /// The best value of what is monitored.
    package private(set) var best: (monitor: String, value: Double, step: Int)?
    /// When it was begun, seconds since 1970.
    package let began: Int?
    /// How long all its starts have worked, in whole seconds.
    package let seconds: Int?
    /// Why it failed, or stopped early.
    package private(set) var reason: String?

    /// Nil where the directory holds no run.
    /// - Throws: `Failure(.inputOutput)` where it can't be looked at.
    package init?(_ path: String, now: Int = Int(Date().timeIntervalSince1970)) throws {
        guard try RunDirectory.isRun(path) else { return nil }
        self.path = path
        let directory = try reportingSystemErrors { try Directory(Place(path)) }
        let isHeld = try RunLock.isHeld(in: directory)
        let lines = Self.lastLines(of: directory)
        let end = lines.last { $0.event == LogEvent.end.rawValue }
        step = lines.compactMap(\.step).max()
        totalSteps = end?.total_steps
        let starts = RankLog.starts(in: directory)
        if isHeld == true {
            state = .running
        } else if let end {
            let isShort = end.reason == "complete" && (end.step ?? 0) < (end.total_steps ?? 0)
            state = end.reason == "interrupted" || isShort ? .interrupted : .finished
            if !["complete", "interrupted"].contains(end.reason) { reason = end.reason }
        } else {
            state = isHeld == nil ? .unknown : .failed
            reason = starts.last.map { $0.error ?? "it was killed, or its machine stopped" }
        }
        began = starts.first?.begin
        // Of a start that didn't say how it ended, the log of steps knows more.
        let written = (try? directory.status(of: RunDirectory.log))?.modified
        seconds =
            starts.isEmpty
            ? nil
            : starts.enumerated().reduce(0) { sum, entry in
                var last = entry.element.last
                if entry.offset == starts.count - 1, !entry.element.hasEnded {
                    last = isHeld == true ? now : max(last, min(written ?? last, now))
                }
                return sum + max(0, last - entry.element.begin)
            }
        best = CheckpointStore.stateForALook(in: directory).flatMap { bytes in
            guard let state = (try? JSONDecoder().decode(Manifest.self, from: bytes))?.state, let value = state.bestValue,
                let step = state.bestStep
            else { return nil }
            let monitor = state.settings["checkpoint.monitor"] ?? state.settings["early_stopping.monitor"] ?? "validation_loss"
            return (monitor, value, step)
        }
    }

    /// The runs in a folder, the oldest first; the folder itself where it is one.
    /// - Throws: 66 where it isn't there, 74 where it can't be read.
    package static func all(in folder: String) throws -> [RunSummary] {
        let folder = trimmingSlashes(folder)
        let directory = try reportingSystemErrors(as: .missingInput) { try Directory(Place(folder)) }
        if let run = try RunSummary(folder) { return [run] }
        let names = try reportingSystemErrors { try directory.names() }.filter { !$0.hasPrefix(".") }
        return try names.compactMap { try RunSummary(folder + "/" + $0) }
            .sorted { ($0.began ?? 0, $0.path) < ($1.began ?? 0, $1.path) }
    }

    /// What a program reads of it.
    package var json: LogValue {
        func value(_ number: Int?) -> LogValue { number.map { .integer($0) } ?? .null }
        return .object([
            .init("run", .text(path)), .init("state", .text(state.rawValue)), .init("step", value(step)),
            .init("total_steps", value(totalSteps)),
            .init(
                "best",
                best.map {
                    .object([
                        .init("monitor", .text($0.monitor)), .init("value", .number($0.value)), .init("step", .integer($0.step))
                    ])
                } ?? .null),
            .init("began", value(began)), .init("seconds", value(seconds)), .init("reason", reason.map { .text($0) } ?? .null)
        ])
    }

    /// The table that people read.
    package static func table(_ runs: [RunSummary]) -> [String] {
        TextTable.lines(
            [["run", "state", "steps", "best", "at step", "time", ""]]
                + runs.map { run in
                    let total = run.totalSteps.map { "/" + HumanText.count($0) } ?? ""
                    return [
                        run.path, run.state.rawValue, run.step.map { HumanText.count($0) + total } ?? "-",
                        run.best.map { "\($0.monitor) \(HumanText.figure($0.value))" } ?? "-",
                        run.best.map { HumanText.count($0.step) } ?? "-",
                        run.seconds.map(time) ?? "-",
                        messageLine(run.reason ?? "")
                    ]
                })
    }

    /// Whole seconds are all that is known.
    private static func time(_ seconds: Int) -> String {
        seconds == 0 ? "< 1 s" : seconds < 10 ? "\(seconds) s" : HumanText.duration(seconds: Double(seconds))
    }

    // MARK: - Files

    private struct Manifest: Decodable {
        struct State: Decodable {
            let bestValue: Double?
            let bestStep: Int?
            let settings: [String: String]
        }

        let state: State
    }

    private struct Line: Decodable {
        let event: String
        let step: Int?
        let reason: String?
        let total_steps: Int?
    }

    /// The lines at the end of the log; those that are damaged are left out.
    private static func lastLines(of directory: Directory) -> [Line] {
        guard let file = try? InputFile(directory.at(RunDirectory.log), fileSystem: directory.fileSystem) else { return [] }
        let count = min(file.byteCount, 1 << 16)
        guard let bytes = try? file.bytes(at: file.byteCount - count, count: count) else { return [] }
        let decoder = JSONDecoder()
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? decoder.decode(Line.self, from: Data($0)) }
    }
}
