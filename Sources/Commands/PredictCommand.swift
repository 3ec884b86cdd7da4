import ArgumentParser
import Diagnostics
import Files
import Foundation
import Reporting
import Training

/// `dtrain predict CHECKPOINT INPUT`.
struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Predictions for new data, as CSV.",
        discussion:
            "INPUT is a CSV file with the training data's feature columns, or another file of the kind that training read. One line per "
            + "sample: the predicted class and the probability of each, the predicted numbers, or the characters foreseen in a text; of "
            + "series a line for each step behind the end of each.")

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Argument(help: "The inputs, of the kind that training read, .gz or plain.", completion: .file())
    var input: String

    @Option(help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Flag(help: "Use the average of the weights that training kept (training.ema).")
    var ema = false

    @Flag(help: "Compute dense layers, convolutions and attention's projections in 8 bits.")
    var int8 = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a key of the stored configuration, such as how INPUT is "
                + "written (data.train.delimiter).", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        if output == "" { throw ValidationError("--output: an empty path; name a file, or leave the option out") }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: overrides, usesAverage: ema, catalogue: .inForce)
        if int8 { StandardStream.tell("note", model.computeInIntegers(try model.quantize()).line) }
        let file = try output.map { try OutputFile(path: $0) }
        var text = model.columnNames.map(CSVText.cell).joined(separator: ",") + "\n"
        func flush() throws {
            let bytes = Array(text.utf8)
            text = ""
            try bytes.withUnsafeBytes { bytes in
                guard let file else { return try StandardStream.output.write(bytes) }
                try file.write(bytes)
            }
        }
        do {
            try model.predict(input, note: { StandardStream.tell("note", $0) }) { prediction in
                let cells =
                    prediction.leading.map(CSVText.cell) + (prediction.label.map { [CSVText.cell($0)] } ?? [])
                    + prediction.values.map { "\($0)" }
                text += cells.joined(separator: ",") + "\n"
                if text.utf8.count > 1 << 16 { try flush() }
            }
            try flush()
            try file?.commit()
        } catch let error as SystemError {
            // Whoever reads a pipe has seen enough.
            if error.code == EPIPE { throw ReaderGone() }
            throw error.failure()
        }
    }
}
