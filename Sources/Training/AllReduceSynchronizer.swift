import Collectives
import Kernels
import Optimization
import Storage
import Timing

/// The strategy `allreduce`: each rank adds up its own nodes, `MPI_Allreduce` adds up the ranks, and every rank takes the
/// same step on its own copy of the weights and the optimizer's state. For networks that reduce in hardware, and for
/// comparison; law 1 is not promised.
final class AllReduceSynchronizer: Synchronizer {
    let engine: UpdateEngine
    var clock: PhaseClock?
    private let communicator: any Communicator
    private let agreement: StepAgreement
    private let layout: ParameterLayout
    private let weightBuffer: AlignedBuffer<Float>
    private let gradientBuffer: AlignedBuffer<Float>
    private let blockSquares: AlignedBuffer<Double>

    /// - Parameter nodes: the most subtrees that this rank has in a step.
    init(communicator: any Communicator, layout: ParameterLayout, optimizer: any Optimizer, rules: GradientRules,
         nodes: Int) {
        self.communicator = communicator
        self.layout = layout
        engine = UpdateEngine(optimizer: optimizer, rules: rules, layout: layout, slice: 0..<layout.paddedCount)
        agreement = StepAgreement(communicator: communicator, layout: layout)
        weightBuffer = AlignedBuffer(count: layout.paddedCount)
        gradientBuffer = AlignedBuffer(count: layout.paddedCount * max(nodes, 1))
        blockSquares = AlignedBuffer(count: layout.blockCount)
    }

    var weights: MutableParameterView { weightBuffer.parameters }

    func gradients(_ node: Int) -> MutableParameterView {
        precondition(node >= 0 && (node + 1) * layout.paddedCount <= gradientBuffer.count, "node \(node)")
        return MutableParameterView(base: gradientBuffer.base + node * layout.paddedCount, count: layout.paddedCount)
    }

    func step(_ request: StepRequest) throws -> StepOutcome {
        let all = 0..<layout.paddedCount, blockSize = ParameterLayout.blockSize
        let sum = gradients(0)[all]
        let nodes = request.program.subtrees(of: communicator.rank).count
        if nodes == 0 { sum.fill(0) }
        for node in 1..<max(nodes, 1) { Updates.add(gradients(node)[all].readOnly, to: sum) }
        clock?.mark(.reduce)
        try communicator.allReduceSum(sum.elements)
        clock?.mark(.wait)
        Updates.scale(sum, by: request.factor)
        engine.rules.addPenalties(to: sum, range: all, weights: weights.readOnly, slots: layout.slots)
        for block in 0..<layout.blockCount {
            blockSquares[block] = sumOfSquares(gradients(0).readOnly[block * blockSize..<(block + 1) * blockSize])
        }
        clock?.mark(.reduce)
        // Every rank has all blocks; it hands over those that the agreement asks of its slice.
        let slice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
        let own = blockSquares.elements[slice.lowerBound / blockSize..<slice.upperBound / blockSize]
        let outcome = try agreement.agree(request, blockSquares: UnsafeBufferPointer(rebasing: own))
        clock?.mark(.wait)
        if outcome.isFinite {
            engine.update(all, weights: weights, gradient: sum,
                          normFactor: engine.rules.normFactor(norm: outcome.gradientNorm), step: request.step,
                          learningRate: request.learningRate)
            clock?.mark(.update)
        }
        return outcome
    }

    /// The sum takes the place of the first node.
    var keepsOwnGradients: Bool { false }

    func publishWeights() throws {}

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        guard let states else { return }
        for index in engine.stateNames.indices {
            let own = engine.stateSlice(index).readOnly.row(0)
            for (element, value) in own.enumerated() { states[index * layout.paddedCount + element] = value }
        }
    }
}
