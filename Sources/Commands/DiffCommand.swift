import ArgumentParser
import Diagnostics
import Reporting
import Settings
import Training

/// `dtrain diff A B`.
struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Which settings of two runs differ, with every default filled in.",
        discussion: "Ends with status 0 if none does, 1 if some do.")

    @Argument(help: ArgumentHelp("A run directory, a checkpoint, or a configuration (*.yaml).", valueName: "a"))
    var first: String

    @Argument(help: ArgumentHelp("What to compare it with.", valueName: "b"))
    var second: String

    @Flag(help: "Print one JSON object for each setting that differs.")
    var json = false

    func run() throws {
        let comparison = try SettingsComparison(first, second) { path in
            try TrainingConfiguration(
                try SettingsDocument(path: path), name: ConfigurationOptions.runName(path), catalogue: .inForce)
        }
        let output = StreamOutput(.output)
        (json ? comparison.json.map(\.json) : comparison.lines).forEach(output.line)
        try output.finish()
        if !comparison.differences.isEmpty { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.negative.rawValue) }
    }
}
