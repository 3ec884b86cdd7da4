import ArgumentParser
import Diagnostics
import Foundation
import Reporting
import Training

/// `dtrain gradcheck [CONFIG]`.
struct GradcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gradcheck",
        abstract: "Analytic against numeric gradients, layer by layer.",
        discussion: "Ends with status 1 if any parameter's gradient is wrong.")

    @Argument(
        help: "The configuration (YAML); without it, the built-in digits.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("How many samples the loss is summed over.", valueName: "n"))
    var samples = 8

    @Option(help: ArgumentHelp("How many elements of each parameter are checked.", valueName: "n"))
    var elements = 20

    func validate() throws {
        guard samples > 0, elements > 0 else { throw ValidationError("--samples and --elements must be 1 or more") }
    }

    func run() throws {
        let check = GradientCheck(try Experiment(try options.read(config)), rows: samples)
        // The answer is the exit status, also for a reader that has gone.
        let output = StreamOutput(.output)
        var failed = 0
        check.run(elements: elements) { row in
            if !row.passed { failed += 1 }
            let kinks = row.skipped > 0 ? ", \(row.skipped) skipped beside a kink" : ""
            output.line(
                "\(row.passed ? "ok  " : "FAIL") layer \(row.layer), \(row.parameter): \(row.checked) elements\(kinks), "
                    + "largest difference \(String(format: "%.1e", row.worst)) of the largest gradient, at element \(row.index) "
                    + "(analytic \(String(format: "%.6g", row.analytic)), numeric \(String(format: "%.6g", row.numeric)))")
        }
        output.line(
            failed == 0
                ? "all gradients agree within \(GradientCheck.tolerance) of each parameter's largest"
                : "\(failed) parameter\(failed == 1 ? "" : "s") with a wrong gradient")
        try output.finish()
        if failed > 0 { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.negative.rawValue) }
    }
}
