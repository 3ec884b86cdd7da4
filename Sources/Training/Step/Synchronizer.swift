import Checkpointing
import Collectives
import Kernels
import Storage
import Timing

/// How the ranks' gradients become one descent step that all of them take: a strategy of `training.synchronization`.
///
/// One step: `begin`; backward writes the rank's subtrees into `gradients` and the sums of loss and metrics into `subtreeSums`,
/// and calls `gradientsFinished` on its way; `complete` combines the subtrees of all ranks, changes the weights, and returns
/// what all ranks agree on.
protocol Synchronizer: AnyObject {
    /// The weights of the run, which are validated and saved; after a step, valid as far as `awaitWeights` or `settle` says.
    var weights: MutableParameterView { get }

    /// What this rank's k-th subtree of the step that has begun computes with: the same, unless there are replicas of its own for it.
    func weights(of subtree: Int) -> MutableParameterView

    /// Whether this rank writes the weights that a run starts with; others see them after the next collective call.
    var fillsWeights: Bool { get }

    /// Whether ranks hold copies of the weights that could drift apart.
    var hasReplicas: Bool { get }

    /// Why the ranks exchange otherwise than they should, in one line for the user; nil if they don't.
    var note: String? { get }

    /// What is worked out beforehand about the steps over a tree.
    func plan(for program: SummationTree.Program, tree: SummationTree) -> StepPlan

    /// Begins a step.
    func begin(_ request: StepRequest) throws

    /// What a forward pass calls before it reads weights: returns when those in front of an offset of the flat buffer are here.
    /// Nil where they always are.
    var awaitWeights: ((_ offset: Int) -> Void)? { get }

    /// Returns when all weights are here and no other rank waits for this one: after a step, before anything else that reads
    /// weights or waits for ranks.
    func settle() throws

    /// Where the k-th subtree's gradient of this rank is written.
    func gradients(_ subtree: Int) -> MutableParameterView

    /// Where the time of steps is marked; nil where nobody measures.
    var clock: PhaseClock? { get set }

    /// Where the sums of loss and metrics of this rank's k-th subtree are written.
    func subtreeSums(_ subtree: Int) -> UnsafeMutableBufferPointer<Double>

    /// Says that this rank's gradients are complete from `offset` of the flat buffer to its end, and that it won't read
    /// these weights any more in this step. What can be done for them is done at once.
    func gradientsFinished(from offset: Int)

    /// Likewise before the weights are read for the last time: called with an offset, within `gradientsFinished`' order. Nil where
    /// there is nothing to do for it yet.
    var gradientsSummed: ((_ offset: Int) -> Void)? { get }

    /// Combines, updates, and agrees.
    ///
    /// - Parameters:
    ///   - stopRequested: whether this rank was asked to stop.
    ///   - meanwhile: what this rank can do while it waits for others, beside weights and gradients.
    func complete(stopRequested: Bool, meanwhile: () -> Void) throws -> StepOutcome

    /// Has `write` change buffers (running averages) in the weights by sums of the layers, wherever there is a copy of them, after
    /// `complete`; then every rank sees the new ones. Collective.
    func updateBuffers(
        _ outcome: StepOutcome, _ write: (MutableParameterView, _ sums: UnsafeBufferPointer<Double>) -> Void)

    /// Ends the step of this number (from 1), skipped or not: brings replicas of the weights together where that is due. Collective.
    func end(step: Int) throws

    /// Whether `gradients` still holds what this rank computed after `complete`, to tell whose gradient isn't finite.
    var keepsOwnGradients: Bool { get }

    /// Keeps the average of this rank's slice of the weights; nil where there is none.
    var averagingEngine: UpdateEngine? { get }

    /// Applies the gradients of this rank's slice, for who wants to look at them; nil where there is more than one gradient.
    var steppingEngine: UpdateEngine? { get }

    /// What a checkpoint holds beside the weights.
    var stateParts: [StatePart] { get }

    /// Fills `states`, one flat buffer per part one behind the other and behind them that of the average, on rank 0
    /// with everybody's state. Collective.
    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws

    /// Takes over what this rank keeps of the parts.
    func loadStates(_ contents: CheckpointContents, from file: SafetensorsFile) throws

    /// The last parameter that holds NaN or infinity in any weights that a checkpoint would hold; nil where all are finite. Collective,
    /// and the same on all ranks.
    func nonFiniteSlot() throws -> ParameterSlot?

    /// Gives shared memory back. Collective, on the good path only.
    func close()
}

/// Strategies with one set of weights.
extension Synchronizer {
    func weights(of subtree: Int) -> MutableParameterView { weights }
    func end(step: Int) {}
    var averagingEngine: UpdateEngine? { nil }
    var steppingEngine: UpdateEngine? { nil }
}

extension ParameterLayout {
    /// The last parameter that holds NaN or infinity.
    func lastNonFiniteSlot(in weights: ParameterView) -> ParameterSlot? {
        guard !sumOfSquares(weights[0..<weightCount]).isFinite else { return nil }
        return slots.last { !weights.matrix($0).row(0).allSatisfy(\.isFinite) }
    }
}

/// What steps over one tree have in common.
struct StepPlan {
    let program: SummationTree.Program
    /// One for each set of gradients that there is; none where no owner combines them.
    let exchange: [ExchangePlan]
    /// The replica, of those on this rank, that each of its subtrees computes with; none where all ranks have the same weights.
    var replicas: [Int] = []
}

/// What a step needs to know.
struct StepRequest {
    let plan: StepPlan
    /// 1/weight: the one multiplication that makes a mean of the sum.
    let factor: Float
    /// The weights of this rank's subtrees by themselves.
    let divisors: UnsafeBufferPointer<Double>
    /// From 1.
    let step: Int
    let learningRate: Double

    /// The step before, as far as it matters where its gradient has been brought together already.
    var preceding: StepRequest {
        StepRequest(plan: plan, factor: factor, divisors: divisors, step: step - 1, learningRate: learningRate)
    }
}

/// What all ranks agree on after a step.
struct StepOutcome {
    /// The loss and the metrics' statistics, summed along the tree over the global batch. Valid until the next step.
    let sums: UnsafeBufferPointer<Double>
    /// What layers sum over the batch, likewise.
    let layerSums: UnsafeBufferPointer<Double>
    /// The L2 norm of the averaged gradient with its penalties, before clipping; of several workers with gradients of their own the root
    /// of the mean of the squares.
    let gradientNorm: Double
    /// Whether loss and gradient are finite; if not, the weights are unchanged where the step was to be skipped and of
    /// no use otherwise.
    let isFinite: Bool
    /// Whether any rank was asked to stop.
    let stopRequested: Bool
}
