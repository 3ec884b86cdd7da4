import Datasets
import Diagnostics
import Foundation
import Reporting

/// Normalisation, network, loss, optimizer and training for data, as the text of a configuration. Its numbers are what small
/// networks of these kinds are usually given; the tests hold the results against those of the ready configurations.
struct TrainingPlan {
    /// What is learned, for people: `one of 3 classes from 4 numbers`.
    let task: String
    private let sketch: DataSketch
    private let traits: DataTraits

    init(_ sketch: DataSketch, _ traits: DataTraits) throws {
        self.sketch = sketch
        self.traits = traits
        let what =
            switch sketch.samples {
            case .table: HumanText.count(traits.shape.count) + (traits.shape.count == 1 ? " number" : " numbers")
            case .images: "images of \(traits.shape)"
            case .arrays: "arrays of \(traits.shape)"
            case .labelledTexts: "texts"
            case .text: "those in front of it"
            }
        if case .positions = traits.kind {
            task = "the next character of a text from \(what)"
        } else {
            task = "\(traits.kind) from \(what)"
        }
        if case .classes(let count) = traits.kind, count > 1000 {
            throw Failure(
                .badData,
                "\(count) different targets, more than are taken for classes; --task regression takes them for numbers")
        }
    }

    private let indent = "  "

    /// Everything behind the first lines.
    var text: String {
        var lines = ["data:"] + sketch.lines.map { "  " + $0 }
        if !sketch.hasValidation {
            lines.append(
                indent
                    + "validation_fraction: 0.2\t# a fifth is held back, to see how good the network is on what it hasn't seen")
        }
        lines += normalization.map { "  " + $0 }
        lines +=
            ["model:"] + (sketch.samples == .text ? [indent + "initializer: gpt2"] : []) + [indent + "layers:"]
            + layers.map { indent + indent + $0 }
        lines += [loss, optimizer]
        lines += groups
        lines.append(
            sketch.samples == .text
                ? "schedule: {cosine: {minimum: 0.0001, warmup_steps: 100}}"
                : "schedule: cosine\t# the rate falls to 0 by the end")
        if sketch.samples == .text || sketch.samples == .labelledTexts { lines.append("gradient_clipping: {norm: 1.0}") }
        lines.append("metrics: [\(metrics.joined(separator: ", "))]")
        if sketch.samples == .text {
            lines += [
                "training:", indent + "max_steps: \(textSteps)", indent + "global_batch_size: 24\t# windows of text in a step",
                indent + "micro_batch_size: 6\t# four of these make a step, so that as many ranks have something to do",
                indent + "log_every: 50", "validation: {every_steps: \(textSteps / 4)}"
            ]
        } else {
            lines += [
                "early_stopping: {patience: \(max(5, epochs / 3))}\t# epochs without a better validation loss; checkpoints/best has the best",
                "training:", indent + "epochs: \(epochs)",
                indent + "global_batch_size: \(batchSize)\t# samples in a step",
                indent
                    + "micro_batch_size: \(batchSize / 4)\t# four of these make a step, so that as many ranks have something to do"
            ]
        }
        return configurationText(lines)
    }

    // MARK: - Data

    private var normalization: [String] {
        func text(_ number: Double) -> String { String(format: "%.4g", number) }
        func list(_ numbers: [Double]) -> String {
            numbers.count == 1 ? text(numbers[0]) : "[" + numbers.map(text).joined(separator: ", ") + "]"
        }
        switch sketch.samples {
        case .text, .labelledTexts: return []
        case .table: return ["standardize: true\t# each input gets mean 0 and deviation 1"]
        case .arrays where traits.shape.dimensions.count == 1 && !traits.areBytes:
            return ["standardize: true\t# each input gets mean 0 and deviation 1"]
        case .images, .arrays:
            let scale = traits.areBytes ? 255.0 : 1
            let deviations = traits.inputs.map { $0.deviation > 0 ? $0.deviation / scale : 1 }
            return [
                "normalize: {\(traits.areBytes ? "scale: 255, " : "")mean: \(list(traits.inputs.map { $0.mean / scale })), std: "
                    + "\(list(deviations))}\t# mean 0 and deviation 1 over the training samples"
            ]
        }
    }

    // MARK: - Network

    private var classCount: Int? { if case .classes(let count) = traits.kind { count } else { nil } }
    private var isBinary: Bool { classCount == 2 }

    private var outputs: Int {
        switch traits.kind {
        case .classes(let count): count == 2 ? 1 : count
        case .values(let count), .inputs(let count): count
        case .positions(let classes, _): classes
        }
    }

    private var lastLayer: String {
        "- dense: {units: \(outputs)}"
            + (isBinary
                ? "\t# one output: how likely the second class is"
                : classCount == nil ? "" : "\t# one for each class")
    }

    /// Where the last layer stands in the list.
    private var lastIndex: Int { layers.filter { $0.hasPrefix("- ") }.count - 1 }

    /// Height and width where samples are images that are large enough for convolutions.
    private var sides: (height: Int, width: Int)? {
        let sizes = traits.shape.dimensions
        guard sketch.samples == .images || sketch.samples == .arrays,
            sizes.count == 2 || sizes.count == 3 && [1, 3].contains(sizes[0])
        else { return nil }
        let (height, width) = (sizes[sizes.count - 2], sizes[sizes.count - 1])
        return min(height, width) >= 8 ? (height, width) : nil
    }

    private var layers: [String] {
        switch sketch.samples {
        case .text: return textLayers
        case .labelledTexts:
            return ["- embedding: {embedding_dim: 32}", "- lstm: {units: 64}", "- dropout: {rate: 0.5}", lastLayer]
        case .table, .images, .arrays: break
        }
        if let sides { return convolutions(sides) + [lastLayer] }
        let flatten = traits.shape.dimensions.count > 1 ? ["- flatten"] : []
        return flatten + hidden.flatMap { ["- dense: {units: \($0)}", "- relu"] } + [lastLayer]
    }

