/// All that is known of a job at a moment: the table that is judged.
package struct JobTable: Equatable, Sendable {
    /// A host and the ranks on it.
    package struct Host: Equatable, Sendable {
        package var name: String
        package var ranks: Range<Int>
        /// Seconds since its watcher was last heard; nil where it isn't watched from here.
        package var silentSeconds: Double?
        /// Seconds since its network carried more than a few messages.
        package var networkIdleSeconds: Double

        package init(name: String, ranks: Range<Int>, silentSeconds: Double? = nil, networkIdleSeconds: Double = 0) {
            self.name = name
            self.ranks = ranks
            self.silentSeconds = silentSeconds
            self.networkIdleSeconds = networkIdleSeconds
        }
    }

    package var hosts: [Host]
    /// By rank; of a host that is silent, what was last known.
    package var ranks: [RankSign]

    package init(hosts: [Host], ranks: [RankSign]) {
        self.hosts = hosts
        self.ranks = ranks
    }

    /// The index of the host of `rank`.
    package func host(of rank: Int) -> Int { hosts.firstIndex { $0.ranks.contains(rank) } ?? 0 }

    /// The ranks that `rank` waits for, which may be many.
    package func awaited(by rank: Int) -> [Int] {
        let sign = ranks[rank]
        guard sign.wait != nil else { return [] }
        if let awaited = sign.awaited { return ranks.indices.contains(awaited) && awaited != rank ? [awaited] : [] }
        // Those that haven't come as far: all ranks pass the same steps and meetings in the same order.
        return ranks.indices.filter { other in
            guard other != rank else { return false }
            let its = ranks[other]
            if its.step != sign.step { return its.step < sign.step }
            if its.meetings != sign.meetings { return its.meetings < sign.meetings }
            return its.wait == nil || its.condition.isHeld || its.condition == .uninterruptible
        }
    }

    /// Ranks that wait for one of `targets`, also because others do that they wait for; ascending, without `targets`.
    package func waiters(of targets: Set<Int>) -> [Int] {
        var found = targets
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for rank in ranks.indices where !found.contains(rank) && awaited(by: rank).contains(where: found.contains) {
                found.insert(rank)
                isGrowing = true
            }
        }
        return found.subtracting(targets).sorted()
    }
}
