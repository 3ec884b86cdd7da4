import Collectives

/// The link between the first two hosts of a job, for `dtrain bench`.
package enum LinkMeasure {
    /// Measures it, between the first rank of each. Collective; takes less than a second on any link.
    /// - Returns: bytes a second of messages of 4 MB; nil on one host.
    package static func bandwidth(_ communicator: any Communicator) throws -> Double? {
        let hosts = communicator.topology.hosts
        guard hosts.count > 1 else { return nil }
        let pair = (hosts[0].lowerBound, hosts[1].lowerBound)
        var measured: LinkFacts?
        if [pair.0, pair.1].contains(communicator.rank) {
            measured = try LinkTrial(communicator).run(from: pair.0, to: pair.1, isBetweenHosts: true)
        }
        return Double(try communicator.broadcast(measured.map { "\($0.bandwidth)" } ?? "", from: pair.0))
    }
}

extension NetworkInterface {
    /// Bytes a second that the kernel believes the interface to have, in either direction; nil where it doesn't say.
    private func nominalRate(_ view: SystemView) -> Double? {
        // Megabits a second; -1 where it isn't known.
        guard let megabits = view.word("/sys/class/net/\(name)/speed").flatMap({ Double($0) }), megabits > 0 else { return nil }
        return megabits * 1e6 / 8
    }

    /// That of the interface which leads to other hosts, where there is only one.
    package static func nominalRate(_ view: SystemView = SystemView()) -> Double? {
        let leading = all(view).filter { $0.isCandidate && !$0.isInternal }
        return leading.count == 1 ? leading[0].nominalRate(view) : nil
    }
}
