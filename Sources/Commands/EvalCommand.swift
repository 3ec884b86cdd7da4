import ArgumentParser
import Diagnostics
import Foundation
import Metrics
import Reporting
import Training

/// `dtrain eval CHECKPOINT`.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Loss and metrics of a checkpoint on a data split.")

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Option(help: "The split: validation or train (default: validation).")
    var split: SplitName?

    @Option(help: ArgumentHelp("A file with labelled samples (CSV or IDX) instead of a split.", valueName: "file"))
    var data: String?

    @Option(help: ArgumentHelp("The file of targets that belongs to --data, where they are not in it.", valueName: "file"))
    var targets: String?

    @Option(
        help: ArgumentHelp(
            "Also accuracy, positive rate and true-positive rate of each group that a column of the table makes.",
            valueName: "column"))
    var group: String?

    @Option(
        help: ArgumentHelp(
            "With --group: the class whose predictions are counted (default: the second of two).", valueName: "class"))
    var positive: String?

    @Flag(help: "Also how well the stated probabilities are kept: a reliability table and the expected calibration error.")
    var calibration = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Use the average of the weights that training kept (training.ema).")
    var ema = false

    @Flag(
        help:
            "Judge the network with weights in 8 bits and products of whole numbers too: a table of size, speed, loss and metrics."
    )
    var int8 = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a key of the stored configuration, such as a data path.",
            valueName: "key=value"))
    var overrides: [String] = []

    enum SplitName: String, CaseIterable, ExpressibleByArgument { case validation, train }

    func validate() throws {
        if targets != nil, data == nil { throw ValidationError("--targets: the targets of which inputs? Give --data as well") }
        if int8, json || group != nil || calibration {
            throw ValidationError("--int8 prints a table of its own; leave out --json, --group and --calibration")
        }
        if positive != nil, group == nil {
            throw ValidationError("--positive belongs to --group; give that as well, or leave it out")
        }
        if split != nil, data != nil {
            throw ValidationError("--split and --data exclude each other: one names a split, the other a file")
        }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: overrides, usesAverage: ema, catalogue: .inForce)
        let split: TrainedModel.Split =
            data.map { .file($0, targets: targets) } ?? (self.split ?? .validation == .train ? .train : .validation)
        if int8 {
            let comparison = try model.compareInt8(split, integers: true) { StandardStream.tell("note", $0) }
            return try comparison.lines.forEach(StandardStream.output.line)
        }
        let (count, loss, metrics) = try model.evaluate(split) {
            StandardStream.tell("note", $0)
        }
        let judged = try judgements(model, split)
        if json {
            var bytes: [UInt8] = []
            LogLine(
                .validation, step: model.state.step,
                fields: [.init("loss", .number(loss)), .init("samples", .integer(count))]
                    + metrics.map { .init($0.name, $0.logValue) } + (judged.groups?.fields ?? [])
                    + (judged.calibration?.fields ?? [])
            ).write(to: &bytes)
            try bytes.withUnsafeBytes { try StandardStream.output.write($0) }
            return
        }
        let output = StandardStream.output
        try output.line(
            "\(model.checkpoint.path): step \(HumanText.count(model.state.step)), \(ema ? "average of the weights, " : "")"
                + "\(HumanText.count(count)) samples")
        try output.line("loss \(MetricValue.text(of: loss))")
        for metric in metrics { try metric.lines.forEach(output.line) }
        for line in (judged.groups?.lines(column: group ?? "", positive: judged.positive) ?? [])
            + (judged.calibration?.lines ?? [])
        {
            try output.line(line)
        }
    }
}

extension EvalCommand {
    /// What is asked for of single samples.
    private func judgements(
        _ model: TrainedModel, _ split: TrainedModel.Split
    ) throws -> (groups: GroupReport?, positive: String?, calibration: Calibration?) {
        guard group != nil || calibration else { return (nil, nil, nil) }
        let positive = try model.positiveClass(positive)
        let judgements = try model.judgements(split)
        let groups = try group.map {
            GroupReport(judgements, groups: try model.groups($0, of: split, count: judgements.count), positive: positive)
        }
        return (groups, positive.map(model.name), calibration ? Calibration(judgements) : nil)
    }
}

extension MetricValue {
    fileprivate var logValue: LogValue {
        switch content {
        case .scalar(let value): value.map(LogValue.number) ?? .null
        case .list(let values): .numbers(values)
        case .matrix(let rows): .list(rows.map(LogValue.numbers))
        }
    }

    /// Six significant digits; `--json` has all.
    fileprivate static func text(of number: Double) -> String { String(format: "%.6g", number) }

    /// One line, or a table.
    fileprivate var lines: [String] {
        switch content {
        case .scalar(let value): ["\(name) \(value.map(Self.text) ?? "undefined")"]
        case .list(let values): ["\(name) \(values.map(HumanText.figure).joined(separator: " "))"]
        case .matrix(let rows):
            ["\(name) (rows: true class, columns: predicted)"]
                + rows.map { row in
                    row.map { String(repeating: " ", count: max(0, 6 - "\(Int($0))".count)) + "\(Int($0))" }.joined()
                }
        }
    }
}
