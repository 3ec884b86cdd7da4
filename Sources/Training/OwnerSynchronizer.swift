import Collectives
import Kernels
import Optimization
import Storage
import Timing

/// The strategy `owner`: every slice of the parameters has one owner, which combines the partial gradients of that slice
/// in tree order, steps it and publishes the new weights. One copy of the optimizer's state in the whole job.
///
/// Combination and step are one pass over blocks that stay in cache, unless all ranks have to agree on something before
/// any weight changes: the norm to clip by, or that a step is to be skipped.
final class OwnerSynchronizer: Synchronizer {
    let engine: UpdateEngine
    var clock: PhaseClock?
    private let exchange: any GradientExchange
    private let communicator: any Communicator
    private let agreement: StepAgreement
    /// One block of averaged gradient, or the whole slice where there are two passes.
    private let sliceGradient: AlignedBuffer<Float>
    private let blockSquares: AlignedBuffer<Double>
    private let scratch: AlignedBuffer<Float>
    private let blockSize = ParameterLayout.blockSize
    private let agreesFirst: Bool

    init(exchange: any GradientExchange, communicator: any Communicator, layout: ParameterLayout,
         optimizer: any Optimizer, rules: GradientRules, skipsNonFinite: Bool) {
        self.exchange = exchange
        self.communicator = communicator
        engine = UpdateEngine(optimizer: optimizer, rules: rules, layout: layout, slice: exchange.slice)
        agreement = StepAgreement(communicator: communicator, layout: layout)
        agreesFirst = if case .norm = rules.clipping { true } else { skipsNonFinite }
        sliceGradient = AlignedBuffer(count: agreesFirst ? exchange.slice.count : blockSize)
        blockSquares = AlignedBuffer(count: exchange.slice.count / blockSize)
        scratch = AlignedBuffer(count: 64 * blockSize)
    }

    var weights: MutableParameterView { exchange.weights }

    func gradients(_ node: Int) -> MutableParameterView { exchange.gradients(node) }

    func step(_ request: StepRequest) throws -> StepOutcome {
        let sources = try exchange.collect(request.program)
        clock?.mark(.wait)
        for index in 0..<blockSquares.count {
            let gradient = combinedBlock(index, sources, request)
            blockSquares[index] = sumOfSquares(gradient.readOnly)
            clock?.mark(.reduce, isContinued: true)
            if agreesFirst { continue }
            update(index, gradient, normFactor: nil, request)
            clock?.mark(.update, isContinued: true)
        }
        let outcome = try agreement.agree(request, blockSquares: UnsafeBufferPointer(blockSquares.elements))
        clock?.mark(.wait)
        if agreesFirst, outcome.isFinite {
            let factor = engine.rules.normFactor(norm: outcome.gradientNorm)
            for index in 0..<blockSquares.count { update(index, blockGradient(index), normFactor: factor, request) }
            clock?.mark(.update)
        }
        try exchange.publish()
        clock?.mark(.wait)
        return outcome
    }

    var keepsOwnGradients: Bool { true }

    func publishWeights() throws { try exchange.publish() }

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        let layout = engine.layout, slice = engine.slice
        for index in engine.stateNames.indices {
            let own = engine.stateSlice(index).readOnly
            guard let states else {
                try communicator.exchange(sending: slice.isEmpty ? [] : [Outgoing(to: 0, bytes(of: own))], receiving: [])
                continue
            }
            let flat = UnsafeMutableBufferPointer(rebasing: states[index * layout.paddedCount..<(index + 1) * layout.paddedCount])
            var receiving: [Incoming] = []
            for rank in 1..<max(communicator.size, 1) {
                let range = layout.slice(of: rank, ownerCount: communicator.size)
                if !range.isEmpty {
                    receiving.append(Incoming(from: rank, UnsafeMutableRawBufferPointer(
                        UnsafeMutableBufferPointer(rebasing: flat[range]))))
                }
            }
            try communicator.exchange(sending: [], receiving: receiving)
            if !slice.isEmpty { _ = UnsafeMutableBufferPointer(rebasing: flat[slice]).update(fromContentsOf: own.row(0)) }
        }
    }

    private func bytes(of view: MatrixView) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(view.row(0)) }

    /// The elements of the flat buffer in the slice's block `index`.
    private func range(_ index: Int) -> Range<Int> {
        let first = engine.slice.lowerBound + index * blockSize
        return first..<first + blockSize
    }

    private func blockGradient(_ index: Int) -> MutableMatrixView {
        sliceGradient.matrix(rows: 1, columns: blockSize, offset: agreesFirst ? index * blockSize : 0)
    }

    /// The averaged gradient of a block with its penalties.
    private func combinedBlock(_ index: Int, _ sources: [UnsafePointer<Float>], _ request: StepRequest) -> MutableMatrixView {
        let gradient = blockGradient(index)
        combineTree(sources, additions: request.program.additions, offset: index * blockSize, factor: request.factor,
                    scratch: scratch.base, into: gradient)
        engine.rules.addPenalties(to: gradient, range: range(index), weights: weights.readOnly, slots: engine.layout.slots)
        return gradient
    }

    private func update(_ index: Int, _ gradient: MutableMatrixView, normFactor: Float?, _ request: StepRequest) {
        engine.update(range(index), weights: weights, gradient: gradient, normFactor: normFactor, step: request.step,
                      learningRate: request.learningRate)
    }
}
