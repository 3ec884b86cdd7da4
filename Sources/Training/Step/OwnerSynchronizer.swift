import Checkpointing
import Collectives
import Kernels
import Optimization
import Storage
import Timing

/// The strategy `owner`: every slice of the parameters has one owner, which combines the partial gradients of that slice
/// in tree order, steps it and publishes the new weights. One copy of the optimizer's state in the whole job.
///
/// Combination and step are one pass over blocks that stay in cache, taken from the back of the network forward as soon
/// as every rank has their gradients, while earlier layers still run backward. Only where all ranks have to agree on
/// something before any weight changes (the norm to clip by, or that a step is to be skipped) there are two passes.
/// With `training.delay` a step applies the gradient of the step before: while that is brought together and new weights are made
/// of it, into a copy of their own, this step's passes run on the old ones.
///
/// Where there are several hosts the exchange calls back for each piece whose sums have arrived, also from a thread of its own.
final class OwnerSynchronizer: Synchronizer {
    let engine: UpdateEngine
    var clock: PhaseClock?
    private let exchange: OwnerExchange
    /// What `exchange` calls back, which is made before it.
    private let callback = Callback()
    private let communicator: any Communicator
    private let agreement: StepAgreement
    /// The averaged gradient of some blocks, or of the whole slice where there are two passes and it isn't averaged in place.
    private let sliceGradient: AlignedBuffer<Float>
    private let averagesInPlace: Bool
    private let blockSquares: AlignedBuffer<Double>
    private let blockSize = ParameterLayout.blockSize
    /// Blocks that are combined before they are stepped: 32 KB, so that the gradient stays near.
    private static let blocksAtOnce = 8
    private let agreesFirst: Bool
    private let followsTree: Bool
    /// The step that is being taken, and the one whose gradient it applies: the same, or the one before; nil where there is none.
    private var request: StepRequest?
    private var applied: StepRequest?
    private var appliedPlan: ExchangePlan?
    private let isDelayed: Bool
    /// Whether the gradient that is to be applied has been brought together between the steps, for a checkpoint, or comes from
    /// one; whether anything has been taken.
    private var isCollected = false
    private var isCollecting = false
    private var hasBegun = false
    /// Blocks of the slice that are still to be combined: those before this one.
    private var pendingBlocks = 0

    private final class Callback {
        weak var synchronizer: OwnerSynchronizer?
    }

    /// Collective.
    ///
    /// - Parameters:
    ///   - subtrees: the most subtrees that this rank has in a step, and that any rank has.
    init(
        communicator: any Communicator, layout: ParameterLayout, optimizer: OptimizerConfiguration, rules: GradientRules,
        average: WeightAverage? = nil, pruning: Pruning? = nil, skipsNonFinite: Bool, followsTree: Bool,
        subtrees: (own: Int, most: Int), sumCount: Int,
        layerSumCount: Int, isDelayed: Bool = false, format: ExchangeFormat = .float32
    ) throws {
        self.communicator = communicator
        self.isDelayed = isDelayed
        self.followsTree = followsTree
        agreement = StepAgreement(
            communicator: communicator, squareCount: layout.blockCount, subtrees: subtrees.most, sumCount: sumCount,
            layerSumCount: layerSumCount)
        agreesFirst = rules.needsAgreement(skipsNonFinite: skipsNonFinite)
        exchange = try OwnerExchange(
            communicator: communicator, layout: layout, subtrees: subtrees.own,
            recordSize: agreement.recordSize,
            rules: ExchangeRules(agreesFirst: agreesFirst, isDelayed: isDelayed, format: format)
        ) { [callback] in callback.synchronizer?.combine(piece: $0, $1, marksTime: $2) ?? false }
        engine = UpdateEngine(
            optimizer: optimizer, rules: rules, layout: layout, slice: exchange.slice, average: average,
            pruning: pruning, keepsGradient: isDelayed)
        averagesInPlace =
            agreesFirst && Self.averagesInPlace(rankCount: communicator.size, subtrees: subtrees.own, isDelayed: isDelayed)
        sliceGradient = AlignedBuffer(
            count: agreesFirst && !averagesInPlace ? exchange.slice.count : Self.blocksAtOnce * blockSize)
        blockSquares = AlignedBuffer(count: exchange.slice.count / blockSize, repeating: 0)
        callback.synchronizer = self
    }

