import Collectives
import Foundation
import Kernels
import Storage

/// The exchange of gradients between owners.
let exchangeScenarios = [
    Scenario(name: "message-exchange") { communicator in
        for leafCount in [1, 2, 3, 5, 8, 13] {
            try checkExchange(communicator, leafCount: leafCount, blockCount: 5) { layout, nodes in
                MessageExchange(communicator: communicator, layout: layout, nodes: nodes)
            }
        }
        // Fewer blocks than ranks: some own nothing.
        try checkExchange(communicator, leafCount: 4, blockCount: 1) { layout, nodes in
            MessageExchange(communicator: communicator, layout: layout, nodes: nodes)
        }
    },
]

/// Every leaf's gradient is a known function; the owners' combination must be, bit for bit, the tree over all leaves as
/// one rank would add it, and every rank must see every owner's result.
private func checkExchange(_ communicator: any Communicator, leafCount: Int, blockCount: Int,
                           _ make: (ParameterLayout, Int) -> any GradientExchange) throws {
    var layout = ParameterLayout()
    _ = layout.reserve(name: "w", shape: Shape([blockCount * ParameterLayout.blockSize - 7]), role: .weight)
    let tree = SummationTree(leafCount: leafCount)
    let program = tree.program(rankCount: communicator.size)
    let own = program.subtrees(of: communicator.rank)
    let exchange = make(layout, own.count)
    for round in 0..<3 {
        func leaf(_ leaf: Int, _ element: Int) -> Float {
            sin(Float(leaf * 7919 + element * 104_729 + round)) * Float(1 << (leaf % 11))
        }
        func node(_ leaves: Range<Int>, _ element: Int) -> Float {
            guard let (left, right) = tree.children(of: leaves) else { return leaf(leaves.lowerBound, element) }
            return node(left, element) + node(right, element)
        }
        for (index, subtree) in own.enumerated() {
            let gradients = exchange.gradients(index)[0..<layout.paddedCount].elements
            for element in gradients.indices { gradients[element] = node(program.subtrees[subtree], element) }
        }
        exchange.weights[0..<layout.paddedCount].fill(.nan)
        let sources = try exchange.collect(program)
        let scratch = AlignedBuffer<Float>(count: 64 * ParameterLayout.blockSize)
        for first in stride(from: 0, to: exchange.slice.count, by: ParameterLayout.blockSize) {
            let range = exchange.slice.lowerBound + first..<exchange.slice.lowerBound + first + ParameterLayout.blockSize
            combineTree(sources, additions: program.additions, offset: first, factor: 1, scratch: scratch.base,
                        into: exchange.weights[range])
        }
        try exchange.publish()
        let weights = exchange.weights[0..<layout.paddedCount].elements
        for element in weights.indices {
            let expected = node(0..<leafCount, element)
            expect(weights[element].bitPattern == expected.bitPattern, "\(leafCount) leaves, round \(round), element "
                + "\(element): \(weights[element]), expected \(expected)", communicator)
        }
        try communicator.barrier()
    }
}
