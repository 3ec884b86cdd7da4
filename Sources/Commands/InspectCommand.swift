import ArgumentParser
import Diagnostics
import Foundation
import Launching
import Network
import Reporting
import Storage
import Training

/// `dtrain inspect CONFIG|CHECKPOINT`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Layers, shapes, parameter counts, memory and the effective configuration.")

    @Argument(
        help: "A configuration (YAML), a checkpoint or a run directory; without it, the built-in digits.", completion: .file())
    var subject: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Forecast the memory for this many ranks on one machine.", valueName: "n"))
    var ranks = 1

    @Flag(help: "Print how layers use memory, stage by stage.")
    var plan = false

    private var output: StandardStream { .output }

    func validate() throws {
        guard (1...1024).contains(ranks) else { throw ValidationError("--ranks \(ranks): expected 1 to 1024") }
    }

    func run() throws {
        var isDirectory: ObjCBool = false
        if let subject, FileManager.default.fileExists(atPath: subject, isDirectory: &isDirectory), isDirectory.boolValue {
            let model = try TrainedModel(path: subject, overrides: options.overrides, catalogue: .inForce)
            try output.line(
                "\(model.checkpoint.path): step \(HumanText.count(model.state.step)), written by "
                    + model.state.build)
            try output.line()
            try printLayers(model.network, microBatchSize: model.configuration.training.microBatchSize)
            if plan { try printPlan(PlanReport(model.network)) }
            try printSparsity(model)
            try output.line()
            try output.line("digest \(model.checkpoint.digest)")
            try output.line()
            // A stranger's checkpoint may hold anything for one; ours has escapes of its own.
            try output.write(printable(model.state.configuration, keepsLines: true))
            return
        }
        let experiment = try Experiment(try options.read(subject))
        let sampler = experiment.sampler
        let validation = experiment.splits.validation.map { ", \(HumanText.count($0.count)) to validate" } ?? ""
        let tokens = experiment.splits.train.tokenKinds == nil ? "" : " tokens"
        try output.line(
            "data: \(HumanText.count(sampler.sampleCount)) samples to train\(validation); inputs "
                + "\(experiment.network.inputShape)\(tokens), \(experiment.splits.train.targetKind)")
        for note in experiment.splits.notes { try output.line("note: \(note)") }
        try output.line(
            "steps: \(HumanText.count(sampler.stepsPerEpoch)) per epoch, \(HumanText.count(experiment.totalSteps)) in all, "
                + "\(sampler.trees[0].leafCount) micro-batches each")
        try output.line()
        try printLayers(experiment.network, microBatchSize: experiment.configuration.training.microBatchSize)
        try printMemory(experiment)
        if plan {
            try printPlan(PlanReport(experiment, rank: 0, rankCount: ranks, availableCores: availableCores()))
        }
        try output.line()
        try output.write(try experiment.effectiveYAML())
    }

    /// What a rank will hold, part by part, and what all ranks of one machine hold together.
    private func printMemory(_ experiment: Experiment) throws {
        let forecasts = MemoryForecast.job(experiment, rankCount: ranks, availableCores: availableCores())
        let first = forecasts[0]
        let states = experiment.configuration.optimizer.optimizer.states.map(\.name)
        try output.line()
        try output.line(
            "memory: \(Self.text(first.total)) at most"
                + (ranks == 1
                    ? ""
                    : " on rank 0, \(Self.text(MemoryForecast.together(forecasts))) on \(ranks) ranks of one machine"))
        let rows = first.parts.filter { $0.bytes > 0 }.map { part in
            [
                part.name, Self.text(part.bytes), part.isShared ? "shared" : "",
                part.name == "optimizer" ? states.joined(separator: ", ") : ""
            ]
        }
        for row in Self.aligned(rows, numbers: [1]) { try output.line("  " + row) }
    }

    private func printPlan(_ report: PlanReport) throws {
        try output.line()
        for line in report.lines { try output.line(line) }
    }

    /// How many weights are 0, where some are.
    private func printSparsity(_ model: TrainedModel) throws {
        let total = model.totalSparsity
        guard total.zeroCount > 0 else { return }
        let rows = (model.sparsity + [("total", total)]).map { name, zeros in
            [
                name, HumanText.count(zeros.zeroCount), "of \(HumanText.count(zeros.count))",
                String(format: "%.1f %%", 100 * Double(zeros.zeroCount) / Double(max(1, zeros.count)))
            ]
        }
        try output.line()
        try output.line("weights that are 0")
        for row in Self.aligned(rows, numbers: [1, 3]) { try output.line("  " + row) }
    }

    private func printLayers(_ network: Network, microBatchSize: Int) throws {
        let table = LayerTable(network, microBatchSize: microBatchSize)
        for row in Self.aligned([LayerTable.header] + table.rows) { try output.line(row) }
        for note in table.notes { try output.line(note) }
    }

    /// Lines of cells below each other; columns of `numbers` end below each other.
    private static func aligned(_ rows: [[String]], numbers: Set<Int> = []) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return numbers.contains(column) ? space + row[column] : row[column] + space
            }
            // Layers inside others stand further in.
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }

    private static func text(_ bytes: Double) -> String { String(format: "%.1f MB", bytes / 1e6) }
}
