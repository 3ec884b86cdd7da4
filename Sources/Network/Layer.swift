import Kernels
import Settings
import Storage

/// A step of a network, with both directions side by side.
///
/// A layer is a small value. When it is built it reserves named slots for its parameters; it is handed everything else:
/// rows of samples, weights, a place for its results. It never allocates, and never scales by the batch or the number
/// of ranks. A row's output and input gradient depend on that row alone, or on its leaf (law 1); parameter gradients are
/// summed over the rows of each leaf, and over the leaves along the tree, by the kernels.
package protocol Layer: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    /// What its input is made of.
    static var inputElements: InputElements { get }

    /// Reads its options, checks them against the shape of its input, and reserves its parameters.
    init(options: Settings, site: inout LayerSite) throws

    /// The shape of one sample of the output.
    var outputShape: Shape { get }

    /// The memory that its passes take beside their operands.
    var memory: LayerMemory { get }

    /// Which of its input and output `backward` reads.
    var backwardOperands: BackwardOperands { get }

    /// Where the steps of sequences lie in the output, and how many a sample has, where samples have lengths; nil where the output
    /// is no sequence any more.
    ///
    /// - Parameters:
    ///   - input: the same of the input, whose samples have the shape `shape`.
    func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps?

    /// Whether the output is the input, unchanged in memory; then neither direction is ever called.
    var isIdentity: Bool { get }

    /// The lists of layers inside it, by the options that they stand under; `memory` contains what they take.
    var branches: [(name: String, layers: Sequential)] { get }

    /// Whether it needs sums over all rows of a step in the middle of its passes (`StepTotals`), or a layer inside it does. Then it
    /// gets all rows of a pass at once, whatever `segments` says, and puts parameter gradients where each segment's belong; so does every
    /// layer that has `branches`, and no parameters beside them.
    var joinsLeaves: Bool { get }

    /// Whether it treats steps alike, or looks back only and remembers what it has to know of the steps before (`StepCache`): then it
    /// can be built for some steps of a longer sequence and be run on the next ones.
    var isStepwise: Bool { get }

    /// Whether it does anything but hand over to its `branches`.
    var computesBesideBranches: Bool { get }

    /// Floating-point operations of the matrix products of one sample, forward and backward; a multiplication and an
    /// addition are two. Everything else a layer does is small beside them and not counted.
    ///
    /// - Parameter withInputGradient: whether backward is asked for the gradient of the input.
    func productOperations(withInputGradient: Bool) -> Int

    /// A layer that does what this one and `next` behind it do, with the same bits but less memory; nil where none does.
    func fused(with next: any Layer) -> (any Layer)?

    /// This layer for one of `parts` equal parts of a sample (its positions), of which each becomes a part of the output by
    /// itself; nil where it can't be cut that way. Its `backward` must heed `BackwardPass.continues`. So the last layer is
    /// computed in slices where all of its outputs would take too much memory.
    func forPart(of parts: Int) -> (any Layer)?

    /// What its kernels take beside all operands, for so many rows in leaves of `leafRows` on so many threads.
    func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch

    /// Assigns `output` (rows × outputs) from `input` (rows × inputs), and leaves in `memory.kept`, where there is one,
    /// what `backward` needs.
    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass)

    /// Assigns the gradient of the input, unless nobody wants it, and the gradients of its own parameters.
    ///
    /// - Parameters:
    ///   - outputGradient: the gradient of the summed loss with respect to the output.
    ///   - input: what `forward` was given; `output`: what it assigned, each where `backwardOperands` names it;
    ///     `memory.kept`: what it left. All three are read for the last time: the next gradients may take their places.
    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass)
}

/// What the elements of an input are: numbers, or tokens, whole numbers that name something (a character, a word).
package enum InputElements: Sendable { case numbers, tokens, either }

extension Layer {
    package static var inputElements: InputElements { .numbers }
    package var memory: LayerMemory { LayerMemory() }
    package var backwardOperands: BackwardOperands { .both }
    package var isIdentity: Bool { false }

    /// A layer that treats every step alike leaves them where they are.
    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? {
        let isStepwise =
            outputShape == shape
            || input.axis < shape.dimensions.count - 1
                && outputShape.dimensions.dropLast() == shape.dimensions.dropLast()
        return isStepwise ? input : nil
    }

    package var branches: [(name: String, layers: Sequential)] { [] }
    package var computesBesideBranches: Bool { true }
    package var isStepwise: Bool { !branches.isEmpty && branches.allSatisfy { $0.layers.isStepwise } }
    package var joinsLeaves: Bool { branches.contains { $0.layers.joinsLeaves } }
    package func productOperations(withInputGradient: Bool) -> Int { 0 }
    package func fused(with next: any Layer) -> (any Layer)? { nil }
    package func forPart(of parts: Int) -> (any Layer)? { nil }
    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch { .none }
}

