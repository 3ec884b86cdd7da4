import Export
import Storage

// Products, activations, tokens, and what only moves numbers.

extension Dense: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        graph.product(input, weight, bias: bias)
    }
}

extension ElementwiseLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        func node(_ operation: String, _ first: GraphValue, _ second: String) -> GraphValue {
            GraphValue(name: graph.node(operation, [first.name, second]), dimensions: first.dimensions)
        }
        switch activation {
        case .relu: return graph.elementwise("Relu", input)
        case .leakyReLU(let slope): return graph.elementwise("LeakyRelu", input, [("alpha", .float(slope))])
        case .elu(let alpha): return graph.elementwise("Elu", input, [("alpha", .float(alpha))])
        case .sigmoid: return graph.elementwise("Sigmoid", input)
        case .tanh: return graph.elementwise("Tanh", input)
        case .silu: return node("Mul", input, graph.elementwise("Sigmoid", input).name)
        case .gelu:
            // ½·x·(1 + erf(x/√2)).
            let erf = graph.elementwise("Erf", node("Mul", input, graph.constant(Float(0.5.squareRoot()))))
            return node("Mul", node("Mul", input, graph.constant(0.5)), node("Add", erf, graph.constant(1)).name)
        case .geluTanh:
            let cube = node("Mul", node("Mul", input, input.name), input.name)
            let sum = node("Add", input, node("Mul", cube, graph.constant(0.044715)).name)
            let turn = graph.elementwise("Tanh", node("Mul", sum, graph.constant(Float((2 / Double.pi).squareRoot()))))
            return node("Mul", node("Mul", input, graph.constant(0.5)), node("Add", turn, graph.constant(1)).name)
        }
    }
}

extension ReLU: GraphLayer {}
extension LeakyReLU: GraphLayer {}
extension ELU: GraphLayer {}
extension Sigmoid: GraphLayer {}
extension Tanh: GraphLayer {}
extension GELU: GraphLayer {}
extension SiLU: GraphLayer {}

extension Softmax: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        graph.elementwise("Softmax", input, [("axis", .integer(-1))])
    }
}

// Nothing is dropped outside of training.

extension Dropout: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue { input }
}

extension Dropout2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue { input }
}

extension Permute: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue { graph.permuted(input, order) }
}

extension Embedding: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let name = graph.node("Gather", [graph.parameter(weight), input.name], [("axis", .integer(0))])
        return GraphValue(name: name, dimensions: input.dimensions + [width])
    }
}

extension PositionalEmbedding: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        var positions = weight.map(graph.parameter) ?? graph.tensor("positions", shape: [steps, width], table)
        if let weight, weight.shape.dimensions[0] > steps {
            positions = graph.node("Slice", [positions, graph.constant([0]), graph.constant([steps]), graph.constant([0])])
        }
        return GraphValue(name: graph.node("Add", [input.name, positions]), dimensions: input.dimensions)
    }
}

// MARK: - Layers of layers

extension Residual: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) throws -> GraphValue {
        let inner = try graph.add(layers, behind: input)
        let other = try shortcut.map { try graph.add($0, behind: input) } ?? input
        let sum = graph.node("Add", [graph.reshaped(other, inner.dimensions).name, inner.name])
        return GraphValue(name: sum, dimensions: inner.dimensions)
    }
}

extension Parallel: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) throws -> GraphValue {
        let results = try parts.map { try graph.add($0, behind: input) }
        let names = results.map(\.name)
        switch combination {
        case .concatenate:
            return GraphValue(name: graph.node("Concat", names, [("axis", .integer(1))]), dimensions: outputShape.dimensions)
        case .add, .multiply:
            let operation = combination == .add ? "Add" : "Mul"
            let name = names.dropFirst().reduce(names[0]) { graph.node(operation, [$0, $1]) }
            return GraphValue(name: name, dimensions: outputShape.dimensions)
        }
    }
}

extension LayerOfLayers {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) throws -> GraphValue {
        try graph.add(layers, behind: input)
    }
}

extension Repeat: GraphLayer {}
extension TransformerBlock: GraphLayer {}
