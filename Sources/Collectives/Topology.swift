/// Which ranks share a host, and with it memory. Ranks are numbered host by host.
package struct Topology: Sendable, Equatable {
    /// The ranks of each host, contiguous and in ascending order.
    package let hosts: [Range<Int>]

    /// - Parameter hostSizes: how many ranks each host has, in order; at least one each.
    package init(hostSizes: [Int]) {
        precondition(hostSizes.allSatisfy { $0 > 0 }, "hosts of \(hostSizes) ranks")
        var first = 0
        hosts = hostSizes.map { size in
            defer { first += size }
            return first..<first + size
        }
    }

    /// Every rank a host of its own: what is left where no memory can be shared.
    package static func separate(rankCount: Int) -> Topology {
        Topology(hostSizes: Array(repeating: 1, count: rankCount))
    }

    /// The index of the host that `rank` runs on.
    package func host(of rank: Int) -> Int {
        guard let index = hosts.firstIndex(where: { $0.contains(rank) }) else {
            preconditionFailure("rank \(rank) of \(hosts.last?.upperBound ?? 0)")
        }
        return index
    }

    /// The rank of host `host` that stands for it in what concerns the slice of rank `owner` on another host: each of an
    /// owner's messages has one counterpart per host, and a host's ranks share them out.
    package func counterpart(on host: Int, of owner: Int) -> Int {
        let ranks = hosts[host]
        let ownerHost = hosts[self.host(of: owner)]
        return ranks.lowerBound + (owner - ownerHost.lowerBound) % ranks.count
    }
}