/// What all layers of one forward pass share.
package struct ForwardPass {
    /// What a pass is for.
    package enum Purpose: Sendable, Equatable {
        /// Row r is the draw `firstDraw` + r of the run; layers key their random numbers by it.
        case training(firstDraw: UInt64)
        /// Layers do what they do for predictions.
        case evaluation
    }

    package let weights: ParameterView
    package let workspace: Workspace
    package let purpose: Purpose
    /// Rows of a leaf; the last leaf may have fewer.
    package let leafRows: Int
    /// Where what layers sum over the rows of each leaf goes, while training.
    package let statistics: LeafSums?
    /// How long the sequence in each row is; nil where none has padding.
    package let lengths: SequenceLengths?
    /// The states that the step before left, a row each, which become those that this one leaves; nil where rows begin anew.
    package let states: MutableMatrixView?
    /// Brings sums of these leaves together with those of the step's other leaves; nil where no layer asks for that.
    package let totals: (any StepTotals)?
    /// The runs of rows that layers are handed one after the other; nil where all rows are one run. Backward has the same ones.
    package let segments: [PassSegment]?
    /// What is known of the steps before, where a sequence is continued; nil where samples are whole.
    package let cache: StepCache?
    /// Called by composites before a layer of theirs reads weights: returns when those in front of an offset of the flat buffer
    /// are here. Nil where they all are.
    let awaitWeights: ((_ offset: Int) -> Void)?
    /// Where the time of each layer goes; nil where nobody measures.
    let clock: StageClock?

    package init(
        weights: ParameterView, workspace: Workspace, purpose: Purpose, leafRows: Int, statistics: LeafSums? = nil,
        lengths: SequenceLengths? = nil, states: MutableMatrixView? = nil, totals: (any StepTotals)? = nil,
        segments: [PassSegment]? = nil, cache: StepCache? = nil, awaitWeights: ((_ offset: Int) -> Void)? = nil,
        clock: StageClock? = nil
    ) {
        self.cache = cache
        self.totals = totals
        self.segments = segments
        self.awaitWeights = awaitWeights
        self.lengths = lengths
        self.states = states
        self.clock = clock
        self.weights = weights
        self.workspace = workspace
        self.purpose = purpose
        self.leafRows = leafRows
        self.statistics = statistics
    }

    /// The same for a run of rows, which begins with a leaf.
    func part(rows: Range<Int>) -> ForwardPass {
        let purpose =
            switch purpose {
            case .training(let firstDraw): Purpose.training(firstDraw: firstDraw + UInt64(rows.lowerBound))
            case .evaluation: purpose
            }
        return ForwardPass(
            weights: weights, workspace: workspace, purpose: purpose, leafRows: leafRows,
            statistics: statistics?.leaves(from: rows.lowerBound / leafRows), lengths: lengths?[rows: rows],
            states: states?[rows: rows], clock: clock)
    }
}

/// What all layers of one backward pass share.
package struct BackwardPass {
    package let weights: ParameterView
    /// Where the parameter gradients of this subtree go; whatever was there is overwritten.
    package let gradients: MutableParameterView
    /// Rows of a leaf; the last leaf may have fewer.
    package let leafRows: Int
    /// Rows whose parameter gradients are added in one chain before the tree: those of a leaf, unless `summation` says
    /// otherwise.
    package let summedRows: Int
    /// Whether the rows go on with the leaf whose first rows' gradients have been assigned already.
    package let continues: Bool
    /// As of the forward pass (`ForwardPass.Purpose.training`); nil where that was an evaluation.
    package let firstDraw: UInt64?
    package let workspace: Workspace
    /// How long the sequence in each row is; nil where none has padding.
    package let lengths: SequenceLengths?
    /// Told by composites, on their way back to front, from which offset of the flat buffer on all gradients are complete
    /// and all weights read.
    package let finished: ((_ offset: Int) -> Void)?
    /// Told by large layers, before they are finished, from which offset of the flat buffer on all gradients are complete. Nil
    /// where nobody has a use for that.
    package let summed: ((_ offset: Int) -> Void)?
    /// As of the forward pass; what it left there has been taken, so that the same places serve for the gradients' sums.
    package let statistics: LeafSums?
    /// As of the forward pass.
    package let totals: (any StepTotals)?
    /// As of the forward pass, with the places of their gradients, for which `gradients` stands where there are none.
    package let segments: [PassSegment]?
    /// Where the time of each layer goes; nil where nobody measures.
    let clock: StageClock?

    package init(
        weights: ParameterView, gradients: MutableParameterView, leafRows: Int, summedRows: Int? = nil,
        continues: Bool = false, firstDraw: UInt64? = nil, workspace: Workspace, lengths: SequenceLengths? = nil,
        finished: ((_ offset: Int) -> Void)? = nil, summed: ((_ offset: Int) -> Void)? = nil,
        statistics: LeafSums? = nil, totals: (any StepTotals)? = nil, segments: [PassSegment]? = nil, clock: StageClock? = nil
    ) {
        self.statistics = statistics
        self.totals = totals
        self.segments = segments
        self.summed = summed
        self.lengths = lengths
        self.clock = clock
        self.weights = weights
        self.gradients = gradients
        self.leafRows = leafRows
        self.continues = continues
        self.firstDraw = firstDraw
        self.summedRows = summedRows ?? leafRows
        self.workspace = workspace
        self.finished = finished
    }

    /// The same for a run of rows, which begins with a leaf.
    ///
    /// - Parameter isLast: whether, with it, gradients are complete.
    private func part(_ segment: PassSegment, isLast: Bool) -> BackwardPass {
        BackwardPass(
            weights: weights, gradients: segment.gradients, leafRows: leafRows, summedRows: summedRows,
            firstDraw: firstDraw.map { $0 + UInt64(segment.rows.lowerBound) }, workspace: workspace,
            lengths: lengths?[rows: segment.rows], summed: isLast ? summed : nil, clock: clock)
    }

    /// Calls `body` for each run of rows whose gradients belong together.
    func eachSegment(rows: Int, _ body: (_ rows: Range<Int>, _ pass: BackwardPass) -> Void) {
        guard let segments else { return body(0..<rows, self) }
        for (index, segment) in segments.enumerated() {
            body(segment.rows, part(segment, isLast: index == segments.count - 1))
        }
    }

    /// Where the gradient of a parameter goes, as rows of `columns` (by default one row); nil where it is frozen.
    package func gradient(of slot: ParameterSlot, columns: Int? = nil) -> MutableMatrixView? {
        slot.region == .trained ? gradients.matrix(slot, columns: columns) : nil
    }
}
