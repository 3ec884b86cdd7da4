import Checkpointing
import Collectives
import Kernels
import Optimization
import Storage
import Timing

/// The strategy `allreduce`: each rank adds up its own subtrees, `MPI_Iallreduce` adds up the ranks, and every rank takes the
/// same step on its own copy of the weights and the optimizer's state. For networks that reduce in hardware, and for
/// comparison; law 1 is not promised.
///
/// The gradient is cut into buckets (Li et al., "PyTorch Distributed", VLDB 2020): a bucket's sum begins as soon as
/// backward has passed it, and moves on while earlier layers run backward.
final class AllReduceSynchronizer: Synchronizer {
    let engine: UpdateEngine
    var clock: PhaseClock?
    private let communicator: any Communicator
    private let agreement: StepAgreement
    private let layout: ParameterLayout
    private let weightBuffer: AlignedBuffer<Float>
    private let gradientBuffer: AlignedBuffer<Float>
    private let blockSquares: AlignedBuffer<Double>
    private let ownRecord: AlignedBuffer<Double>
    private let allRecords: AlignedBuffer<Double>
    /// Ranges of the flat buffer, from its end to its beginning.
    private let buckets: [Range<Int>]
    private let agreesFirst: Bool
    private var request: StepRequest?
    /// Buckets whose sum has begun.
    private var begunBuckets = 0
    /// What went wrong in the middle of backward.
    private var failure: (any Error)?

    /// Elements of a bucket: small enough for the first sum to begin early, large enough for MPI to be at its speed.
    static let bucketSize = 1 << 20

    /// - Parameter subtrees: the most subtrees that this rank has in a step, and that any rank has.
    init(
        communicator: any Communicator, layout: ParameterLayout, optimizer: OptimizerConfiguration, rules: GradientRules,
        average: WeightAverage? = nil, pruning: Pruning? = nil, skipsNonFinite: Bool,
        subtrees: (own: Int, most: Int), sumCount: Int, layerSumCount: Int
    ) {
        self.communicator = communicator
        self.layout = layout
        engine = UpdateEngine(
            optimizer: optimizer, rules: rules, layout: layout, slice: 0..<layout.trainedCount, average: average,
            pruning: pruning)
        agreement = StepAgreement(
            communicator: communicator, squareCount: layout.blockCount, subtrees: subtrees.most, sumCount: sumCount,
            layerSumCount: layerSumCount)
        agreesFirst = rules.needsAgreement(skipsNonFinite: skipsNonFinite)
        weightBuffer = AlignedBuffer(count: layout.weightCount)
        gradientBuffer = AlignedBuffer(count: layout.gradientCount * max(subtrees.own, 1))
        blockSquares = AlignedBuffer(count: layout.blockCount)
        ownRecord = AlignedBuffer(count: agreement.recordSize)
        allRecords = AlignedBuffer(count: agreement.recordSize * communicator.size)
        buckets = stride(from: layout.trainedCount, to: 0, by: -Self.bucketSize).map { max(0, $0 - Self.bucketSize)..<$0 }
    }

    var weights: MutableParameterView { weightBuffer.weights(layout) }
    var fillsWeights: Bool { true }
    var hasReplicas: Bool { communicator.size > 1 }
    var note: String? { nil }

    func plan(for program: SummationTree.Program, tree: SummationTree) -> StepPlan {
        StepPlan(program: program, exchange: [])
    }

    // MARK: - A step

    var awaitWeights: ((Int) -> Void)? { nil }
    var gradientsSummed: ((Int) -> Void)? { nil }
    func settle() {}

    func begin(_ request: StepRequest) {
        self.request = request
        begunBuckets = 0
        engine.prepare(step: request.step, learningRate: request.learningRate)
        engine.findThresholds(step: request.step, weights: weights.readOnly)
    }

    func gradients(_ subtree: Int) -> MutableParameterView {
        precondition(subtree >= 0 && (subtree + 1) * layout.gradientCount <= gradientBuffer.count, "subtree \(subtree)")
        return MutableParameterView(
            base: gradientBuffer.base + subtree * layout.gradientCount, count: layout.gradientCount,
            laterUses: layout.trainedCount)
    }

    func subtreeSums(_ subtree: Int) -> UnsafeMutableBufferPointer<Double> {
        agreement.subtreeSums(subtree, in: ownRecord.elements)
    }

    func gradientsFinished(from offset: Int) {
        guard failure == nil else { return }
        do {
            clock?.mark(.backward, isContinued: true)
            try beginBuckets(from: offset)
            clock?.mark(.reduce, isContinued: true)
            try communicator.progressAllReduces()
            clock?.mark(.wait, isContinued: true)
        } catch {
            failure = error
        }
    }

