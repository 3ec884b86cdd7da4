import ArgumentParser
import Diagnostics
import Reporting
import Training

/// `dtrain ls [FOLDER]`.
struct LsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "The runs in a folder: running, finished, interrupted or failed, with steps, best value and time.")

    @Argument(help: "A folder of run directories, or one of them.")
    var folder = "runs"

    @Flag(help: "Print one JSON object for each run.")
    var json = false

    func run() throws {
        let runs = try RunSummary.all(in: folder)
        let output = StreamOutput(.output)
        if json {
            for run in runs { output.line(run.json.json) }
        } else if runs.isEmpty {
            output.line("\(folder): no runs")
        } else {
            RunSummary.table(runs).forEach(output.line)
        }
        try output.finish()
    }
}