    /// Units of the hidden layers: more where there are more samples to tell what they are for.
    private var hidden: [Int] {
        let width = traits.shape.count
        switch traits.trainCount {
        case ..<1000: return [width <= 16 ? 16 : 32]
        case ..<10_000: return [width <= 16 ? 64 : 128]
        default: return [128, 64]
        }
    }

    /// Convolutions and pooling until little more than 8 pixels are left.
    private func convolutions(_ sides: (height: Int, width: Int)) -> [String] {
        var lines: [String] = []
        var filters = traits.trainCount < 5000 ? 16 : 32
        var side = min(sides.height, sides.width)
        func convolve() {
            lines += ["- conv2d: {filters: \(filters), kernel: 3, padding: same}", "- relu"]
            filters *= 2
        }
        if side < 16 { convolve() }
        repeat {
            convolve()
            lines.append("- max_pool2d: {size: 2}")
            side /= 2
        } while side > 8
        return lines + [
            "- flatten", "- dense: {units: \(traits.trainCount < 5000 ? 64 : 128)}", "- relu", "- dropout: {rate: 0.2}"
        ]
    }

    private var isSmallText: Bool { traits.tokenCount < 20_000 }
    private var textSteps: Int { isSmallText ? 400 : 2000 }

    private var textLayers: [String] {
        let width = isSmallText ? 64 : 128
        return [
            "- embedding: {units: \(width), name: tokens}", "- positional_embedding",
            "- repeat:", indent + indent + "times: \(isSmallText ? 2 : 4)", indent + indent + "layers:",
            indent + indent + indent
                + "- transformer_block: {heads: 4, hidden: \(4 * width), causal: true, dropout: \(isSmallText ? "0.1" : "0.0"), bias: false}",
            "- layer_norm: {bias: false}",
            "- dense: {units: vocabulary, bias: false, tie: tokens}\t# the weight of the embedding once more"
        ]
    }

    // MARK: - Loss and optimizer

    /// How many times as many samples the largest class has as the smallest before they get weights.
    private static let imbalance = 4.0

    private var loss: String {
        guard let counts = traits.classCounts, let count = classCount else {
            if case .values = traits.kind { return "loss: mean_squared_error" }
            return "loss: cross_entropy"
        }
        let largest = Double(counts.max() ?? 0)
        let smallest = Double(counts.filter { $0 > 0 }.min() ?? 1)
        let isUneven = largest >= Self.imbalance * smallest && count <= 50
        let total = Double(counts.reduce(0, +))
        if isBinary {
            guard isUneven, counts[1] > 0 else { return "loss: binary_cross_entropy" }
            return "loss: {binary_cross_entropy: {pos_weight: " + String(format: "%.3g", Double(counts[0]) / Double(counts[1]))
                + "}}\t# the classes are uneven (\(counts[0]) and \(counts[1])); so each counts as much"
        }
        guard isUneven else { return "loss: cross_entropy" }
        let weights = counts.map { String(format: "%.3g", $0 > 0 ? total / Double(count) / Double($0) : 1) }
        return
            "loss: {cross_entropy: {class_weights: [\(weights.joined(separator: ", "))]}}\t# uneven classes; so each counts as much"
    }

    private var metrics: [String] {
        switch traits.kind {
        case .values: ["r2", "mean_absolute_error"]
        case .classes(2): ["accuracy", "precision", "recall", "roc_auc"]
        case .classes(let count): ["accuracy", "f1"] + (count <= 20 ? ["confusion_matrix"] : [])
        case .positions, .inputs: ["accuracy"]
        }
    }

    private var optimizer: String {
        if sketch.samples == .text {
            return "optimizer: {adamw: {learning_rate: 0.001, weight_decay: 0.1, betas: [0.9, 0.99]}}"
        }
        let isSmallTable = sides == nil && traits.trainCount < 1000
        return isSmallTable
            ? "optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.3}}\t# the decay keeps so few samples from being learned by heart"
            : "optimizer: {adamw: {learning_rate: \(traits.trainCount < 20_000 ? "0.003" : "0.002"), weight_decay: 0.05}}"
    }

    /// Targets far from 0 and 1: the last layer has as far to go, and does so at once where its rate is as much larger.
    private var groups: [String] {
        guard !traits.targets.isEmpty else { return [] }
        let scale = traits.targets.map(\.deviation).max() ?? 1
        let distance = max(scale, traits.targets.map { abs($0.mean) }.max() ?? 0)
        guard distance > 3 || scale < 0.3, scale > 0 else { return [] }
        func text(_ number: Double) -> String { String(format: "%.3g", number) }
        return [
            "parameter_groups:\t# the targets have mean \(text(traits.targets[0].mean)) and deviation "
                + "\(text(traits.targets[0].deviation)): the last layer goes as much faster",
            indent + "- \(lastIndex).bias: {learning_rate_factor: \(text(distance)), weight_decay: 0}",
            indent + "- \(lastIndex).weight: {learning_rate_factor: \(text(scale)), weight_decay: 0}"
        ]
    }

    // MARK: - Training

    private var batchSize: Int {
        switch traits.trainCount {
        case ..<1000: 16
        case ..<5000: 32
        case ..<20_000: 64
        default: 128
        }
    }

    private var epochs: Int {
        if sketch.samples == .labelledTexts { return 10 }
        if sides != nil { return traits.trainCount < 20_000 ? 15 : 5 }
        return min(max(2500 * batchSize / max(traits.trainCount, 1), 8), 50)
    }
}