    func complete(stopRequested: Bool, meanwhile: () -> Void) throws -> StepOutcome {
        if let failure { throw failure }
        guard let request else { preconditionFailure("a step without a beginning") }
        try beginBuckets(from: 0)
        clock?.mark(.reduce)
        for bucket in buckets {
            try communicator.finishAllReduce()
            clock?.mark(.wait)
            average(bucket, request)
            clock?.mark(.reduce)
            // What isn't finite shows in the sum on every rank, so nobody needs to be asked.
            guard !agreesFirst else { continue }
            update(bucket, normFactor: nil)
            clock?.mark(.update)
        }
        // Every rank has all blocks; it hands over those that the agreement asks of its slice.
        let slice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
        let blockSize = ParameterLayout.blockSize
        let own = blockSquares.elements[slice.lowerBound / blockSize..<slice.upperBound / blockSize]
        agreement.fill(
            ownRecord.elements, stopRequested: stopRequested,
            squares: UnsafeBufferPointer(rebasing: own))
        meanwhile()
        try communicator.allGather(
            UnsafeRawBufferPointer(ownRecord.elements),
            into: UnsafeMutableRawBufferPointer(allRecords.elements))
        clock?.mark(.wait)
        let outcome = agreement.outcome(request.plan.program) {
            UnsafePointer(allRecords.base + $0 * agreement.recordSize)
        }
        if agreesFirst, outcome.isFinite {
            let factor = engine.rules.normFactor(norm: outcome.gradientNorm)
            for bucket in buckets { update(bucket, normFactor: factor) }
            clock?.mark(.update)
        }
        return outcome
    }

    /// Adds up this rank's subtrees and begins the sum over the ranks for the buckets that are complete.
    private func beginBuckets(from offset: Int) throws {
        guard let request else { return }
        let subtrees = request.plan.program.subtrees(of: communicator.rank).count
        while begunBuckets < buckets.count, buckets[begunBuckets].lowerBound >= offset {
            let bucket = buckets[begunBuckets]
            let sum = gradients(0)[bucket]
            begunBuckets += 1
            if subtrees == 0 { sum.fill(0) }
            for subtree in 1..<max(subtrees, 1) { Updates.add(gradients(subtree)[bucket].readOnly, to: sum) }
            // A bucket that holds a weight is complete when all of its uses are.
            for use in layout.laterUses {
                let own = use.slot.range.clamped(to: bucket)
                guard !own.isEmpty else { continue }
                let gradient = use.gradients(of: own, in: layout)
                for subtree in 0..<subtrees { Updates.add(gradients(subtree)[gradient].readOnly, to: gradients(0)[own]) }
            }
            try communicator.beginAllReduceSum(sum.elements)
        }
    }

    /// Makes the bucket's sum the averaged gradient with its penalties, and measures it.
    private func average(_ bucket: Range<Int>, _ request: StepRequest) {
        let blockSize = ParameterLayout.blockSize
        for first in stride(from: bucket.lowerBound, to: bucket.upperBound, by: blockSize) {
            let range = first..<first + blockSize
            let gradient = gradients(0)[range]
            Updates.scale(gradient, by: request.factor)
            engine.addPenalties(to: gradient, range: range, weights: weights.readOnly)
            blockSquares[first / blockSize] = sumOfSquares(gradient.readOnly)
        }
    }

    private func update(_ bucket: Range<Int>, normFactor: Float?) {
        engine.update(bucket, weights: weights, gradient: gradients(0)[bucket], normFactor: normFactor)
    }

    // MARK: - Beside the steps

    /// The sum takes the place of the first subtree.
    var keepsOwnGradients: Bool { false }

    func updateBuffers(
        _ outcome: StepOutcome, _ write: (MutableParameterView, _ sums: UnsafeBufferPointer<Double>) -> Void
    ) { write(weights, outcome.layerSums) }

    func close() {}

    var averagingEngine: UpdateEngine? { engine.averageSlice == nil ? nil : engine }
    var steppingEngine: UpdateEngine? { engine }

    var stateParts: [StatePart] { engine.stateParts }

    func loadStates(_ contents: CheckpointContents, from file: SafetensorsFile) throws {
        try contents.loadOptimizer(file, into: engine)
    }

    func nonFiniteSlot() -> ParameterSlot? { layout.lastNonFiniteSlot(in: weights.readOnly) }

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        guard let states else { return }
        for index in 0..<engine.stateCount {
            let own = engine.stateSlice(index).readOnly.row(0)
            for (element, value) in own.enumerated() { states[index * layout.trainedCount + element] = value }
        }
    }
}
