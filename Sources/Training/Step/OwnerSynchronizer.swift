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
final class OwnerSynchronizer: Synchronizer {
    let engine: UpdateEngine
    var clock: PhaseClock?
    private let exchange: OwnerExchange
    private let communicator: any Communicator
    private let agreement: StepAgreement
    /// The averaged gradient of some blocks, or of the whole slice where there are two passes.
    private let sliceGradient: AlignedBuffer<Float>
    private let blockSquares: AlignedBuffer<Double>
    private let blockSize = ParameterLayout.blockSize
    /// Blocks that are combined before they are stepped: 32 KB, so that the gradient stays near.
    private static let blocksAtOnce = 8
    private let agreesFirst: Bool
    private let followsTree: Bool
    private var request: StepRequest?
    /// Blocks of the slice that are still to be combined: those before this one.
    private var pendingBlocks = 0

    /// Collective.
    ///
    /// - Parameters:
    ///   - subtrees: the most subtrees that this rank has in a step, and that any rank has.
    init(
        communicator: any Communicator, layout: ParameterLayout, optimizer: OptimizerConfiguration, rules: GradientRules,
        skipsNonFinite: Bool, followsTree: Bool, subtrees: (own: Int, most: Int), sumCount: Int, layerSumCount: Int
    ) throws {
        self.communicator = communicator
        self.followsTree = followsTree
        agreement = StepAgreement(
            communicator: communicator, layout: layout, subtrees: subtrees.most, sumCount: sumCount,
            layerSumCount: layerSumCount)
        exchange = try OwnerExchange(
            communicator: communicator, layout: layout, subtrees: subtrees.own,
            recordSize: agreement.recordSize)
        engine = UpdateEngine(optimizer: optimizer, rules: rules, layout: layout, slice: exchange.slice)
        agreesFirst = rules.needsAgreement(skipsNonFinite: skipsNonFinite)
        sliceGradient = AlignedBuffer(count: agreesFirst ? exchange.slice.count : Self.blocksAtOnce * blockSize)
        blockSquares = AlignedBuffer(count: exchange.slice.count / blockSize)
    }

    var weights: MutableParameterView { exchange.weights }
    var fillsWeights: Bool { exchange.fillsWeights }
    var hasReplicas: Bool { exchange.topology.hosts.count > 1 }
    var note: String? { exchange.note }

    func plan(for program: SummationTree.Program, tree: SummationTree) -> StepPlan {
        StepPlan(program: program, exchange: ExchangePlan(program, tree: tree, exchange: exchange, followsTree: followsTree))
    }

    // MARK: - A step

    func begin(_ request: StepRequest) {
        self.request = request
        pendingBlocks = blockSquares.count
        engine.prepare(step: request.step, learningRate: request.learningRate)
        exchange.beginStep()
    }

    func gradients(_ subtree: Int) -> MutableParameterView { exchange.gradients(subtree) }

    func subtreeSums(_ subtree: Int) -> UnsafeMutableBufferPointer<Double> {
        agreement.subtreeSums(subtree, in: exchange.record)
    }

    func gradientsFinished(from offset: Int) {
        clock?.mark(.backward, isContinued: true)
        exchange.finished(from: offset)
        // Whoever comes later finds the rest done; nobody waits here.
        if exchange.combinesEarly { combine(from: exchange.completeFrom) }
    }

    func complete(stopRequested: Bool, meanwhile: () -> Void) throws -> StepOutcome {
        guard let request, let plan = request.plan.exchange else { preconditionFailure("a step without a beginning") }
        exchange.finished(from: 0)
        if exchange.combinesEarly {
            // What is complete is worked on before the rest is waited for.
            var complete = exchange.completeFrom
            combine(from: complete)
            while pendingBlocks > 0 {
                complete = exchange.awaitMore(before: complete)
                clock?.mark(.wait)
                combine(from: complete)
            }
        } else {
            try exchange.collect(plan)
            clock?.mark(.wait)
            combine(from: 0)
        }
        agreement.fill(
            exchange.record, stopRequested: stopRequested,
            blockSquares: UnsafeBufferPointer(blockSquares.elements))
        guard agreesFirst else {
            try exchange.publish(plan, showsRecords: true, meanwhile: meanwhile)
            clock?.mark(.wait)
            return outcome(plan)
        }
        try exchange.agree()
        clock?.mark(.wait)
        let outcome = outcome(plan)
        if outcome.isFinite {
            let factor = engine.rules.normFactor(norm: outcome.gradientNorm)
            for first in stride(from: 0, to: blockSquares.count, by: Self.blocksAtOnce) {
                update(first..<min(first + Self.blocksAtOnce, blockSquares.count), normFactor: factor)
            }
            clock?.mark(.update)
        }
        try exchange.publish(plan, showsRecords: false, meanwhile: meanwhile)
        clock?.mark(.wait)
        return outcome
    }

