import Export
import Kernels
import Storage

/// A layer that ONNX's operators can say.
package protocol GraphLayer: Layer {
    /// Adds the nodes that compute, of samples of the layer's input shape, what its `forward` does in evaluation.
    ///
    /// - Returns: samples of its output shape, or of another one with as many numbers in the same order.
    func addNodes(behind input: GraphValue, to graph: GraphWriter) throws -> GraphValue
}

/// A value of a graph: its name, and the shape of one sample of it. In front of that shape stands the batch.
package struct GraphValue: Sendable {
    package let name: String
    package let dimensions: [Int]

    package init(name: String, dimensions: [Int]) {
        self.name = name
        self.dimensions = dimensions
    }
}

/// Makes a graph of ONNX out of layers with their weights. Parameters keep their names.
package final class GraphWriter {
    /// A layer that can't be said: `3 (my_layer)`.
    package struct Unsayable: Error {
        package let layer: String
    }

    package let graph: ONNXGraph
    /// Invariant: the weights live until the graph is written.
    private let weights: ParameterView
    /// The matrices that are written in 8 bits, by the index of their slot.
    private let quantized: [Int: QuantizedMatrix]
    /// The input with a sample's number of steps, Int64; nil where samples have no lengths.
    private let lengths: String?
    /// The layer whose nodes are being added.
    private var path = "input"
    /// Counts and masks that there are already.
    private var counts: [String: String] = [:]
    private var dequantized: [Int: String] = [:]

    package init(_ graph: ONNXGraph, weights: ParameterView, quantized: [Int: QuantizedMatrix] = [:], lengths: String? = nil) {
        self.graph = graph
        self.weights = weights
        self.quantized = quantized
        self.lengths = lengths
    }

    /// Adds layers, one behind the other.
    package func add(_ layers: Sequential, behind input: GraphValue) throws -> GraphValue {
        var value = input
        for stage in layers.computed {
            guard let layer = stage.layer as? any GraphLayer else { throw Unsayable(layer: stage.description) }
            let outer = path
            path = stage.path
            defer { path = outer }
            value = try layer.addNodes(behind: reshaped(value, stage.inputShape.dimensions), to: self)
        }
        return reshaped(value, layers.outputShape.dimensions)
    }

    // MARK: - Nodes

    /// A node with one output.
    package func node(_ operation: String, _ inputs: [String], _ attributes: [(String, ONNXGraph.Attribute)] = []) -> String {
        graph.addNode(operation, inputs, attributes, at: path)
    }

    /// A node with several outputs.
    package func node(
        _ operation: String, _ inputs: [String], _ attributes: [(String, ONNXGraph.Attribute)] = [], outputs: Int
    ) -> [String] {
        graph.addNode(operation, inputs, attributes, outputs: outputs, at: path)
    }

    /// A node that leaves the shape as it is.
    package func elementwise(
        _ operation: String, _ input: GraphValue, _ attributes: [(String, ONNXGraph.Attribute)] = []
    ) -> GraphValue {
        GraphValue(name: node(operation, [input.name], attributes), dimensions: input.dimensions)
    }

    /// The same numbers in another shape.
    package func reshaped(_ value: GraphValue, _ dimensions: [Int]) -> GraphValue {
        guard value.dimensions != dimensions else { return value }
        // 0 takes over the batch.
        let shape = constant([0] + dimensions)
        return GraphValue(name: node("Reshape", [value.name, shape]), dimensions: dimensions)
    }

    /// Samples with their dimensions in another order, counted from 0.
    package func permuted(_ value: GraphValue, _ order: [Int]) -> GraphValue {
        let name = node("Transpose", [value.name], [("perm", .integers([0] + order.map { $0 + 1 }))])
        return GraphValue(name: name, dimensions: order.map { value.dimensions[$0] })
    }

    /// x·Wᵀ + b over the last dimension.
    package func product(_ input: GraphValue, _ weight: ParameterSlot, bias: ParameterSlot?) -> GraphValue {
        let matrix = self.weight(weight)
        let dimensions = Array(input.dimensions.dropLast()) + [weight.shape.dimensions[0]]
        if input.dimensions.count == 1 {
            let name = node("Gemm", [input.name, matrix] + (bias.map { [parameter($0)] } ?? []), [("transB", .integer(1))])
            return GraphValue(name: name, dimensions: dimensions)
        }
        let turned = node("Transpose", [matrix], [("perm", .integers([1, 0]))])
        var name = node("MatMul", [input.name, turned])
        if let bias { name = node("Add", [name, parameter(bias)]) }
        return GraphValue(name: name, dimensions: dimensions)
    }

    // MARK: - Tensors

    /// A parameter under its own name.
    package func parameter(_ slot: ParameterSlot) -> String {
        if !graph.has(slot.name) {
            graph.addTensor(
                slot.name, shape: slot.shape.dimensions, memory: UnsafeRawBufferPointer(weights.matrix(slot).row(0)))
        }
        return slot.name
    }

    /// The weight of a product or a convolution, which may be written in 8 bits: whole numbers, which a node multiplies by the
    /// scales of their channels.
    package func weight(_ slot: ParameterSlot) -> String {
        guard let matrix = quantized[slot.index] else { return parameter(slot) }
        if let name = dequantized[slot.index] { return name }
        let name = slot.name + ".int8", scales = slot.name + ".scale"
        graph.addTensor(name, shape: slot.shape.dimensions, matrix.values)
        graph.addTensor(scales, shape: [matrix.scales.count], matrix.scales)
        let result = node("DequantizeLinear", [name, scales], [("axis", .integer(matrix.axis))])
        dequantized[slot.index] = result
        return result
    }

    /// The numbers of a parameter.
    package func numbers(_ slot: ParameterSlot) -> [Float] { Array(weights.matrix(slot).row(0)) }

    /// A tensor of the layer's own.
    package func tensor(_ name: String, shape: [Int], _ numbers: [Float]) -> String {
        let name = graph.freshName("\(path).\(name)")
        graph.addTensor(name, shape: shape, numbers)
        return name
    }

    /// A list of whole numbers.
    package func constant(_ numbers: [Int]) -> String {
        let name = "[" + numbers.map(String.init).joined(separator: ",") + "]"
        if !graph.has(name) { graph.addTensor(name, shape: [numbers.count], numbers.map { Int64($0) }) }
        return name
    }

    /// A single number.
    package func constant(_ number: Float) -> String {
        let name = "number \(number)"
        if !graph.has(name) { graph.addTensor(name, shape: [], [number]) }
        return name
    }

    /// A number for each of a parameter's places, where the layer has none.
    package func uniform(_ number: Float, count: Int) -> String {
        let name = "\(count) of \(number)"
        if !graph.has(name) { graph.addTensor(name, shape: [count], [Float](repeating: number, count: count)) }
        return name
    }

    // MARK: - Lengths

    /// How many steps of each sample are its own, Int64 [batch]; nil where all are.
    ///
    /// - Parameters:
    ///   - most: steps of a sample.
    ///   - sequence: where they lie; nil where samples have no lengths there.
    package func stepCounts(most: Int, _ sequence: SequenceSteps?) -> String? {
        guard let lengths, let sequence else { return nil }
        let key = "\(most) \(sequence.windows)"
        if let name = counts[key] { return name }
        func single(_ number: Int) -> String { constant([number]) }
        var name = lengths
        for window in sequence.windows {
            let room = node("Add", [name, single(window.padding - window.reach)])
            name = node("Add", [node("Div", [node("Max", [room, single(0)]), single(window.stride)]), single(1)])
        }
        name = node("Min", [name, single(most)])
        counts[key] = name
        return name
    }

    /// Which steps of each sample are its own, Bool [batch, most]; nil where all are.
    package func stepMask(most: Int, _ sequence: SequenceSteps?) -> String? {
        guard let sequence, let count = stepCounts(most: most, sequence) else { return nil }
        let key = "mask \(most) \(sequence.windows)"
        if let name = counts[key] { return name }
        let places = "steps 0 to \(most - 1)"
        if !graph.has(places) { graph.addTensor(places, shape: [most], (0..<most).map { Int64($0) }) }
        let name = node("Less", [places, node("Unsqueeze", [count, constant([1])])])
        counts[key] = name
        return name
    }

    /// A mask of steps with as many dimensions as `rank` samples have, the steps on `axis`, both without the batch.
    package func spread(_ mask: String, axis: Int, rank: Int) -> String {
        let axes = (0..<rank).filter { $0 != axis }.map { $0 + 1 }
        return axes.isEmpty ? mask : node("Unsqueeze", [mask, constant(axes)])
    }

    /// Samples with zeros where a mask of steps on `axis` says no.
    package func masked(_ value: GraphValue, by mask: String, axis: Int) -> GraphValue {
        let mask = spread(mask, axis: axis, rank: value.dimensions.count)
        return GraphValue(name: node("Where", [mask, value.name, constant(Float(0))]), dimensions: value.dimensions)
    }
}
