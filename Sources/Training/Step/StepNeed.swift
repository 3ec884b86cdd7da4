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
        let number = MemoryLayout<Float>.stride
        let flat = layout.trainedCount * number
        let samples = min(training.globalBatchSize, experiment.sampler.sampleCount)
        workload = experiment.configuration.name
        operations = samples * experiment.network.productOperations
        let states = experiment.configuration.optimizer.optimizer.states.count
        checkpointBytes = layout.weightCount * number + states * flat
        switch training.synchronization {
        case .owner:
            let shares = experiment.shares(rankCount: topology.hosts.last?.upperBound ?? 1)
            let need = OwnerNeed(
                shares.programs[0], tree: shares.trees[0], layout: layout, topology: topology,
                followsTree: training.summation == .tree)
            bytesWithinHost = need.withinHost * number
            let sent = training.exchange == .bfloat16 ? MemoryLayout<UInt16>.stride : number
            bytesBetweenHosts = need.betweenHosts * sent / 2
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
        case .allreduce:
            // A ring: all but one part of the buffer travel, once to be added up and once as sums.
            func ring(_ count: Int) -> Int { count > 1 ? 2 * (count - 1) * flat / count : 0 }
            bytesWithinHost = ring(topology.hosts.map(\.count).max() ?? 1)
            bytesBetweenHosts = ring(topology.hosts.count)
            sharedBytes = topology.hosts.map { _ in 0 }
        case .local(let rules):
            let rankCount = topology.hosts.last?.upperBound ?? 1
            let program = WorkerMeeting.program(rules, rankCount: rankCount)
            let need = OwnerNeed(
                program, tree: rules.tree, layout: WorkerMeeting.exchanged(layout), topology: topology, followsTree: true)
            // The workers meet in one of so many steps.
            bytesWithinHost = need.withinHost * number / rules.steps
            bytesBetweenHosts = need.betweenHosts * number / 2 / rules.steps
            sharedBytes = topology.hosts.map { host in
                host.count < 2 ? 0 : (1 + host.reduce(0) { $0 + program.subtrees(of: $1).count }) * layout.weightCount * number
            }
            let ofWorker = (1 + states) * flat + (layout.weightCount - layout.regions.buffers) * number
            checkpointBytes = layout.weightCount * number + rules.workers * ofWorker + (rules.outer.stateName == nil ? 0 : flat)
        }
    }
}

/// What the owners' exchange moves, in elements.
private struct OwnerNeed {
    /// What a rank reads of the other ranks of its host: of the busiest rank.
    let withinHost: Int
    /// What a host sends and receives together: of the busiest host.
    let betweenHosts: Int

    init(
        _ program: SummationTree.Program, tree: SummationTree, layout: ParameterLayout, topology: Topology, followsTree: Bool
    ) {
        let rankCount = topology.hosts.last?.upperBound ?? 1
        let hostCount = topology.hosts.count
        func slice(_ rank: Int) -> Int { layout.slice(of: rank, ownerCount: rankCount).count }
        withinHost =
            topology.hosts.flatMap { host in
                host.map { rank in
                    host.filter { $0 != rank }.reduce(0) { $0 + program.subtrees(of: $1).count } * slice(rank)
                }
            }.max() ?? 0
        betweenHosts =
            topology.hosts.map { host in
                let sums = host.reduce(0) {
                    $0
                        + ExchangePlan.stagedCount(
                            program, tree: tree, topology: topology, layout: layout, rank: $1, followsTree: followsTree)
                }
                let owned = host.reduce(0) { $0 + slice($1) }
                // Weights: its own to every other host, and those of the others.
                let weights = owned * (hostCount - 1) + layout.trainedCount - owned
                return hostCount > 1 ? sums + weights : 0
            }.max() ?? 0
    }
}
