import Checkpointing
import Diagnostics
import Files
import Reporting
import Settings

/// Which settings of two runs differ, with every default filled in, for `dtrain diff`.
package struct SettingsComparison {
    package struct Difference: Equatable, Sendable {
        package let key: String
        /// Nil where one doesn't have the key.
        package let first: String?, second: String?
    }

    package let differences: [Difference]
    private let names: [String]

    /// - Parameters:
    ///   - first: a run directory, a checkpoint, or a configuration; `second` likewise.
    ///   - read: reads a configuration.
    /// - Throws: 66 where one isn't there, 65 or 78 where it can't be used.
    package init(_ first: String, _ second: String, read: (String) throws -> TrainingConfiguration) throws {
        let values = try [first, second].map { try Self.values($0, read) }
        names = [first, second]
        let maps = values.map { Dictionary($0.map { ($0.key, $0.value) }) { $1 } }
        let keys = values[0].map(\.key) + values[1].map(\.key).filter { maps[0][$0] == nil }
        differences = keys.compactMap { key in
            maps[0][key] == maps[1][key] ? nil : Difference(key: key, first: maps[0][key], second: maps[1][key])
        }
    }

    package var lines: [String] {
        guard !differences.isEmpty else { return ["no setting differs"] }
        return TextTable.lines(
            [["setting"] + names]
                + differences.map { [$0.key, messageLine($0.first ?? "-"), messageLine($0.second ?? "-")] })
    }

    /// An object for each difference.
    package var json: [LogValue] {
        differences.map { difference in
            func value(_ text: String?) -> LogValue { text.map { .text($0) } ?? .null }
            return .object([
                .init("setting", .text(difference.key)), .init("first", value(difference.first)),
                .init("second", value(difference.second))
            ])
        }
    }

    private static func values(
        _ path: String, _ read: (String) throws -> TrainingConfiguration
    ) throws -> [(key: String, value: String)] {
        if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
            return try SettingsDocument(text: try Experiment(try read(path)).effectiveYAML(), name: path).values
        }
        guard try RunDirectory.isRun(path) else {
            let state = try TrainingState.decode(try LoadedCheckpoint(path: path))
            return try SettingsDocument(text: state.configuration, name: path + "/state.json").values
        }
        let run = try reportingSystemErrors(as: .missingInput) { try Directory(Place(trimmingSlashes(path))) }
        let file = try reportingSystemErrors(as: .missingInput) {
            try InputFile(run.at(RunDirectory.configuration), fileSystem: run.fileSystem)
        }
        guard file.byteCount <= 1 << 20 else {
            throw Failure(
                .badData, "\(file.path): \(file.byteCount) bytes, more than a configuration has; is it the run's own?")
        }
        let text = String(decoding: try file.bytes(at: 0, count: file.byteCount), as: UTF8.self)
        return try SettingsDocument(text: text, name: file.path).values
    }
}
