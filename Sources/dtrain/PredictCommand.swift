import ArgumentParser
import Diagnostics
import Files
import Foundation
import Training

/// `dtrain predict CHECKPOINT INPUT`.
struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Predictions for new data, as CSV.",
        discussion: "INPUT is a CSV file with the training data's feature columns, or an IDX file. One line per sample: the "
            + "predicted class and the probability of each, or the predicted numbers.")

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).")
    var checkpoint: String

    @Argument(help: "The inputs: CSV or IDX, .gz or plain.")
    var input: String

    @Option(help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: [])
        let file = try output.map { try OutputFile(path: $0) } ?? OutputFile.standardOutput()
        var text = model.columnNames.map(Self.quoted).joined(separator: ",") + "\n"
        func flush() throws {
            let bytes = Array(text.utf8)
            text = ""
            try bytes.withUnsafeBytes { try file.write($0) }
        }
        do {
            try model.predict(input) { prediction in
                let cells = (prediction.label.map { [Self.quoted($0)] } ?? []) + prediction.values.map { "\($0)" }
                text += cells.joined(separator: ",") + "\n"
                if text.utf8.count > 1 << 16 { try flush() }
            }
            try flush()
            try file.commit()
        } catch let error as SystemError {
            // Whoever reads has seen enough: `dtrain predict … | head`.
            if error.code == EPIPE { throw ArgumentParser.ExitCode.success }
            throw error.failure()
        }
    }

    /// A cell of a CSV file (RFC 4180).
    private static func quoted(_ cell: String) -> String {
        guard cell.contains(where: { ",\"\n\r".contains($0) }) else { return cell }
        return "\"" + cell.replacing("\"", with: "\"\"") + "\""
    }
}