    /// Whether a slice's averaged gradient, where it has to be kept as a whole, takes the place of the only one that it is made of.
    static func averagesInPlace(rankCount: Int, subtrees: Int, isDelayed: Bool) -> Bool {
        rankCount == 1 && subtrees == 1 && !isDelayed
    }

    var weights: MutableParameterView { exchange.weights }
    var fillsWeights: Bool { exchange.fillsWeights }
    var hasReplicas: Bool { exchange.topology.hosts.count > 1 }
    var note: String? { exchange.note }

    func plan(for program: SummationTree.Program, tree: SummationTree) -> StepPlan {
        StepPlan(
            program: program,
            exchange: (0..<exchange.gradientSets).map {
                ExchangePlan(program, tree: tree, exchange: exchange, followsTree: followsTree, set: $0)
            })
    }

    // MARK: - A step

    func begin(_ request: StepRequest) throws {
        // No piece is combined between the end of a step and the beginning of the next one.
        if !hasBegun, fillsWeights { exchange.copyUntrained() }
        if isDelayed {
            // The first step has nothing to apply, unless it goes on from a checkpoint.
            if !hasBegun { isCollected = request.step > 1 }
            applied = hasBegun ? self.request : isCollected ? request.preceding : nil
            if let applied { engine.prepare(step: applied.step, learningRate: request.learningRate) }
        } else {
            applied = request
            engine.prepare(step: request.step, learningRate: request.learningRate)
            if engine.takesWeights(step: request.step) {
                // All of them, which nobody changes before this rank has passed them backward.
                try exchange.settle()
                engine.findThresholds(step: request.step, weights: weights.readOnly)
            }
        }
        // As the gradients of `applied` are numbered: beginning the step changes sets.
        appliedPlan = applied.map { $0.plan.exchange[exchange.gradientSet] }
        hasBegun = true
        self.request = request
        pendingBlocks = blockSquares.count
        try exchange.beginStep(isCollected ? nil : appliedPlan)
    }

    var awaitWeights: ((Int) -> Void)? {
        exchange.combinesEarly ? nil : { [exchange] in exchange.awaitWeights(before: $0) }
    }

    var gradientsSummed: ((Int) -> Void)? {
        exchange.combinesEarly ? nil : { [exchange] in exchange.summed(from: $0) }
    }

    func settle() throws { try exchange.settle() }

    func gradients(_ subtree: Int) -> MutableParameterView { exchange.gradients(subtree) }

    func subtreeSums(_ subtree: Int) -> UnsafeMutableBufferPointer<Double> {
        agreement.subtreeSums(subtree, in: exchange.record)
    }

    func gradientsFinished(from offset: Int) {
        clock?.mark(.backward, isContinued: true)
        exchange.finished(from: offset)
        // Whoever comes later finds the rest done; nobody waits here.
        if !isDelayed, exchange.combinesEarly { combine(from: exchange.completeFrom) }
    }