    private func outcome(_ plan: ExchangePlan) -> StepOutcome {
        agreement.outcome(plan.program) { exchange.record(of: $0) }
    }

    /// Combines, and unless ranks must agree first updates, the pending blocks of the slice that begin at `offset` of the
    /// flat buffer or behind it.
    private func combine(from offset: Int) {
        guard let request, let plan = request.plan.exchange else { return }
        let ready = max(0, (offset - engine.slice.lowerBound + blockSize - 1) / blockSize)
        while pendingBlocks > ready {
            let blocks = max(ready, pendingBlocks - Self.blocksAtOnce)..<pendingBlocks
            pendingBlocks = blocks.lowerBound
            for index in blocks {
                let gradient = gradient(index..<index + 1, groupStart: blocks.lowerBound)
                blockSquares[index] = plan.combine(index * blockSize, factor: request.factor, into: gradient)
                guard engine.hasPenalties else { continue }
                engine.addPenalties(to: gradient, range: range(index..<index + 1), weights: weights.readOnly)
                blockSquares[index] = sumOfSquares(gradient.readOnly)
            }
            clock?.mark(.reduce, isContinued: true)
            guard !agreesFirst else { continue }
            update(blocks, normFactor: nil)
            clock?.mark(.update, isContinued: true)
        }
    }

    private func update(_ blocks: Range<Int>, normFactor: Float?) {
        engine.update(
            range(blocks), weights: weights, gradient: gradient(blocks, groupStart: blocks.lowerBound),
            normFactor: normFactor)
    }

    /// The elements of the flat buffer in blocks of the slice.
    private func range(_ blocks: Range<Int>) -> Range<Int> {
        let first = engine.slice.lowerBound
        return first + blocks.lowerBound * blockSize..<first + blocks.upperBound * blockSize
    }

    /// Where the averaged gradient of blocks lies, of a group that begins with `groupStart`.
    private func gradient(_ blocks: Range<Int>, groupStart: Int) -> MutableMatrixView {
        sliceGradient.matrix(
            rows: 1, columns: blocks.count * blockSize,
            offset: (blocks.lowerBound - (agreesFirst ? 0 : groupStart)) * blockSize)
    }

    // MARK: - Beside the steps

    var keepsOwnGradients: Bool { true }

    func updateBuffers(_ write: (MutableParameterView) -> Void) {
        if fillsWeights { write(weights) }
        exchange.shareBuffers()
    }

    func close() { exchange.close() }

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        let layout = engine.layout
        let slice = engine.slice
        for index in engine.stateNames.indices {
            let own = engine.stateSlice(index).readOnly
            guard let states else {
                try communicator.exchange(sending: slice.isEmpty ? [] : [Outgoing(to: 0, own)], receiving: [])
                continue
            }
            let flat = UnsafeMutableBufferPointer(
                rebasing: states[index * layout.trainedCount..<(index + 1) * layout.trainedCount])
            var receiving: [Incoming] = []
            for rank in 1..<max(communicator.size, 1) {
                let range = layout.slice(of: rank, ownerCount: communicator.size)
                if !range.isEmpty {
                    receiving.append(
                        Incoming(
                            from: rank,
                            UnsafeMutableRawBufferPointer(
                                UnsafeMutableBufferPointer(rebasing: flat[range]))))
                }
            }
            try communicator.exchange(sending: [], receiving: receiving)
            if !slice.isEmpty { _ = UnsafeMutableBufferPointer(rebasing: flat[slice]).update(fromContentsOf: own.row(0)) }
        }
    }
}
