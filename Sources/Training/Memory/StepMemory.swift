import Collectives
import Network
import Storage

/// What a rank keeps for the steps, bytes: what depends on how ranks become one step.
struct StepMemory {
    /// The weights, and whether the ranks of a host have them together.
    let weights: Double, sharesWeights: Bool
    /// Weights of workers of its own.
    var replicas = 0.0
    let gradients: Double
    /// What its neighbours have computed of a rank's slice, which it reads where it lies: of gradients, or of replicas.
    var neighbours = 0.0
    let optimizer: Double
    /// The average of its weights.
    var average = 0.0
    /// All weights once more.
    let copyOfWeights: Double
    /// A checkpoint's copy of the weights and of everything beside them.
    let checkpoint: Double
    let messages: Double

    /// - Parameter gradientCount: gradients of its subtrees, and those that wait to be added.
    init(_ experiment: Experiment, shares: WorkShares, rank: Int, topology: Topology, gradientCount: Int) {
        let layout = experiment.network.layout
        let training = experiment.configuration.training
        let rankCount = topology.hosts.last?.upperBound ?? 1
        let neighbours = topology.hosts[topology.host(of: rank)].filter { $0 != rank }
        let states = experiment.configuration.optimizer.optimizer.states.count
        let weights = Self.bytes(layout.weightCount)
        copyOfWeights = weights
        let averages = training.average == nil ? 0 : 1
        let agreesFirst = experiment.configuration.gradientRules.needsAgreement(skipsNonFinite: training.onNonFinite == .skip)
        func staged(_ program: SummationTree.Program, _ tree: SummationTree, _ layout: ParameterLayout) -> Int {
            ExchangePlan.stagedCount(
                program, tree: tree, topology: topology, layout: layout, rank: rank, followsTree: training.summation == .tree)
        }
        let gradients = Self.bytes(gradientCount * layout.gradientCount)
        switch training.synchronization {
        case .owner:
            // Gradients that are applied late are there twice, and so are the weights.
            let copies = training.delay > 0 ? 2 : 1
            let slice = layout.slice(of: rank, ownerCount: rankCount).count
            self.weights = weights * Double(copies)
            sharesWeights = !neighbours.isEmpty
            self.gradients = gradients * Double(copies)
            self.neighbours = Self.bytes(neighbours.reduce(0) { $0 + shares.subtreeCount(of: $1) } * slice * copies)
            let inPlace = OwnerSynchronizer.averagesInPlace(
                rankCount: rankCount, subtrees: shares.mostSubtrees, isDelayed: training.delay > 0)
            optimizer = Self.bytes((states + copies - 1 + (agreesFirst && !inPlace ? 1 : 0)) * slice)
            average = Self.bytes(averages * slice)
            checkpoint = weights + Self.bytes(layout.trainedCount * (states + copies - 1 + averages))
            // Sums for the owners on other hosts, and theirs for this rank.
            messages = Self.bytes(zip(shares.programs, shares.trees).map { staged($0, $1, layout) * copies }.max() ?? 0)
        case .allreduce:
            self.weights = weights
            sharesWeights = false
            self.gradients = gradients
            optimizer = Self.bytes(states * layout.trainedCount)
            average = Self.bytes(averages * layout.trainedCount)
            checkpoint = weights + Self.bytes(layout.trainedCount * (states + averages))
            // What MPI keeps of the sums that it is at.
            messages = rankCount > 1 ? Self.bytes(layout.trainedCount) : 0
        case .local(let rules):
            func workers(_ rank: Int) -> Int { rules.workers(of: rank, rankCount: rankCount).count }
            let all = WorkerMeeting.exchanged(layout)
            let slice = all.slice(of: rank, ownerCount: rankCount)
            let outerStates = rules.outer.stateName == nil ? 0 : 1
            self.weights = weights
            sharesWeights = !neighbours.isEmpty
            replicas = weights * Double(workers(rank))
            self.gradients = gradients
            self.neighbours = Self.bytes(neighbours.reduce(0) { $0 + workers($1) } * slice.count)
            optimizer = Self.bytes(workers(rank) * states * layout.trainedCount + outerStates * slice.count)
            let ofWorker = (1 + states) * layout.trainedCount + layout.weightCount - layout.regions.buffers
            checkpoint = weights + Self.bytes(outerStates * layout.trainedCount + rules.workers * ofWorker)
            messages = Self.bytes(staged(WorkerMeeting.program(rules, rankCount: rankCount), rules.tree, all))
        }
    }

    private static func bytes(_ count: Int) -> Double { Double(count) * Double(MemoryLayout<Float>.stride) }
}
