import Export
import Kernels
import Storage

// Recurrent layers: a node of ONNX for each level, both directions in one.

extension RecurrentLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        levels.addNodes(behind: input, to: graph)
    }
}

extension LSTM: GraphLayer {}
extension GRU: GraphLayer {}
extension SimpleRNN: GraphLayer {}

extension RecurrentCell {
    fileprivate var operation: String {
        switch self {
        case .tanh, .relu: "RNN"
        case .lstm: "LSTM"
        case .gru: "GRU"
        }
    }

    /// Which of our gates, in the order of PyTorch, stand where in ONNX: an LSTM's i o f c of i f g o, a GRU's z r h of r z n.
    fileprivate var order: [Int] {
        switch self {
        case .tanh, .relu: [0]
        case .lstm: [0, 3, 1, 2]
        case .gru: [1, 0, 2]
        }
    }
}

extension RecurrentLevels {
    fileprivate func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        // Steps come first in ONNX, then the batch.
        var value = graph.node("Transpose", [input.name], [("perm", .integers([1, 0, 2]))])
        let counts = graph.stepCounts(most: steps, sequence).map {
            graph.node("Cast", [$0], [("to", .integer(ONNXGraph.ElementType.int32.rawValue))])
        }
        for (index, directions) in levels.enumerated() {
            let cell = directions[0].recurrence.cell
            let units = directions[0].recurrence.units
            var attributes: [(String, ONNXGraph.Attribute)] = [
                ("hidden_size", .integer(units)), ("direction", .text(directions.count == 2 ? "bidirectional" : "forward"))
            ]
            switch cell {
            case .gru: attributes.append(("linear_before_reset", .integer(1)))
            case .relu: attributes.append(("activations", .texts(directions.map { _ in "Relu" })))
            case .tanh: attributes.append(("activations", .texts(directions.map { _ in "Tanh" })))
            case .lstm: break
            }
            let results = graph.node(
                cell.operation, [value] + tensors(index, directions, graph) + (counts.map { [$0] } ?? []), attributes,
                outputs: 2)
            if index == levels.count - 1, !givesAll {
                // Directions × batch × units.
                let last = graph.node("Transpose", [results[1]], [("perm", .integers([1, 0, 2]))])
                return graph.reshaped(GraphValue(name: last, dimensions: [directions.count, units]), [width])
            }
            // Steps × directions × batch × units.
            let isLast = index == levels.count - 1
            let turned = graph.node("Transpose", [results[0]], [("perm", .integers(isLast ? [2, 0, 1, 3] : [0, 2, 1, 3]))])
            guard !isLast else {
                return graph.reshaped(
                    GraphValue(name: turned, dimensions: [steps, directions.count, units]), [steps, width])
            }
            value = graph.node("Reshape", [turned, graph.constant([0, 0, width])])
        }
        preconditionFailure("a recurrent layer without levels")
    }

    /// The names of W, R and B of a level, gates in the order of ONNX; B is empty where there is no bias.
    private func tensors(_ level: Int, _ directions: [Direction], _ graph: GraphWriter) -> [String] {
        let recurrence = directions[0].recurrence
        let order = recurrence.cell.order
        let rows = order.count * recurrence.units
        func sorted(_ slot: ParameterSlot, _ columns: Int) -> [Float] {
            let numbers = graph.numbers(slot)
            let size = recurrence.units * columns
            return order.flatMap { numbers[$0 * size..<($0 + 1) * size] }
        }
        let inputs = directions.flatMap { sorted($0.inputWeight, recurrence.inputs) }
        let states = directions.flatMap { sorted($0.stateWeight, recurrence.units) }
        let biases = directions.flatMap { direction in
            [direction.inputBias, direction.stateBias].flatMap { $0.map { sorted($0, 1) } ?? [] }
        }
        let count = directions.count
        return [
            graph.tensor("W_l\(level)", shape: [count, rows, recurrence.inputs], inputs),
            graph.tensor("R_l\(level)", shape: [count, rows, recurrence.units], states),
            biases.isEmpty ? "" : graph.tensor("B_l\(level)", shape: [count, 2 * rows], biases)
        ]
    }
}