    func complete(stopRequested: Bool, meanwhile: () -> Void) throws -> StepOutcome {
        guard let request else { preconditionFailure("a step without a beginning") }
        exchange.finished(from: 0)
        try bringTogether()
        agreement.fill(
            exchange.record, stopRequested: stopRequested,
            squares: UnsafeBufferPointer(blockSquares.elements))
        let hasCollected = isCollected
        isCollected = false
        guard agreesFirst else {
            try exchange.publish(
                showsRecords: true, changesWeights: applied != nil, sendsWeights: hasCollected, meanwhile: meanwhile)
            clock?.mark(.wait)
            return outcome(request.plan.program)
        }
        try exchange.agree()
        clock?.mark(.wait)
        let outcome = outcome(request.plan.program)
        let changesWeights = outcome.isFinite && applied != nil
        if changesWeights {
            let factor = engine.rules.normFactor(norm: outcome.gradientNorm)
            exchange.changeWeights { elements in
                let blocks = blocks(elements)
                for first in stride(from: blocks.lowerBound, to: blocks.upperBound, by: Self.blocksAtOnce) {
                    update(first..<min(first + Self.blocksAtOnce, blocks.upperBound), normFactor: factor)
                }
            }
            clock?.mark(.update)
        }
        try exchange.publish(
            showsRecords: false, changesWeights: changesWeights, sendsWeights: true, meanwhile: meanwhile)
        clock?.mark(.wait)
        return outcome
    }

    /// Combines, and unless ranks must agree first updates, all of the slice that isn't yet.
    private func bringTogether() throws {
        guard applied != nil else { return }
        if isCollected {
            if agreesFirst {
                combine(0..<blockSquares.count, piece: 0, marksTime: true)
            } else {
                exchange.changeWeights { combine(blocks($0), piece: 0, marksTime: true) }
            }
        } else if exchange.combinesEarly {
            // What is complete is worked on before the rest is waited for.
            var complete = isDelayed ? 0 : exchange.completeFrom
            combine(from: complete)
            while pendingBlocks > 0 {
                complete = exchange.awaitMore(before: complete)
                clock?.mark(.wait)
                combine(from: complete)
            }
        } else {
            try exchange.finishGradients()
            clock?.mark(.wait)
        }
    }

    private func outcome(_ program: SummationTree.Program) -> StepOutcome {
        agreement.outcome(program) { exchange.record(of: $0) }
    }

    /// Combines, and unless ranks must agree first updates, the pending blocks of the slice that begin at `offset` of the
    /// flat buffer or behind it.
    private func combine(from offset: Int) {
        let ready = max(0, (offset - engine.slice.lowerBound + blockSize - 1) / blockSize)
        guard pendingBlocks > ready else { return }
        let blocks = ready..<pendingBlocks
        pendingBlocks = ready
        combine(blocks, piece: 0, marksTime: true)
    }

    /// Likewise of an own piece. Returns whether its weights are new.
    private func combine(piece: Int, _ elements: Range<Int>, marksTime: Bool) -> Bool {
        combine(blocks(elements), piece: piece, marksTime: marksTime)
        return !agreesFirst && !isCollecting
    }

    /// Likewise of blocks of one piece, the last ones first.
    private func combine(_ pending: Range<Int>, piece: Int, marksTime: Bool) {
        let clock = marksTime ? clock : nil
        var end = pending.upperBound
        while end > pending.lowerBound {
            let blocks = max(pending.lowerBound, end - Self.blocksAtOnce)..<end
            end = blocks.lowerBound
            for index in blocks {
                let gradient = gradient(index..<index + 1, groupStart: blocks.lowerBound)
                // Gaps between parameters are zeros that no backward pass writes: nothing but a number may be multiplied with them.
                if averagesInPlace, applied?.factor.isFinite == false {
                    blockSquares[index] = .nan
                    continue
                }
                blockSquares[index] = sum(index, piece: piece, into: gradient)
                guard engine.changesGradients, !isCollecting else { continue }
                engine.addPenalties(to: gradient, range: range(index..<index + 1), weights: weights.readOnly)
                blockSquares[index] = sumOfSquares(gradient.readOnly)
            }
            clock?.mark(.reduce, isContinued: true)
            guard !agreesFirst, !isCollecting else { continue }
            update(blocks, normFactor: nil)
            clock?.mark(.update, isContinued: true)
        }
    }

