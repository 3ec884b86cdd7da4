import ArgumentParser
import Diagnostics
import Foundation
import Settings
import Training

/// What all commands that read a configuration share.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a configuration key; may be repeated, later ones win.",
            valueName: "key=value"))
    var overrides: [String] = []

    @Option(help: ArgumentHelp("The seed of all random numbers (training.seed).", valueName: "n"))
    var seed: Int?

    /// Reads the configuration at `path`, or the built-in one. The file's name, without its extension, names the run.
    func read(_ path: String?) throws -> TrainingConfiguration {
        let all = overrides + (seed.map { ["training.seed=\($0)"] } ?? [])
        guard let path else {
            return try TrainingConfiguration(
                try SettingsDocument(
                    text: builtInConfiguration, name: "the built-in configuration",
                    overrides: all), name: "digits", catalogue: .inForce)
        }
        return try TrainingConfiguration(
            try SettingsDocument(path: path, overrides: all), name: Self.runName(path), catalogue: .inForce)
    }

    static func runName(_ path: String?) -> String {
        guard let path else { return "digits" }
        let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        return name.isEmpty ? "run" : name
    }
}
