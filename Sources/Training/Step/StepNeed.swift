import Collectives
import Network
import Storage

/// What a step of a configuration asks of a machine and its network: for `dtrain doctor`, before anything is built.
package struct StepNeed: Codable, Equatable, Sendable {
    /// The configuration's name.
    package var workload: String
    /// Operations of the matrix products, over all ranks.
    package var operations: Int
    /// Bytes of gradients that a rank reads of the other ranks of its host: of the busiest rank.
    package var bytesWithinHost: Int
    /// Bytes that a host sends, and about as many that it receives: of the busiest host.
    package var bytesBetweenHosts: Int
    /// Bytes of memory that the ranks of each host share.
    package var sharedBytes: [Int]
    /// Bytes of a checkpoint.
    package var checkpointBytes: Int

    package init(
        workload: String, operations: Int, bytesWithinHost: Int, bytesBetweenHosts: Int, sharedBytes: [Int],
        checkpointBytes: Int
    ) {
        self.workload = workload
        self.operations = operations
        self.bytesWithinHost = bytesWithinHost
        self.bytesBetweenHosts = bytesBetweenHosts
        self.sharedBytes = sharedBytes
        self.checkpointBytes = checkpointBytes
    }

    /// - Parameter topology: which ranks share a host.
    package init(_ experiment: Experiment, topology: Topology) {
        let training = experiment.configuration.training
        let layout = experiment.network.layout
        let rankCount = topology.hosts.last?.upperBound ?? 1
        let hostCount = topology.hosts.count
        let shares = WorkShares(experiment.sampler, rankCount: rankCount, summation: training.summation)
        let number = MemoryLayout<Float>.stride
        let flat = layout.trainedCount * number
        let samples = min(training.globalBatchSize, experiment.sampler.sampleCount)
        workload = experiment.configuration.name
        operations = samples * experiment.network.productOperations
        let states = experiment.configuration.optimizer.optimizer.states.count
        checkpointBytes = layout.weightCount * number + states * flat

        func slice(_ rank: Int) -> Int { layout.slice(of: rank, ownerCount: rankCount).count }
        guard training.synchronization == .owner else {
            // A ring: all but one part of the buffer travel, once to be added up and once as sums.
            func ring(_ count: Int) -> Int { count > 1 ? 2 * (count - 1) * flat / count : 0 }
            bytesWithinHost = ring(topology.hosts.map(\.count).max() ?? 1)
            bytesBetweenHosts = ring(hostCount)
            sharedBytes = topology.hosts.map { _ in 0 }
            return
        }
        bytesWithinHost =
            topology.hosts.flatMap { host in
                host.map { rank in
                    host.filter { $0 != rank }.reduce(0) { $0 + shares.subtreeCount(of: $1) } * slice(rank) * number
                }
            }.max() ?? 0
        bytesBetweenHosts =
            topology.hosts.map { host in
                let sums = host.reduce(0) { sum, rank in
                    sum
                        + (shares.programs.first.map {
                            ExchangePlan.stagedCount(
                                $0, tree: shares.trees[0], topology: topology, layout: layout, rank: rank,
                                followsTree: training.summation == .tree)
                        } ?? 0)
                }
                let owned = host.reduce(0) { $0 + slice($1) }
                // Weights: its own to every other host, and those of the others.
                let weights = owned * (hostCount - 1) + layout.trainedCount - owned
                let sent = training.exchange == .bfloat16 ? MemoryLayout<UInt16>.stride : number
                return hostCount > 1 ? (sums + weights) * sent / 2 : 0
            }.max() ?? 0
        // What is applied late is there twice.
        let copies = training.delay > 0 ? 2 : 1
        sharedBytes = topology.hosts.map { host in
            host.count < 2
                ? 0
                : copies
                    * host.reduce(layout.weightCount * number) {
                        $0 + shares.subtreeCount(of: $1) * layout.gradientCount * number
                    }
        }
    }
}
