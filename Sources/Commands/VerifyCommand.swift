import ArgumentParser
import Diagnostics
import Reporting
import Training

/// `dtrain verify A B`.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Whether two runs or checkpoints are bit-identical, and where they first differ.",
        discussion: "Compares weights, optimizer state and, of two runs, the logged losses step by step. Ends with "
            + "status 0 if they are equal, 1 if they aren't, 65 or 66 if one can't be read or is missing.")

    @Argument(
        help: ArgumentHelp(
            "A run directory (its newest valid checkpoint), a checkpoint, or a safetensors file.",
            valueName: "a"), completion: .file())
    var first: String

    @Argument(help: ArgumentHelp("What to compare it with.", valueName: "b"), completion: .file())
    var second: String

    @Flag(help: "Print nothing; the exit status tells.")
    var quiet = false

    func run() throws {
        let comparison = try RunComparison(first, second)
        if !quiet {
            for warning in comparison.warnings { StandardStream.tell("warning", warning) }
            // The answer is the exit status, also for a reader that has gone.
            let output = StreamOutput(.output)
            comparison.lines.forEach(output.line)
            try output.finish()
        }
        if !comparison.isEqual { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.negative.rawValue) }
    }
}
