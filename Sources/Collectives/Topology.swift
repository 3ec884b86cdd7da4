/// Which ranks share a node, and with it memory. Ranks are numbered node by node.
package struct Topology: Sendable, Equatable {
    /// The ranks of each node, contiguous and in ascending order.
    package let nodes: [Range<Int>]

    /// - Parameter nodeSizes: how many ranks each node has, in order; at least one each.
    package init(nodeSizes: [Int]) {
        precondition(nodeSizes.allSatisfy { $0 > 0 }, "nodes of \(nodeSizes) ranks")
        var first = 0
        nodes = nodeSizes.map { size in
            defer { first += size }
            return first..<first + size
        }
    }

    /// Every rank a node of its own: what is left where no memory can be shared.
    package static func separate(rankCount: Int) -> Topology {
        Topology(nodeSizes: Array(repeating: 1, count: rankCount))
    }

    /// The index of the node that `rank` runs on.
    package func node(of rank: Int) -> Int {
        guard let index = nodes.firstIndex(where: { $0.contains(rank) }) else {
            preconditionFailure("rank \(rank) of \(nodes.last?.upperBound ?? 0)")
        }
        return index
    }

    /// The rank of node `node` that stands for it in what concerns the slice of rank `owner` on another node: each of an
    /// owner's messages has one counterpart per node, and a node's ranks share them out.
    package func counterpart(on node: Int, of owner: Int) -> Int {
        let ranks = nodes[node], ownerNode = nodes[self.node(of: owner)]
        return ranks.lowerBound + (owner - ownerNode.lowerBound) % ranks.count
    }
}
