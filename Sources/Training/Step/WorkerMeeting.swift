import Collectives
import Kernels
import Storage

/// The outer step of `training.synchronization: {local: …}`: the weights that all workers go on from are made of the workers' weights,
/// which are added along a tree over the workers, whoever carries them.
///
/// It is a step of the owners' exchange, in which a worker's weights take the place of a gradient and the outer weights that of the
/// weights: the owner of a slice reads its neighbours' replicas where they lie and gets one sum from every other host, makes the new
/// weights, and hands them to everybody. So nobody has all replicas. Buffers travel with what is trained, and are averaged; what is
/// frozen travels too and stays.
final class WorkerMeeting {
    /// The elements of the flat weights that this rank owns.
    let slice: Range<Int>
    /// The workers that this rank carries.
    let carried: Range<Int>
    private let rules: LocalRules
    private let layout: ParameterLayout
    private let communicator: any Communicator
    private let exchange: OwnerExchange
    private let plan: ExchangePlan
    /// What `exchange` calls back, which is made before this.
    private let callback = Callback()
    /// What the outer step keeps of the slice: nothing for an average.
    private let momentumBuffer: AlignedBuffer<Float>
    /// How far the outer weights are from the average, of a block.
    private let distance = AlignedBuffer<Float>(count: ParameterLayout.blockSize)

    private final class Callback {
        weak var meeting: WorkerMeeting?
    }

    /// Collective.
    init(communicator: any Communicator, layout: ParameterLayout, rules: LocalRules) throws {
        self.rules = rules
        self.layout = layout
        self.communicator = communicator
        carried = rules.workers(of: communicator.rank, rankCount: communicator.size)
        exchange = try OwnerExchange(
            communicator: communicator, layout: Self.exchanged(layout), subtrees: carried.count, recordSize: 0
        ) { [callback] piece, elements, _ in callback.meeting?.combine(piece: piece, elements) ?? false }
        slice = exchange.slice
        plan = ExchangePlan(
            Self.program(rules, rankCount: communicator.size), tree: rules.tree, exchange: exchange, followsTree: true)
        momentumBuffer = AlignedBuffer(count: rules.outer == .average ? 0 : slice.count)
        callback.meeting = self
    }

    /// All of the flat weights, as what is exchanged.
    static func exchanged(_ layout: ParameterLayout) -> ParameterLayout {
        var all = ParameterLayout()
        _ = all.reserve(name: "weights", shape: Shape([layout.weightCount]), role: .other)
        return all
    }

    /// What is added: every worker is a leaf, and a subtree of the rank that carries it.
    static func program(_ rules: LocalRules, rankCount: Int) -> SummationTree.Program {
        rules.tree.program(workerCount: rules.workers, rankCount: rankCount)
    }

    /// The outer weights.
    var weights: MutableParameterView { all(of: exchange.weights.base) }
    var fillsWeights: Bool { exchange.fillsWeights }
    var topology: Topology { exchange.topology }
    var note: String? { exchange.note }

    /// The weights of the k-th worker that this rank carries: it alone writes them, and others read them in `meet`.
    func replica(_ index: Int) -> MutableParameterView { all(of: exchange.gradients(index).base) }

    private func all(of base: UnsafeMutablePointer<Float>) -> MutableParameterView {
        MutableParameterView(base: base, count: layout.weightCount, regions: layout.regions)
    }

    /// Has every worker that this rank carries go on from the outer weights.
    ///
    /// - Parameter frozenOnly: whether workers have what is trained and buffers already.
    func spread(frozenOnly: Bool = false) {
        let elements = frozenOnly ? layout.regions.frozen..<layout.regions.buffers : 0..<layout.weightCount
        for index in 0..<carried.count { replica(index)[elements].copy(from: weights.readOnly[elements]) }
    }

    /// Makes new outer weights, from which all workers go on. Collective: returns when every rank has them.
    func meet() throws {
        try exchange.beginStep(plan)
        exchange.finished(from: 0)
        if exchange.combinesEarly {
            _ = exchange.awaitMore(before: 1)
            _ = combine(piece: 0, slice)
        } else {
            try exchange.finishGradients()
        }
        try exchange.publish(showsRecords: false) {}
        try exchange.settle()
        // Messages that are on their way to other hosts would wait for this rank's next call of MPI, at the end of a step.
        if topology.hosts.count > 1 { try communicator.barrier() }
        spread()
    }

    func close() { exchange.close() }

    /// Makes the outer weights of an own piece. Returns that they are new.
    private func combine(piece: Int, _ elements: Range<Int>) -> Bool {
        let size = ParameterLayout.blockSize
        for first in stride(from: elements.lowerBound, to: elements.upperBound, by: size) {
            // Regions begin on blocks.
            let block = first..<first + size
            let outer = exchange.weights[block]
            if first >= layout.regions.buffers {
                // A division, so that counters stay whole numbers.
                plan.combine(first - slice.lowerBound, piece: piece, factor: 1, into: outer)
                for index in 0..<size { outer.base[index] /= Float(rules.workers) }
            } else if first < layout.trainedCount {
                step(outer, first - slice.lowerBound, piece)
            }
        }
        return true
    }

    private func step(_ outer: MutableMatrixView, _ offset: Int, _ piece: Int) {
        let share = 1 / Float(rules.workers)
        guard case .momentum(let rule) = rules.outer else {
            plan.combine(offset, piece: piece, factor: share, into: outer)
            return
        }
        let distance = distance.matrix(rows: 1, columns: outer.count)
        plan.combine(offset, piece: piece, factor: share, into: distance)
        Updates.subtract(distance, from: outer.readOnly)
        Updates.sgd(
            rule.coefficients, weights: outer, gradient: distance.readOnly,
            momentum: momentumBuffer.matrix(rows: 1, columns: outer.count, offset: offset))
    }

    /// The outer step's state of `trainedSlice`; nil where there is none.
    var momentum: MutableMatrixView? {
        let count = trainedSlice(of: communicator.rank).count
        return momentumBuffer.count > 0 && count > 0 ? momentumBuffer.matrix(rows: 1, columns: count) : nil
    }

    /// The elements of what is trained that a rank owns.
    func trainedSlice(of rank: Int) -> Range<Int> {
        Self.exchanged(layout).slice(of: rank, ownerCount: communicator.size).clamped(to: 0..<layout.trainedCount)
    }
}
