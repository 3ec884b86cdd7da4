import Datasets
import Diagnostics
import Foundation
import Kernels
import Network
import Storage

/// What each input of a sample has to do with one output of a network.
package struct InputExplanation: Sendable {
    /// How inputs are held responsible.
    package enum Method: String, CaseIterable, Sendable {
        /// The derivative of the output (Simonyan et al., "Deep Inside Convolutional Networks", 2014).
        case gradient
        /// The difference from the input's 0, times the mean derivative on the straight way between them (Sundararajan et al.,
        /// "Axiomatic Attribution for Deep Networks", ICML 2017). The sum is the difference of the outputs.
        case integratedGradients = "integrated_gradients"
        /// How much the output falls where a part of the input is taken out (Zeiler and Fergus, ECCV 2014).
        case occlusion
    }

    /// A number for each input.
    package let attributions: [Float]
    /// The output that is explained, before softmax or sigmoid.
    package let output: Float
    /// The same output of the input that is all 0.
    package let baseline: Float
    /// Which output it is.
    package let index: Int
}

extension TrainedModel {
    /// The samples of a file as `predict` reads them.
    package func inputs(from path: String, note: (String) -> Void) throws -> Dataset {
        try state.preprocessing.inputs(
            from: path, options: configuration.data.tableOptions, formats: configuration.catalogue.dataFormats, note: note)
    }

    /// Refuses samples whose inputs are no numbers: nothing lies between two words.
    private func requireNumbers() throws {
        guard state.preprocessing.tokenKinds == nil, !state.preprocessing.hasLengths else {
            throw Failure(
                .usage,
                "\(checkpoint.path): it was trained on texts or sequences of different lengths; explain takes tables, images and arrays"
            )
        }
    }

    /// Explains an output for a sample.
    ///
    /// - Parameters:
    ///   - output: which; nil: the largest, or the only one.
    ///   - steps: of the way of integrated gradients.
    package func explain(
        _ sample: Int, of dataset: Dataset, _ method: InputExplanation.Method, output: Int?, steps: Int = 128
    ) throws -> InputExplanation {
        try requireNumbers()
        let count = network.inputShape.count
        let input = AlignedBuffer<Float>(count: count)
        dataset.gatherInputs([Int32(sample)][...], into: input.matrix(rows: 1, columns: count))
        let values = Array(input.elements)
        let passes = ExplanationPasses(network, weights: currentWeights, workspace: workspace)
        let own = passes.outputs(of: values, rows: 1)
        let index = output ?? own.indices.reduce(0) { own[$1] > own[$0] ? $1 : $0 }
        let baseline = passes.outputs(of: [Float](repeating: 0, count: count), rows: 1)[index]
        let attributions: [Float]
        switch method {
        case .gradient:
            try requireDerivatives(network.layers)
            attributions = passes.gradients(of: index, at: values, rows: 1)
        case .integratedGradients:
            try requireDerivatives(network.layers)
            attributions = passes.integrated(index, from: values, steps: steps)
        case .occlusion:
            attributions = passes.occlusion(index, of: values, output: own[index], groups: occlusionGroups)
        }
        return InputExplanation(attributions: attributions, output: own[index], baseline: baseline, index: index)
    }

    /// Which inputs are taken out together: of an image squares that overlap, of a table all of a column.
    private var occlusionGroups: [[Int]] {
        if let columns = state.preprocessing.columns { return columns.map { Array($0.inputs) } }
        let sizes = network.inputShape.dimensions
        guard sizes.count == 2 || sizes.count == 3 else { return (0..<network.inputShape.count).map { [$0] } }
        let (height, width) = (sizes[sizes.count - 2], sizes[sizes.count - 1])
        let channels = network.inputShape.count / (height * width)
        let side = max(2, min(height, width) / 7)
        var groups: [[Int]] = []
        for top in stride(from: 0, through: max(height - side, 0), by: max(1, side / 2)) {
            for left in stride(from: 0, through: max(width - side, 0), by: max(1, side / 2)) {
                groups.append(
                    (0..<channels).flatMap { channel in
                        (top..<min(top + side, height)).flatMap { y in
                            (left..<min(left + side, width)).map { (channel * height + y) * width + $0 }
                        }
                    })
            }
        }
        return groups
    }

    /// Refuses layers whose derivative at a single sample isn't that of training.
    private func requireDerivatives(_ layers: Sequential) throws {
        for stage in layers.computed {
            guard !(stage.layer is BatchNorm) else {
                throw Failure(
                    .usage,
                    "layer \(stage.description): its derivative is known for batches in training only; use --method occlusion")
            }
            for branch in stage.layer.branches { try requireDerivatives(branch.layers) }
        }
    }

    /// The names of the columns of a table, and which inputs each makes; nil where samples are no rows of a table.
    package var columns: [(name: String, inputs: Range<Int>)]? { state.preprocessing.columns }

    /// The output that a class is judged by, and the name of what an output says.
    package func outputIndex(ofClass name: String) throws -> Int {
        let outputs = network.outputShape.count
        let names = (0..<max(outputs, 2)).map { state.preprocessing.className($0) }
        guard let index = names.firstIndex(of: name) ?? Int(name), outputs > 1 ? (0..<outputs).contains(index) : index == 1
        else {
            throw Failure(
                .usage,
                outputs > 1
                    ? "--class \(name): no such class\(suggestion(for: name, among: names)); expected one of \(Network.list(names))"
                    : "--class \(name): the network has one output, which speaks for \"\(names[1])\"; leave it out")
        }
        return outputs > 1 ? index : 0
    }