    /// The averaged gradient of a block, and the sum of its squares.
    private func sum(_ index: Int, piece: Int, into gradient: MutableMatrixView) -> Double {
        guard isCollected, let pending = engine.pendingGradient else {
            guard let applied, let appliedPlan else { preconditionFailure("a block without a step") }
            return appliedPlan.combine(index * blockSize, piece: piece, factor: applied.factor, into: gradient)
        }
        gradient.copy(from: pending[columns: index * blockSize..<(index + 1) * blockSize].readOnly)
        return sumOfSquares(gradient.readOnly)
    }

    /// The blocks of the slice that lie in `elements` of the flat buffer.
    private func blocks(_ elements: Range<Int>) -> Range<Int> {
        let first = engine.slice.lowerBound
        return (elements.lowerBound - first) / blockSize..<(elements.upperBound - first) / blockSize
    }

    private func update(_ blocks: Range<Int>, normFactor: Float?) {
        let elements = range(blocks)
        let target = exchange.nextWeights
        if isDelayed { target[elements].copy(from: weights[elements].readOnly) }
        engine.update(
            elements, weights: target, gradient: gradient(blocks, groupStart: blocks.lowerBound),
            normFactor: normFactor)
    }

    /// The elements of the flat buffer in blocks of the slice.
    private func range(_ blocks: Range<Int>) -> Range<Int> {
        let first = engine.slice.lowerBound
        return first + blocks.lowerBound * blockSize..<first + blocks.upperBound * blockSize
    }

    /// Where the averaged gradient of blocks lies, of a group that begins with `groupStart`.
    private func gradient(_ blocks: Range<Int>, groupStart: Int) -> MutableMatrixView {
        if isCollecting, let pending = engine.pendingGradient {
            return pending[columns: blocks.lowerBound * blockSize..<blocks.upperBound * blockSize]
        }
        if averagesInPlace { return exchange.gradients(0)[range(blocks)] }
        return sliceGradient.matrix(
            rows: 1, columns: blocks.count * blockSize,
            offset: (blocks.lowerBound - (agreesFirst ? 0 : groupStart)) * blockSize)
    }

    // MARK: - Beside the steps

    var keepsOwnGradients: Bool { true }

    func updateBuffers(
        _ outcome: StepOutcome, _ write: (MutableParameterView, _ sums: UnsafeBufferPointer<Double>) -> Void
    ) {
        if fillsWeights {
            if applied != nil { exchange.carryBuffers() }
            write(weights, outcome.layerSums)
        }
        exchange.shareBuffers()
    }

    func close() { exchange.close() }

    /// Brings the gradient together that the next step applies, so that a checkpoint holds it.
    private func collect() throws {
        guard isDelayed, hasBegun, !isCollected, let request else { return }
        isCollecting = true
        applied = request
        let plan = request.plan.exchange[exchange.gradientSet]
        appliedPlan = plan
        try exchange.collect(plan)
        if exchange.combinesEarly { combine(0..<blockSquares.count, piece: 0, marksTime: false) }
        isCollecting = false
        isCollected = true
    }

    var averagingEngine: UpdateEngine? { engine.averageSlice == nil ? nil : engine }
    var steppingEngine: UpdateEngine? { engine }

    var stateParts: [StatePart] { engine.stateParts }

    func loadStates(_ contents: CheckpointContents, from file: SafetensorsFile) throws {
        try contents.loadOptimizer(file, into: engine)
    }

    func nonFiniteSlot() -> ParameterSlot? { engine.layout.lastNonFiniteSlot(in: weights.readOnly) }

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        try collect()
        let layout = engine.layout
        for index in 0..<engine.stateCount {
            let flat = states.map {
                UnsafeMutableBufferPointer(rebasing: $0[index * layout.trainedCount..<(index + 1) * layout.trainedCount])
            }
            try communicator.gather(engine.stateSlice(index).readOnly, into: flat) {
                layout.slice(of: $0, ownerCount: communicator.size)
            }
        }
    }
}
