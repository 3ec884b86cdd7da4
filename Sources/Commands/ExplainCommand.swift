import ArgumentParser
import Diagnostics
import Files
import Foundation
import Reporting
import Training

/// `dtrain explain CHECKPOINT INPUT`.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "What the inputs of a sample, or the columns of a table, have to do with a prediction.",
        discussion:
            "Of an image a picture (--output FILE.png), of a row of a table a list. permutation looks at all rows of INPUT, which hold the "
            + "targets too, or without INPUT at the validation split. --activations writes what a layer makes of all samples instead."
    )

    /// How inputs are held responsible.
    enum Method: String, CaseIterable, ExpressibleByArgument {
        case gradient, integratedGradients = "integrated_gradients", occlusion, permutation
    }

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Argument(help: "The inputs, of the kind that training read, .gz or plain.", completion: .file())
    var input: String?

    @Option(help: "The method (default: integrated_gradients).")
    var method: Method?

    @Option(help: ArgumentHelp("Which sample of INPUT, from 1.", valueName: "n"))
    var sample = 1

    @Option(
        name: .customLong("class"),
        help: ArgumentHelp(
            "The class, or the number of the output, to explain (default: the predicted one).", valueName: "name"))
    var wanted: String?

    @Option(
        help: ArgumentHelp("Write this layer's outputs for all samples to --output as an array of NumPy.", valueName: "layer"))
    var activations: String?

    @Option(help: ArgumentHelp("The picture (PNG), or the array (npy), to write.", valueName: "file"), completion: .file())
    var output: String?

    @Flag(help: "Print one JSON object: a number for each input, or for each column.")
    var json = false

    func validate() throws {
        if output == "" || input == "" { throw ValidationError("an empty path; name a file") }
        if sample < 1 { throw ValidationError("--sample \(sample): expected 1 or more") }
        if activations != nil {
            guard output != nil, input != nil else {
                throw ValidationError("--activations: name the samples, INPUT, and the array to write, --output FILE.npy")
            }
            guard method == nil, wanted == nil, !json else {
                throw ValidationError("--activations stands alone; leave out --method, --class and --json")
            }
        } else if method == .permutation {
            guard output == nil, wanted == nil, sample == 1 else {
                throw ValidationError("--method permutation is about all samples; leave out --output, --class and --sample")
            }
        } else if input == nil {
            throw ValidationError("name the file with the sample to explain: dtrain explain CHECKPOINT INPUT")
        }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: [], catalogue: .inForce)
        func note(_ text: String) { StandardStream.tell("note", text) }
        if method == .permutation {
            let split = input.map { TrainedModel.Split.file($0, targets: nil) } ?? .validation
            return try show(try model.permutationImportance(split, note: note))
        }
        guard let input else { return }
        let dataset = try model.inputs(from: input, note: note)
        if let activations, let output {
            return try StandardStream.output.line(try model.writeActivations(of: activations, for: dataset, to: output))
        }
        guard sample <= dataset.count else {
            throw Failure(
                .usage, "--sample \(sample): \(input) has \(HumanText.count(dataset.count)); expected 1 to \(dataset.count)")
        }
        let methods: [Method: InputExplanation.Method] = [.gradient: .gradient, .occlusion: .occlusion]
        let method = methods[method ?? .integratedGradients] ?? .integratedGradients
        let index = try wanted.map(model.outputIndex)
        guard model.columns != nil || output != nil || json else {
            throw Failure(
                .usage, "the samples aren't rows of a table: name a picture to write, --output FILE.png, or give --json")
        }
        let file = try output.map { try OutputFile(path: $0) }
        let explanation = try model.explain(sample - 1, of: dataset, method, output: index)
        if let file, let output {
            let picture = try model.overlay(explanation, sample: sample - 1, of: dataset, isSigned: method != .gradient)
            try reportingSystemErrors {
                try picture.withUnsafeBytes { try file.write($0) }
                try file.commit()
            }
            if !json { try StandardStream.output.line("\(output): \(title(explanation, method, model))") }
        }
        if json { return try writeJSON(explanation, method, model) }
        guard let columns = model.columns else { return }
        try StandardStream.output.line(title(explanation, method, model))
        let values = columns.map { (name: $0.name, value: $0.inputs.reduce(0) { $0 + Double(explanation.attributions[$1]) }) }
        try bars(
            method == .occlusion
                ? columns.map { (name: $0.name, value: Double(explanation.attributions[$0.inputs.lowerBound])) } : values)
        if method == .integratedGradients {
            let sum = explanation.attributions.reduce(0) { $0 + Double($1) }
            try StandardStream.output.line(
                "sum \(text(sum)); the output is \(text(Double(explanation.output))), that of average inputs "
                    + "\(text(Double(explanation.baseline)))")
        }
    }

    private func title(_ explanation: InputExplanation, _ method: InputExplanation.Method, _ model: TrainedModel) -> String {
        "sample \(sample), \(method.rawValue.replacing("_", with: " ")) of the output for \(model.outputName(explanation.index)), "
            + text(Double(explanation.output))
    }

    private func show(_ importance: PermutationImportance) throws {
        if json {
            return try write([
                .init("loss", .number(importance.loss)), .init("samples", .integer(importance.sampleCount)),
                .init("columns", .list(importance.columns.map { .text($0.name) })),
                .init("loss_increase", .numbers(importance.columns.map(\.lossIncrease))),
                .init("deviation", .numbers(importance.columns.map(\.deviation)))
            ])
        }
        try StandardStream.output.line(
            "\(HumanText.count(importance.sampleCount)) samples, loss \(text(importance.loss)); how much it grows where a column is shuffled"
        )
        try bars(importance.columns.map { ($0.name, $0.lossIncrease) })
    }

    /// A line for each, the one that counts most first.
    private func bars(_ values: [(name: String, value: Double)]) throws {
        let sorted = values.sorted { abs($0.value) > abs($1.value) }
        let largest = max(sorted.first.map { abs($0.value) } ?? 0, 1e-30)
        let rows = sorted.map { [printable($0.name), ($0.value < 0 ? "-" : "+") + text(abs($0.value))] }
        for (line, entry) in zip(alignedColumns(rows), sorted) {
            let length = Int((abs(entry.value) / largest * 40).rounded())
            try StandardStream.output.line("  \(line)  " + String(repeating: entry.value < 0 ? "-" : "#", count: length))
        }
    }

    private func text(_ number: Double) -> String { String(format: "%.4f", number) }

    private func writeJSON(_ explanation: InputExplanation, _ method: InputExplanation.Method, _ model: TrainedModel) throws {
        try write(
            [
                .init("method", .text(method.rawValue)), .init("sample", .integer(sample)),
                .init("output", .integer(explanation.index)),
                .init("value", .number(Double(explanation.output))), .init("baseline", .number(Double(explanation.baseline))),
                .init("attributions", .numbers(explanation.attributions.map(Double.init)))
            ])
    }

    private func write(_ fields: [LogLine.Field]) throws {
        try StandardStream.output.line(LogValue.object(fields).json)
    }
}
