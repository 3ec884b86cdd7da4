import Collectives
import Storage
import Timing

/// How the ranks' gradients become one descent step that all of them take: a strategy of `training.synchronization`.
///
/// One step: backward writes the rank's nodes into `gradients`; `step` combines the nodes of all ranks, changes the
/// weights, and returns what all ranks agree on.
protocol Synchronizer: AnyObject {
    /// The weights that this rank computes with.
    var weights: MutableParameterView { get }

    /// Where the k-th subtree's gradient of this rank is written.
    func gradients(_ node: Int) -> MutableParameterView

    /// Where the time of `step` is marked; nil where nobody measures.
    var clock: PhaseClock? { get set }

    /// Combines, updates, and agrees.
    func step(_ request: StepRequest) throws -> StepOutcome

    /// Whether `gradients` still holds what this rank computed after `step`, to tell whose gradient isn't finite.
    var keepsOwnGradients: Bool { get }

    /// The optimizer's state of the slice that this rank keeps.
    var engine: UpdateEngine { get }

    /// Fills `states`, one flat buffer per state one behind the other, on rank 0 with everybody's state. Collective.
    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws

    /// Makes what this rank wrote into its slice of `weights` everybody's, after weights were loaded. Collective.
    func publishWeights() throws
}

/// What a step needs to know.
struct StepRequest {
    let program: SummationTree.Program
    /// 1/weight: the one multiplication that makes a mean of the sum.
    let factor: Float
    /// From 1.
    let step: Int
    let learningRate: Double
    /// What a gradient or loss that isn't finite does: true skips the update.
    let skipsNonFinite: Bool
    /// Set where this rank was asked to stop.
    let stopRequested: Bool
    /// Loss and statistics of this rank's nodes, one behind the other, `sumCount` each.
    let nodeSums: UnsafeBufferPointer<Double>
    let sumCount: Int
}

/// What all ranks agree on after a step.
struct StepOutcome {
    /// The loss and the metrics' statistics, summed along the tree over the global batch.
    let sums: [Double]
    /// The L2 norm of the averaged gradient with its penalties, before clipping.
    let gradientNorm: Double
    /// Whether loss and gradient are finite; if not, the weights are unchanged where the step was to be skipped and of
    /// no use otherwise.
    let isFinite: Bool
    /// Whether any rank was asked to stop.
    let stopRequested: Bool
}

/// The small record that every rank contributes to a step, and the agreement that follows from all of them: sums along
/// the tree, never in the order of arrival.
struct StepAgreement {
    private let communicator: any Communicator
    private let blockProgram: SummationTree.Program

    init(communicator: any Communicator, layout: ParameterLayout) {
        self.communicator = communicator
        blockProgram = SummationTree(leafCount: layout.blockCount).program(rankCount: communicator.size)
    }

    /// - Parameter blockSquares: the sums of squares of the blocks of this rank's slice.
    func agree(_ request: StepRequest, blockSquares: UnsafeBufferPointer<Double>) throws -> StepOutcome {
        let rank = communicator.rank, size = communicator.size
        var own: [Double] = [request.stopRequested ? 1 : 0]
        own += request.nodeSums
        let blocks = blockProgram.subtrees(of: rank)
        let firstBlock = blocks.isEmpty ? 0 : blockProgram.subtrees[blocks.lowerBound].lowerBound
        for subtree in blocks.map({ blockProgram.subtrees[$0] }) {
            own.append(SummationTree(leafCount: subtree.count).sum { blockSquares[subtree.lowerBound - firstBlock + $0] })
        }
        let counts = (0..<size).map {
            1 + request.program.subtrees(of: $0).count * request.sumCount + blockProgram.subtrees(of: $0).count
        }
        var all = [Double](repeating: 0, count: counts.reduce(0, +))
        try own.withUnsafeBytes { ownBytes in
            try all.withUnsafeMutableBytes {
                try communicator.allGather(ownBytes, into: $0, counts: counts.map { $0 * MemoryLayout<Double>.stride })
            }
        }
        var nodes = [[Double]](repeating: [], count: request.sumCount), squares: [Double] = []
        var stopRequested = false
        var at = 0
        for rank in 0..<size {
            stopRequested = stopRequested || all[at] != 0
            at += 1
            for _ in request.program.subtrees(of: rank) {
                for index in 0..<request.sumCount { nodes[index].append(all[at + index]) }
                at += request.sumCount
            }
            let count = blockProgram.subtrees(of: rank).count
            squares += all[at..<at + count]
            at += count
        }
        let sums = nodes.map { request.program.combine($0) }
        let norm = blockProgram.combine(squares).squareRoot()
        return StepOutcome(sums: sums, gradientNorm: norm, isFinite: norm.isFinite && sums[0].isFinite,
                           stopRequested: stopRequested)
    }
}
