import ArgumentParser
import Diagnostics
import Foundation
import Network
import Reporting
import Storage
import Training

/// `dtrain inspect CONFIG|CHECKPOINT`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Layers, shapes, parameter counts, memory and the effective configuration.")

    @Argument(help: "A configuration (YAML), a checkpoint or a run directory; without it, the built-in digits.")
    var subject: String?

    @OptionGroup var options: ConfigurationOptions

    private var output: StandardStream { .output }

    func run() throws {
        var isDirectory: ObjCBool = false
        if let subject, FileManager.default.fileExists(atPath: subject, isDirectory: &isDirectory), isDirectory.boolValue {
            let model = try TrainedModel(path: subject, overrides: options.overrides)
            try output.line("\(model.checkpoint.path): step \(HumanText.count(model.state.step)), written by "
                + model.state.build)
            try output.line()
            try printLayers(model.network)
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
        try output.line("data: \(HumanText.count(sampler.sampleCount)) samples to train\(validation); inputs "
            + "\(experiment.network.inputShape), \(experiment.splits.train.targetKind)")
        for note in experiment.splits.notes { try output.line("note: \(note)") }
        try output.line("steps: \(HumanText.count(sampler.stepsPerEpoch)) per epoch, \(HumanText.count(experiment.totalSteps)) in all, "
            + "\(sampler.trees[0].leafCount) micro-batches each")
        try output.line()
        try printLayers(experiment.network)
        let states = experiment.configuration.optimizer.optimizer.states
        let parameters = experiment.network.layout.paddedCount * MemoryLayout<Float>.stride
        try output.line()
        try output.line("memory: weights \(Self.bytes(parameters)), gradients \(Self.bytes(parameters)) per subtree, optimizer "
            + "\(Self.bytes(parameters * states.count)) in all (\(states.map(\.name).joined(separator: ", "))), activations "
            + "\(Self.bytes(Activations.bytesPerSample(of: experiment.network))) per sample")
        try output.line()
        try output.write(try experiment.effectiveYAML())
    }

    private func printLayers(_ network: Network) throws {
        var rows = [["layer", "kind", "output", "parameters"], ["input", "", "\(network.inputShape)", ""]]
        for stage in network.layers.listed {
            let count = stage.slots.reduce(0) { $0 + network.layout.slots[$1].shape.count }
            rows.append([printable(stage.path), type(of: stage.layer).kind, "\(stage.layer.outputShape)",
                         count == 0 ? "" : HumanText.count(count)])
        }
        rows.append(["total", "", "", HumanText.count(network.layout.parameterCount)])
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            try output.line(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
        if let fused = network.fusedActivation { try output.line("the final \(fused) is part of the loss") }
    }

    private static func bytes(_ count: Int) -> String {
        var value = Double(count), unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : String(format: "%.1f ", value) + units[unit]
    }
}
