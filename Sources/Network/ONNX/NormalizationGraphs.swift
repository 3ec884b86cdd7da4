import Export
import Storage

// Layers that normalise.

extension BatchNorm: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        graph.elementwise(
            "BatchNormalization", input,
            others: [
                weight.map(graph.parameter) ?? graph.uniform(1, count: channels),
                bias.map(graph.parameter) ?? graph.uniform(0, count: channels), graph.parameter(mean),
                graph.parameter(variance)
            ], [("epsilon", .float(Float(epsilon)))])
    }
}

extension GraphWriter {
    /// A node that reads a sample and tensors, and leaves the shape as it is.
    fileprivate func elementwise(
        _ operation: String, _ input: GraphValue, others: [String], _ attributes: [(String, ONNXGraph.Attribute)] = []
    ) -> GraphValue {
        GraphValue(name: node(operation, [input.name] + others, attributes), dimensions: input.dimensions)
    }
}

extension GroupNormLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let groups = normalization.groups
        let count = outputShape.count
        var value = graph.elementwise(
            "InstanceNormalization", graph.reshaped(input, [groups, count / groups]),
            others: [graph.uniform(1, count: groups), graph.uniform(0, count: groups)],
            [("epsilon", .float(Float(normalization.epsilon)))])
        // A number for each channel, in front of all of its places.
        let channels = normalization.channels
        if normalization.weight != nil || normalization.bias != nil {
            value = graph.reshaped(value, [channels, count / channels])
        }
        for (operation, slot) in [("Mul", normalization.weight), ("Add", normalization.bias)] {
            guard let slot else { continue }
            let numbers = graph.node("Unsqueeze", [graph.parameter(slot), graph.constant([1])])
            value = graph.elementwise(operation, value, others: [numbers])
        }
        return graph.reshaped(value, outputShape.dimensions)
    }
}

extension GroupNorm: GraphLayer {}
extension InstanceNorm: GraphLayer {}

extension RowNormalizing {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let axes = rows.width
        // As many numbers as are normalised together, from the last axes.
        var first = input.dimensions.count
        var count = 1
        while count < axes || first == input.dimensions.count {
            first -= 1
            count *= input.dimensions[first]
        }
        if rows.centers {
            let scale =
                rows.weight.map(graph.parameter)
                ?? graph.tensor(
                    "ones", shape: Array(input.dimensions[first...]), [Float](repeating: 1, count: axes))
            return graph.elementwise(
                "LayerNormalization", input, others: [scale] + (rows.bias.map { [graph.parameter($0)] } ?? []),
                [("axis", .integer(first + 1)), ("epsilon", .float(Float(rows.epsilon)))])
        }
        let squares = graph.node("Mul", [input.name, input.name])
        let mean = graph.node(
            "ReduceMean", [squares],
            [("axes", .integers((first..<input.dimensions.count).map { $0 + 1 })), ("keepdims", .integer(1))])
        let root = graph.node("Sqrt", [graph.node("Add", [mean, graph.constant(Float(rows.epsilon))])])
        let result = graph.elementwise("Div", input, others: [root])
        return rows.weight.map { graph.elementwise("Mul", result, others: [graph.parameter($0)]) } ?? result
    }
}

extension LayerNorm: GraphLayer {}
extension RMSNorm: GraphLayer {}