    /// What the output of a network says, for people.
    package func outputName(_ index: Int) -> String {
        let outputs = network.outputShape.count
        switch configuration.loss.outputTransform {
        case .softmax, .sigmoid: return "\"\(state.preprocessing.className(outputs == 1 ? 1 : index))\""
        case .none: return outputs == 1 ? "the prediction" : "prediction \(index)"
        }
    }

    /// A picture of what each pixel of a sample has to do with the output.
    package func overlay(_ explanation: InputExplanation, sample: Int, of dataset: Dataset, isSigned: Bool) throws -> [UInt8] {
        try dataset.overlay(
            explanation.attributions, on: Int32(sample), state.preprocessing.normalization, isSigned: isSigned)
    }
}

/// Forward and backward passes of a network as it predicts.
struct ExplanationPasses: ~Copyable {
    private let network: Network
    private let weights: ParameterView
    private let workspace: Workspace
    private let gradients: AlignedBuffer<Float>

    init(_ network: Network, weights: ParameterView, workspace: Workspace) {
        self.network = network
        self.weights = weights
        self.workspace = workspace
        gradients = AlignedBuffer(count: network.layout.gradientCount)
    }

    /// How many rows memory holds at once.
    private func rowsAtOnce(training: Bool) -> Int {
        let bytes = Activations.bytesPerSample(of: network.layers, leafRows: 1, training: training)
        return max(1, min(64, RowMemory.activationBudget / max(1, bytes)))
    }

    /// All outputs of `rows` inputs that lie one behind the other.
    func outputs(of inputs: [Float], rows: Int) -> [Float] {
        let (width, outputs) = (network.inputShape.count, network.outputShape.count)
        let most = min(rows, rowsAtOnce(training: false))
        let activations = Activations(network.layers, rows: most, leafRows: most, training: false)
        let input = AlignedBuffer<Float>(count: most * width)
        let output = AlignedBuffer<Float>(count: most * outputs)
        var all: [Float] = []
        for first in stride(from: 0, to: rows, by: most) {
            let count = min(most, rows - first)
            for place in 0..<count * width { input.elements[place] = inputs[first * width + place] }
            network.layers.forward(
                input.matrix(rows: count, columns: width).readOnly, into: output.matrix(rows: count, columns: outputs),
                using: activations,
                in: ForwardPass(weights: weights, workspace: workspace, purpose: .evaluation, leafRows: most))
            all += output.elements[..<(count * outputs)]
        }
        return all
    }

    /// The gradient of an output with respect to each of `rows` inputs.
    func gradients(of index: Int, at inputs: [Float], rows: Int) -> [Float] {
        let (width, outputs) = (network.inputShape.count, network.outputShape.count)
        let most = min(rows, rowsAtOnce(training: true))
        let activations = Activations(network.layers, rows: most, leafRows: most, training: true)
        let input = AlignedBuffer<Float>(count: most * width)
        let inputGradient = AlignedBuffer<Float>(count: most * width)
        let output = AlignedBuffer<Float>(count: most * outputs)
        let outputGradient = AlignedBuffer<Float>(count: most * outputs)
        var all: [Float] = []
        for first in stride(from: 0, to: rows, by: most) {
            let count = min(most, rows - first)
            for place in 0..<count * width { input.elements[place] = inputs[first * width + place] }
            for place in 0..<count * outputs { outputGradient.elements[place] = place % outputs == index ? 1 : 0 }
            let from = input.matrix(rows: count, columns: width).readOnly
            let to = output.matrix(rows: count, columns: outputs)
            network.layers.forward(
                from, into: to, using: activations,
                in: ForwardPass(weights: weights, workspace: workspace, purpose: .evaluation, leafRows: most))
            network.layers.backward(
                outputGradient.matrix(rows: count, columns: outputs).readOnly,
                into: inputGradient.matrix(rows: count, columns: width), input: from, output: to.readOnly, using: activations,
                in: BackwardPass(
                    weights: weights, gradients: gradients.gradients(network.layout), leafRows: most, workspace: workspace))
            all += inputGradient.elements[..<(count * width)]
        }
        return all
    }

    /// Integrated gradients from 0 by the midpoints of `steps` equal parts of the way, summed in Double.
    func integrated(_ index: Int, from values: [Float], steps: Int) -> [Float] {
        let width = values.count
        var sums = [Double](repeating: 0, count: width)
        let most = rowsAtOnce(training: true)
        for first in stride(from: 0, to: steps, by: most) {
            let count = min(most, steps - first)
            let points = (first..<first + count).flatMap { step in
                values.map { $0 * ((Float(step) + 0.5) / Float(steps)) }
            }
            let found = gradients(of: index, at: points, rows: count)
            for place in found.indices { sums[place % width] += Double(found[place]) }
        }
        return values.indices.map { Float(Double(values[$0]) * sums[$0] / Double(steps)) }
    }

    /// How much the output falls where groups of inputs become 0: of each input the mean over the groups that it is in.
    func occlusion(_ index: Int, of values: [Float], output: Float, groups: [[Int]]) -> [Float] {
        let outputs = network.outputShape.count
        var sums = [Double](repeating: 0, count: values.count)
        var counts = [Int](repeating: 0, count: values.count)
        let most = rowsAtOnce(training: false)
        for first in stride(from: 0, to: groups.count, by: most) {
            let part = groups[first..<min(first + most, groups.count)]
            let rows = part.flatMap { group in
                var row = values
                for place in group { row[place] = 0 }
                return row
            }
            let found = self.outputs(of: rows, rows: part.count)
            for (row, group) in part.enumerated() {
                for place in group {
                    sums[place] += Double(output - found[row * outputs + index])
                    counts[place] += 1
                }
            }
        }
        return values.indices.map { Float(sums[$0] / Double(max(counts[$0], 1))) }
    }
}
