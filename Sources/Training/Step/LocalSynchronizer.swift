import Collectives
import Kernels
import Optimization
import Storage
import Timing

/// The strategy `local`: every worker steps replicas of weights and optimizer state by the mean gradient of its own share of the
/// batch, and every few steps the replicas become one (`WorkerMeeting`). Between these, ranks exchange nothing but a small record of
/// each step.
///
/// How many workers there are is part of the configuration. A rank carries some of them, contiguous ones, and computes them one after
/// the other; which rank carries a worker never shows, as no number depends on it.
final class LocalSynchronizer: Synchronizer {
    var clock: PhaseClock?
    let rules: LocalRules
    let layout: ParameterLayout
    let communicator: any Communicator
    let meeting: WorkerMeeting
    /// The workers that this rank carries.
    let replicas: [Replica]
    /// Of a worker's optimizer.
    let stateNames: [String]
    private let agreement: StepAgreement
    private let ownRecord: AlignedBuffer<Double>
    private let allRecords: AlignedBuffer<Double>
    private let blockSquares: AlignedBuffer<Double>
    /// The squares of the carried workers' gradients; 0 where one had no samples.
    private let squares: AlignedBuffer<Double>
    private let skipsNonFinite: Bool
    private let clipsNorm: Bool
    private let layerSumCount: Int
    private var request: StepRequest?
    /// Whether replicas are what they should be: before the first step they are not, or not all of them.
    private var haveBegun = false
    /// Whether workers go on from weights of their own.
    var hasOwnWeights = false

    /// Collective.
    ///
    /// - Parameter mostSubtrees: the most subtrees that any rank has in a step.
    init(
        communicator: any Communicator, layout: ParameterLayout, optimizer: OptimizerConfiguration, rules: LocalRules,
        gradientRules: GradientRules, skipsNonFinite: Bool, mostSubtrees: Int, sumCount: Int, layerSumCount: Int
    ) throws {
        self.communicator = communicator
        self.layout = layout
        self.rules = rules
        stateNames = optimizer.optimizer.states.map(\.name)
        self.skipsNonFinite = skipsNonFinite
        self.layerSumCount = layerSumCount
        clipsNorm = gradientRules.needsAgreement(skipsNonFinite: false)
        let meeting = try WorkerMeeting(communicator: communicator, layout: layout, rules: rules)
        self.meeting = meeting
        replicas = meeting.carried.indices.map {
            Replica(
                weights: meeting.replica($0 - meeting.carried.lowerBound), optimizer: optimizer, rules: gradientRules,
                layout: layout)
        }
        agreement = StepAgreement(
            communicator: communicator, squareCount: rules.workers, subtrees: mostSubtrees, sumCount: sumCount,
            layerSumCount: layerSumCount)
        ownRecord = AlignedBuffer(count: agreement.recordSize)
        allRecords = AlignedBuffer(count: agreement.recordSize * communicator.size)
        blockSquares = AlignedBuffer(count: layout.blockCount)
        squares = AlignedBuffer(count: meeting.carried.count)
    }

    /// The outer weights: what is validated, and what a checkpoint's model is.
    var weights: MutableParameterView { meeting.weights }
    var fillsWeights: Bool { meeting.fillsWeights }
    var hasReplicas: Bool { meeting.topology.hosts.count > 1 }
    var note: String? { meeting.note }

    func plan(for program: SummationTree.Program, tree: SummationTree) -> StepPlan {
        // A short batch may have no leaves for some.
        let busy = meeting.carried.filter { !tree.leaves(of: $0, rankCount: rules.workers).isEmpty }
        return StepPlan(program: program, exchange: [], replicas: busy.map { $0 - meeting.carried.lowerBound })
    }

    // MARK: - A step

    var awaitWeights: ((Int) -> Void)? { nil }
    var gradientsSummed: ((Int) -> Void)? { nil }
    func settle() {}

    func begin(_ request: StepRequest) {
        begin()
        self.request = request
        for replica in replicas { replica.engine.prepare(step: request.step, learningRate: request.learningRate) }
    }

    /// Has workers go on from the outer weights, which all ranks have by now.
    func begin() {
        if !haveBegun { meeting.spread(frozenOnly: hasOwnWeights) }
        haveBegun = true
    }

    private func replica(of subtree: Int) -> Int {
        guard let request else { preconditionFailure("a subtree without a step") }
        return request.plan.replicas[subtree]
    }

    func weights(of subtree: Int) -> MutableParameterView { replicas[replica(of: subtree)].weights }

    func gradients(_ subtree: Int) -> MutableParameterView { replicas[replica(of: subtree)].gradients }

    func subtreeSums(_ subtree: Int) -> UnsafeMutableBufferPointer<Double> {
        agreement.subtreeSums(subtree, in: ownRecord.elements)
    }

    func gradientsFinished(from offset: Int) {}

    func complete(stopRequested: Bool, meanwhile: () -> Void) throws -> StepOutcome {
        guard let request else { preconditionFailure("a step without a beginning") }
        squares.elements.update(repeating: 0)
        for (subtree, index) in request.plan.replicas.enumerated() where isCounted(subtree, request) {
            squares[index] = replicas[index].average(
                factor: Float(1 / request.divisors[subtree]), steps: !skipsNonFinite && !clipsNorm,
                blockSquares: blockSquares.elements)
            if clipsNorm, !skipsNonFinite, squares[index].isFinite { replicas[index].step(squares: squares[index]) }
        }
        clock?.mark(.update)
        agreement.fill(ownRecord.elements, stopRequested: stopRequested, squares: UnsafeBufferPointer(squares.elements))
        meanwhile()
        try communicator.allGather(
            UnsafeRawBufferPointer(ownRecord.elements), into: UnsafeMutableRawBufferPointer(allRecords.elements))
        clock?.mark(.wait)
        let busy = request.plan.program.subtrees.count
        let outcome = agreement.outcome(request.plan.program, squareShare: 1 / Double(busy)) {
            UnsafePointer(allRecords.base + $0 * agreement.recordSize)
        }
        if skipsNonFinite, outcome.isFinite {
            for (subtree, index) in request.plan.replicas.enumerated() where isCounted(subtree, request) {
                replicas[index].step(squares: squares[index])
            }
            clock?.mark(.update)
        }
        return outcome
    }

    /// Whether a worker has a mean to step by. Where none has, the step isn't finite.
    private func isCounted(_ subtree: Int, _ request: StepRequest) -> Bool {
        request.divisors[subtree] > 0 || !request.factor.isFinite
    }

    func updateBuffers(
        _ outcome: StepOutcome, _ write: (MutableParameterView, _ sums: UnsafeBufferPointer<Double>) -> Void
    ) {
        guard let request else { return }
        for (subtree, index) in request.plan.replicas.enumerated() {
            let sums = UnsafeBufferPointer(subtreeSums(subtree))
            write(replicas[index].weights, UnsafeBufferPointer(rebasing: sums[(sums.count - layerSumCount)...]))
        }
    }

    func end(step: Int) throws {
        guard rules.endsRound(step) else { return }
        communicator.pulse.turn(to: .combining)
        try meeting.meet()
        clock?.mark(.reduce)
        communicator.pulse.turn(to: .log)
    }

    // MARK: - Beside the steps

    var keepsOwnGradients: Bool { true }

    func close() { meeting.close() }
}
