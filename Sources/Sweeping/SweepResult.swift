import Diagnostics
import Files
import Foundation
import Reporting

/// A trial on a rung: what is handed out, and what a result is of. Without halving there is one rung.
package struct SweepUnit: Sendable, Hashable {
    package let trial: Int
    package let rung: Int

    package init(trial: Int, rung: Int) {
        self.trial = trial
        self.rung = rung
    }

    var fileName: String { "\(Trial.name(trial))-rung-\(rung).json" }

    /// The unit of a file in the folder of results; nil for any other name.
    init?(fileName: String) {
        guard let match = fileName.wholeMatch(of: /trial-(\d{4,9})-rung-(\d{1,3})\.json/), let trial = Int(match.1),
            let rung = Int(match.2)
        else { return nil }
        self.init(trial: trial, rung: rung)
        if self.fileName != fileName { return nil }
    }
}

/// What a trial came to on a rung. Nothing in it depends on time, ranks or groups.
package struct SweepResult: Sendable, Equatable, Codable {
    package enum State: String, Sendable, Codable { case finished, failed }

    package let trial: Int
    package let rung: Int
    package let state: State
    /// The best value of the metric so far; nil where the trial has failed.
    package let value: Double?
    /// The steps that it has taken; nil where it has failed.
    package let step: Int?
    /// Of its weights.
    package let digest: String?
    /// Why it has failed.
    package let reason: String?

    package init(
        _ unit: SweepUnit, _ state: State, value: Double? = nil, step: Int? = nil, digest: String? = nil, reason: String? = nil
    ) {
        trial = unit.trial
        rung = unit.rung
        self.state = state
        self.value = value
        self.step = step
        self.digest = digest
        self.reason = reason
    }

    package var unit: SweepUnit { SweepUnit(trial: trial, rung: rung) }

    var json: String {
        func text(_ text: String?) -> LogValue { text.map { .text($0) } ?? .null }
        return LogValue.object([
            .init("trial", .integer(trial)), .init("rung", .integer(rung)), .init("state", .text(state.rawValue)),
            .init("value", value.map { .number($0) } ?? .null), .init("step", step.map { .integer($0) } ?? .null),
            .init("digest", text(digest)), .init("reason", text(reason))
        ]).json + "\n"
    }

    private static let mostBytes = 1 << 16

    /// Reads the result of a unit; nil where there is none yet.
    /// - Throws: `Failure` with 65 where something else is in its place.
    static func read(_ unit: SweepUnit, in folder: Directory) throws -> SweepResult? {
        let place = folder.at(unit.fileName)
        guard try reportingSystemErrors({ try folder.status(of: unit.fileName) }) != nil else { return nil }
        let file = try InputFile(place, fileSystem: folder.fileSystem)
        let bytes = file.byteCount <= mostBytes ? try file.bytes(at: 0, count: file.byteCount) : []
        guard let result = try? JSONDecoder().decode(SweepResult.self, from: Data(bytes)), result.unit == unit,
            result.state == .failed || result.value != nil && result.step != nil && result.digest != nil
        else {
            throw Failure(
                .badData, "\(place): not the result of trial \(unit.trial); remove it, and the same sweep finds it out again")
        }
        return result
    }
}
