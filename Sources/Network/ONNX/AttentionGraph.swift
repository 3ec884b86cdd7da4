import Export
import Storage

// Attention out of products and a softmax: an operator of its own came later than most runtimes.

extension MultiHeadAttention: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let steps = attention.positions
        let (queries, keys, values) = projected(input, graph)
        let scaled = GraphValue(
            name: graph.node("Mul", [queries.name, graph.constant(1 / Float(attention.width).squareRoot())]),
            dimensions: queries.dimensions)
        // Heads of keys × heads of queries that share one × steps × width, and keys turned.
        let turnedKeys = graph.permuted(keys, [0, 1, 3, 2])
        let shape = Array(queries.dimensions.dropLast()) + [steps]
        var scores = GraphValue(name: graph.node("MatMul", [scaled.name, turnedKeys.name]), dimensions: shape)
        let mask = graph.stepMask(most: steps, SequenceSteps(axis: 0))
        if let seen = seen(mask, graph) {
            // The lowest number, not infinity, so that whoever sees nobody gets numbers, which become zeros.
            let low = graph.constant(-Float.greatestFiniteMagnitude)
            scores = GraphValue(name: graph.node("Where", [seen, scores.name, low]), dimensions: shape)
        }
        let shares = graph.elementwise("Softmax", scores, [("axis", .integer(-1))])
        var heads = GraphValue(
            name: graph.node("MatMul", [shares.name, values.name]), dimensions: queries.dimensions)
        heads = graph.reshaped(graph.permuted(heads, [2, 0, 1, 3]), [steps, attention.queryColumns])
        if let mask { heads = graph.masked(heads, by: mask, axis: 0) }
        return graph.product(heads, output.weight, bias: output.bias)
    }

    /// Queries, keys and values: heads of keys × heads of queries for each × steps × width.
    private func projected(_ input: GraphValue, _ graph: GraphWriter) -> (GraphValue, GraphValue, GraphValue) {
        let shares = attention.heads / attention.keyHeads
        let columns = [attention.queryColumns, attention.keyColumns, attention.keyColumns]
        var parts = inputs.map { graph.product(input, $0.projection.weight, bias: $0.projection.bias) }
        if parts.count == 1 {
            let names = graph.node(
                "Split", [parts[0].name, graph.constant(columns)], [("axis", .integer(2))], outputs: 3)
            parts = zip(names, columns).map { GraphValue(name: $0, dimensions: [attention.positions, $1]) }
        }
        func inHeads(_ value: GraphValue, shares: Int, turns: Bool) -> GraphValue {
            let heads = graph.permuted(
                graph.reshaped(value, [attention.positions, attention.keyHeads, shares, attention.width]), [1, 2, 0, 3])
            return turns ? rotary?.turned(heads, graph) ?? heads : heads
        }
        return (
            inHeads(parts[0], shares: shares, turns: true), inHeads(parts[1], shares: 1, turns: true),
            inHeads(parts[2], shares: 1, turns: false)
        )
    }

    /// Which keys a query sees, for scores of heads × heads × queries × keys; nil where all are seen.
    private func seen(_ mask: String?, _ graph: GraphWriter) -> String? {
        let steps = attention.positions
        let own = mask.map { graph.spread($0, axis: 3, rank: 4) }
        guard attention.isCausal else { return own }
        let name = "\(steps) steps that look back"
        if !graph.graph.has(name) {
            graph.graph.addTensor(
                name, shape: [steps, steps], (0..<steps * steps).map { $0 % steps <= $0 / steps })
        }
        return own.map { graph.node("And", [$0, name]) } ?? name
    }
}

extension RotaryPositions {
    /// Heads with steps and width as their last two dimensions, turned by their positions.
    fileprivate func turned(_ heads: GraphValue, _ graph: GraphWriter) -> GraphValue {
        let steps = heads.dimensions[heads.dimensions.count - 2]
        let cosines = graph.tensor("cosines", shape: [steps, half], Array(cosines[..<(steps * half)]))
        let sines = graph.tensor("sines", shape: [steps, half], Array(sines[..<(steps * half)]))
        let parts = graph.node(
            "Split", [heads.name, graph.constant([half, half])], [("axis", .integer(-1))], outputs: 2)
        func product(_ part: Int, _ table: String) -> String { graph.node("Mul", [parts[part], table]) }
        let low = graph.node("Sub", [product(0, cosines), product(1, sines)])
        let high = graph.node("Add", [product(1, cosines), product(0, sines)])
        return GraphValue(
            name: graph.node("Concat", [low, high], [("axis", .integer(-1))]), dimensions: heads.dimensions)
    }
}
