import Checkpointing
import Diagnostics
import Files
import Foundation
import Reporting
import Settings

/// What a run has left in its directory so far. Nothing is changed there, and no link inside is followed.
package struct RunRecord: Sendable {
    /// How far a run is.
    package enum State: Sendable, Equatable {
        case running
        /// It came to an end; why.
        case ended(String)
        /// Nobody is at work in its directory, and no end was logged.
        case broken

        package var text: String {
            switch self {
            case .running: "running"
            case .ended("complete"): "finished"
            case .ended("interrupted"): "interrupted"
            case .ended(let reason): "stopped early: \(reason)"
            case .broken: "ended without a word (killed, or failed)"
            }
        }
    }

    /// What a rank's log says.
    package struct Rank: Sendable {
        package let number: Int
        /// Where it ran last, as its own words have it; empty where they don't say.
        package let start: String
        /// Its notes, warnings and errors since then.
        package let words: [String]
    }

    package let path: String
    package let name: String
    package let lines: [LoggedLine]
    /// Lines of `metrics.jsonl` that can't be read, from 1.
    package let damagedLines: [Int]
    package let times: LoggedTimes
    package let state: State
    /// The effective configuration; empty where there is none.
    package let configuration: String
    package let settings: [(key: String, value: String)]
    package let ranks: [Rank]
    /// Changes where the run has a newer checkpoint.
    package let checkpoints: [String]

    /// More bytes of a configuration aren't shown, and more of the end of a rank's log aren't read.
    private static let mostBytes = 1 << 20, mostLogBytes = 1 << 18
    /// Logs of more ranks aren't read, and more words of one aren't shown.
    private static let mostRanks = 1024, mostWords = 20

    /// - Throws: `Failure`: 66 where there is no run, 65 for what isn't one, 74 where it can't be read.
    package init(path: String) throws {
        let path = trimmingSlashes(path)
        guard let real = try reportingSystemErrors({ try resolvedPath(path) }) else {
            throw Failure(.missingInput, "\(path): there is no run here; expected a run directory, such as runs/digits")
        }
        guard try RunDirectory.isRun(path) else {
            throw Failure(
                .badData,
                "\(path): not a run directory, which has \(RunDirectory.configuration), \(RunDirectory.log) or checkpoints in it; "
                    + "expected one, such as runs/digits")
        }
        let directory = try reportingSystemErrors { try Directory(Place(path)) }
        // A run that begins or ends meanwhile is read in the order that shows its end.
        let isInUse = RunDirectory.isInUse(directory)
        self.path = path
        name = lastComponent(of: real)
        (lines, damagedLines) = try MetricsLog.readableLines(in: directory)
        times = LoggedTimes(in: directory)
        if let end = lines.last(where: { $0.event == LogEvent.end.rawValue }), !isInUse {
            state = .ended(end.texts["reason"] ?? "complete")
        } else {
            state = isInUse ? .running : .broken
        }
        configuration = Self.text(RunDirectory.configuration, in: directory)
        settings = (try? SettingsDocument(text: configuration, name: path).values) ?? []
        ranks = Self.ranks(in: directory)
        checkpoints = (try? directory.directory("checkpoints", orFailWith: .inputOutput)?.names()) ?? []
    }

    private static func text(_ name: String, in directory: Directory) -> String {
        guard let file = try? InputFile(directory.at(name), fileSystem: directory.fileSystem), file.byteCount <= mostBytes,
            let bytes = try? file.bytes(at: 0, count: file.byteCount)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func ranks(in directory: Directory) -> [Rank] {
        guard let logs = try? directory.directory(RunDirectory.logs, orFailWith: .inputOutput), let names = try? logs.names()
        else {
            return []
        }
        let numbers = names.compactMap { name -> Int? in
            guard name.hasPrefix("rank-"), name.hasSuffix(".log"), let number = Int(name.dropFirst(5).dropLast(4)), number >= 0,
                RankLog.fileName(number) == name
            else { return nil }
            return number
        }
        return numbers.sorted().prefix(mostRanks).compactMap { number in
            guard let file = try? InputFile(logs.at(RankLog.fileName(number)), fileSystem: logs.fileSystem) else { return nil }
            let count = min(file.byteCount, mostLogBytes)
            guard let bytes = try? file.bytes(at: file.byteCount - count, count: count) else { return nil }
            var start = ""
            var words: [String] = []
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                // 2026-11-28T15:04:05Z note: …
                let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
                guard parts.count == 3 else { continue }
                switch parts[1] {
                case "start:": (start, words) = (parts[2], [])
                case "note:", "warning:", "error:": words.append("\(parts[1]) \(parts[2])")
                default: break
                }
            }
            return Rank(number: number, start: start, words: words.suffix(mostWords))
        }
    }

    // MARK: - What the log says

    package var steps: [LoggedLine] { lines.filter { $0.event == LogEvent.step.rawValue } }
    package var validations: [LoggedLine] { lines.filter { $0.event == LogEvent.validation.rawValue } }
    package var end: LoggedLine? { lines.last { $0.event == LogEvent.end.rawValue } }

    /// The last step that was logged.
    package var lastStep: Int { lines.compactMap(\.step).max() ?? 0 }

    /// The validation of the least loss; the first of equals.
    package var best: LoggedLine? {
        validations.filter { $0.numbers["loss"] != nil }.min { ($0.numbers["loss"] ?? 0) < ($1.numbers["loss"] ?? 0) }
    }

    /// The value of a key, step by step.
    package func curve(_ key: String, of lines: [LoggedLine]) -> [(step: Int, value: Double?)] {
        lines.compactMap { line in line.step.map { (step: $0, value: line.numbers[key]) } }
    }
}
