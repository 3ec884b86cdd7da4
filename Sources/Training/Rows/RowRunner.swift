import Datasets
import Kernels
import Metrics
import Network
import Storage
import Timing
import Watching

/// What is run: the network, and how its outputs are judged.
package struct JudgedNetwork {
    let network: Network
    let loss: any Loss
    let metrics: MetricSet
    let targets: TargetForm
    /// Whether samples have weights.
    let hasWeights: Bool
    /// Whether they are sequences of different lengths.
    let hasLengths: Bool

    /// What rows of outputs add to the divisor of the loss's mean.
    var divisor: LossDivisor {
        let positions = targets.positions
        let divisor = loss.divisor(outputs: network.outputShape.count / positions, hasClasses: targets.content == .classes)
        if hasWeights { return .bySample(divisor) }
        // Samples are counted, not positions.
        return if case .perRow(let count) = divisor { .perRow(count * positions) } else { divisor }
    }
}

/// Runs rows of samples through the network: gathers them, computes outputs and losses, and the gradients of the
/// parameters. It has memory for a number of rows at once; how many never shows in a result.
package final class RowRunner {
    let network: Network
    package let metrics: MetricSet
    /// What rows add to the divisor of the loss's mean.
    let divisor: LossDivisor
    let workspace: Workspace
    package let rowCapacity: Int
    /// How many rows of outputs, targets and losses a sample has.
    let positions: Int
    private let loss: any Loss
    private let microBatchSize: Int
    /// Where the time of gathering is marked; nil where nobody measures.
    var clock: PhaseClock?
    /// Where the time of each layer goes; nil where nobody measures.
    var stageClock: StageClock?
    /// As `ForwardPass.awaitWeights`.
    var awaitWeights: ((_ offset: Int) -> Void)?

    /// Shows what this rank does.
    var pulse = Pulse()

    /// What layers go on with from step to step; nil where they begin anew.
    private let carried: CarriedStates?
    /// Brings sums together over all ranks in the middle of a pass, while training; nil where no layer asks for that.
    private let totals: RankTotals?

    /// The layers that all rows go through at once: those of the network, but for the last where it is computed in slices.
    private let layers: Sequential
    private let activations: Activations
    private let inputs: InputStage
    /// Nil where all samples are of one length.
    private let lengths: LengthStage?
    private let targets: TargetStage
    /// Of `layers`.
    private let outputs: AlignedBuffer<Float>
    private let outputGradients: AlignedBuffer<Float>
    private let slices: HeadSlices?
    private let head: HeadMemory?
    private let losses: AlignedBuffer<Double>
    /// Of each row, before anything is made of it; empty where no metric asks for it.
    private let crossEntropies: AlignedBuffer<Double>
    private let leafStatistics: AlignedBuffer<Double>
    /// What layers sum over each leaf while training.
    private let layerStatistics: AlignedBuffer<Double>

    /// What the last layer's passes over a slice take.
    private final class HeadMemory {
        let activations: Activations
        let outputs: AlignedBuffer<Float>
        let outputGradients: AlignedBuffer<Float>

        init(_ slices: HeadSlices, _ memory: RowMemory, leafRows: Int, training: Bool) {
            activations = Activations(slices.head, rows: slices.rowsAtOnce, leafRows: leafRows, training: training)
            outputs = AlignedBuffer(count: memory.sliceOutputs)
            outputGradients = AlignedBuffer(count: memory.sliceOutputGradients)
        }
    }

    /// The draw of the first of the rows that went forward last, while training.
    private var firstDraw: UInt64?

    /// As `BackwardPass.summed`, of passes that are told `finished`.
    var summed: ((_ offset: Int) -> Void)?

    /// Where the gradients of a pass go.
    package struct GradientPass {
        let gradients: MutableParameterView
        /// Rows that are summed in one chain before the tree.
        let summedRows: Int
        /// Where they go for each run of rows; nil where there is one.
        let segments: [PassSegment]?
        /// Told from which offset of the flat buffer on they are complete, and the weights read.
        var finished: ((Int) -> Void)?

        package init(
            gradients: MutableParameterView, summedRows: Int, segments: [PassSegment]? = nil, finished: ((Int) -> Void)? = nil
        ) {
            self.segments = segments
            self.gradients = gradients
            self.summedRows = summedRows
            self.finished = finished
        }
    }

    /// - Parameters:
    ///   - rows: the most rows that are ever wanted at once; as many are held as `RowMemory` says.
    ///   - carried: what layers go on with from step to step.
    ///   - totals: what brings sums together while training, if a layer asks for that.
    ///   - outputBudget: bytes; where a micro-batch's outputs take more, they are computed in slices.
    package init(
        _ setup: JudgedNetwork, workspace: Workspace, rows: Int, microBatchSize: Int, training: Bool,
        gathersAhead: Bool = false, carried: CarriedStates? = nil, totals: RankTotals? = nil,
        outputBudget: Int = RowMemory.activationBudget
    ) {
        self.carried = carried
        self.totals = totals
        network = setup.network
        loss = setup.loss
        metrics = setup.metrics
        positions = setup.targets.positions
        divisor = setup.divisor
        self.workspace = workspace
        self.microBatchSize = microBatchSize
        let memory = RowMemory(
            setup, rows: rows, microBatchSize: microBatchSize, training: training,
            gathersAhead: gathersAhead, outputBudget: outputBudget)
        rowCapacity = memory.rowCapacity
        layers = memory.layers
        slices = memory.slices
        head = slices.map {
            HeadMemory($0, memory, leafRows: microBatchSize * setup.targets.positions, training: training)
        }
        activations = Activations(layers, rows: rowCapacity, leafRows: microBatchSize, training: training)
        inputs = InputStage(rows: rowCapacity, width: network.inputShape.count, hasHelper: gathersAhead)
        lengths = memory.lengths > 0 ? LengthStage(rows: memory.lengths) : nil
        targets = TargetStage(setup.targets, memory: memory)
        outputs = AlignedBuffer(count: memory.outputs)
        outputGradients = AlignedBuffer(count: memory.outputGradients)
        losses = AlignedBuffer(count: memory.losses)
        crossEntropies = AlignedBuffer(count: memory.crossEntropies)
        leafStatistics = AlignedBuffer(count: memory.leafStatistics)
        layerStatistics = AlignedBuffer(count: memory.layerStatistics)
    }

    // MARK: - Inputs

    /// Gathers the inputs for the next call of `forward`, which is known by its draws; after `backward` of the rows
    /// before.
    func gatherNext(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch) {
        inputs.gatherNext(dataset, samples, in: batch)
    }

    /// Has the inputs for the next call of `forward` gathered meanwhile, if there is a thread for it.
    func announce(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch) {
        inputs.announce(dataset, samples, in: batch)
    }

    // MARK: - Passes

    /// Runs the samples, which begin with a leaf, forward.
    ///
    /// - Parameters:
    ///   - batch: the step's, of which the samples are a slice, while training; nil in evaluation.
    ///   - segments: the runs of rows that layers are handed one after the other; nil where all rows are one.
    package func forward(
        _ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch? = nil, weights: ParameterView,
        segments: [PassSegment]? = nil
    ) {
        pulse.turn(to: batch == nil ? .validation : .inputs)
        inputs.gather(dataset, samples, in: batch)
        lengths?.gather(dataset, samples)
        clock?.mark(.load)
        if batch != nil { pulse.turn(to: .forward) }
        stageClock?.samples += samples.count
        firstDraw = batch?.firstDraw(of: samples)
        layers.forward(
            inputs.matrix(rows: samples.count).readOnly, into: outputMatrix(rows: samples.count), using: activations,
            in: ForwardPass(
                weights: weights, workspace: workspace,
                purpose: firstDraw.map { .training(firstDraw: $0) } ?? .evaluation,
                leafRows: microBatchSize, statistics: layerSums(rows: samples.count),
                lengths: lengths?.current, states: batch.flatMap { states(of: samples, in: $0) }, totals: totals,
                segments: segments, awaitWeights: awaitWeights, clock: stageClock))
    }

    /// The states that the samples' streams go on with; at the beginning of an epoch there are none.
    private func states(of samples: ArraySlice<Int32>, in batch: DrawnBatch) -> MutableMatrixView? {
        guard let carried else { return nil }
        let place = batch.place(of: samples)
        let rows = carried.rows(place..<place + samples.count)
        if batch.beginsEpoch { rows.fill(0) }
        return rows
    }

    /// Compares the outputs of `forward` of the same samples with their targets: the losses, the metrics' statistics, and with
    /// `pass` what `backward` needs.
    ///
    /// - Parameters:
    ///   - batch: as in `forward`.
    ///   - seen: told the outputs and targets of some rows after the other.
    package func judge(
        _ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch? = nil, weights: ParameterView,
        for pass: GradientPass? = nil,
        seen: (MatrixView, TargetView) -> Void = { _, _ in }
    ) {
        targets.gather(dataset, samples, in: batch)
        let leaves = SummationTree(rows: samples.count, leafRows: microBatchSize).leafCount
        leafStatistics.first(leaves * metrics.statisticsCount).update(repeating: 0)
        guard let slices, let head else {
            return judgeAtOnce(samples.count, withGradient: pass != nil, seen: seen)
        }
        precondition(pass == nil || leaves == 1, "slices of \(leaves) leaves, whose gradients form a tree")
        for leaf in 0..<leaves {
            let leafSamples = leaf * microBatchSize..<min((leaf + 1) * microBatchSize, samples.count)
            slices.forEach(in: leafSamples) { slice in
                judge(slice, of: leaf, slices, head, weights: weights, for: pass, seen: seen)
            }
        }
        if let pass, slices.body.isTrained, let offset = slices.head.firstOffset { pass.finished?(offset) }
    }

    /// The gradients of all parameters after `judge` of `rows` rows for the same pass: a subtree.
    package func backward(rows: Int, weights: ParameterView, for pass: GradientPass) {
        pulse.turn(to: .backward)
        layers.backward(
            gradientMatrix(rows: rows).readOnly, input: inputs.matrix(rows: rows).readOnly,
            output: outputMatrix(rows: rows).readOnly, using: activations,
            in: BackwardPass(
                weights: weights, gradients: pass.gradients, leafRows: microBatchSize, summedRows: pass.summedRows,
                firstDraw: firstDraw, workspace: workspace, lengths: lengths?.current, finished: pass.finished,
                summed: pass.finished == nil ? nil : summed, statistics: totals == nil ? nil : layerSums(rows: rows),
                totals: totals, segments: pass.segments, clock: stageClock))
    }

    private func judgeAtOnce(_ count: Int, withGradient: Bool, seen: (MatrixView, TargetView) -> Void) {
        let outputs = byPosition(outputMatrix(rows: count)).readOnly
        evaluateLoss(
            outputs, samples: 0..<count, rows: 0..<outputs.rows,
            gradient: withGradient ? byPosition(gradientMatrix(rows: count)) : nil)
        seen(outputs, targets.targets(0..<outputs.rows))
        let leafRows = microBatchSize * positions
        for first in stride(from: 0, to: outputs.rows, by: leafRows) {
            let range = first..<min(first + leafRows, outputs.rows)
            accumulate(outputs[rows: range], targets.targets(range), rows: range, leaf: first / leafRows)
        }
    }

    private func judge(
        _ slice: HeadSlices.Slice, of leaf: Int, _ slices: HeadSlices, _ head: HeadMemory, weights: ParameterView,
        for pass: GradientPass?, seen: (MatrixView, TargetView) -> Void
    ) {
        pulse.beat()
        let count = slice.rows.count
        let input = byPosition(outputMatrix(rows: slice.samples.upperBound))[rows: slice.rows].readOnly
        let output = head.outputs.matrix(rows: count, columns: slices.head.outputShape.count)
        let leafRows = microBatchSize * positions
        // A layer that can be cut draws nothing at random.
        slices.head.forward(
            input, into: output, using: head.activations,
            in: ForwardPass(
                weights: weights, workspace: workspace, purpose: .evaluation, leafRows: leafRows, awaitWeights: awaitWeights,
                clock: stageClock))
        let gradient = pass == nil ? nil : head.outputGradients.matrix(rows: count, columns: output.columns)
        let targets = targets.targets(slice.rows)
        evaluateLoss(output.readOnly, samples: slice.samples, rows: slice.rows, gradient: gradient)
        seen(output.readOnly, targets)
        accumulate(output.readOnly, targets, rows: slice.rows, leaf: leaf)
        clock?.mark(.forward)
        guard let pass, let gradient else { return }
        let inputGradient =
            slices.body.isTrained ? byPosition(gradientMatrix(rows: slice.samples.upperBound))[rows: slice.rows] : nil
        slices.head.backward(
            gradient.readOnly, into: inputGradient, input: input, output: output.readOnly, using: head.activations,
            in: BackwardPass(
                weights: weights, gradients: pass.gradients, leafRows: leafRows, summedRows: pass.summedRows * positions,
                continues: slice.rows.lowerBound > leaf * leafRows, workspace: workspace, clock: stageClock))
        clock?.mark(.backward, isContinued: true)
    }

    private func evaluateLoss(_ outputs: MatrixView, samples: Range<Int>, rows: Range<Int>, gradient: MutableMatrixView?) {
        let losses = UnsafeMutableBufferPointer(rebasing: losses.first(rows.upperBound)[rows])
        loss.evaluate(outputs, targets.targets(rows), losses: losses, gradient: gradient, in: workspace)
        evaluateCrossEntropy(outputs, losses: losses, rows: rows)
        if let weights = targets.weights(samples) { workspace.weigh(losses, gradient: gradient, by: weights) }
    }

    /// - Parameter losses: of these rows, as the loss has them.
    private func evaluateCrossEntropy(_ outputs: MatrixView, losses: UnsafeMutableBufferPointer<Double>, rows: Range<Int>) {
        guard metrics.needsCrossEntropies else { return }
        let own = UnsafeMutableBufferPointer(rebasing: crossEntropies.first(rows.upperBound)[rows])
        if loss.isPlainCrossEntropy {
            _ = own.update(fromContentsOf: losses)
            return
        }
        switch targets.targets(rows) {
        case .classes(let classes):
            workspace.crossEntropy(outputs, classes, labelSmoothing: 0, losses: own, gradient: nil)
        case .values(let shares):
            workspace.crossEntropy(outputs, shares, labelSmoothing: 0, losses: own, gradient: nil)
        }
    }

    private func accumulate(_ outputs: MatrixView, _ targets: TargetView, rows: Range<Int>, leaf: Int) {
        let count = metrics.statisticsCount
        metrics.accumulate(
            outputs: outputs, targets: targets,
            crossEntropies: metrics.needsCrossEntropies
                ? UnsafeBufferPointer(rebasing: crossEntropies.first(rows.upperBound)[rows]) : nil,
            into: UnsafeMutableBufferPointer(start: leafStatistics.base + leaf * count, count: count))
    }

    // MARK: - Sums

    /// The loss of each row, or of each position of each row, after `judge`.
    package func losses(rows: Int) -> UnsafeBufferPointer<Double> { UnsafeBufferPointer(losses.first(rows * positions)) }

    /// Assigns `sums` the loss, behind it the metrics' statistics, and behind them while training the layers', summed along
    /// the tree, after `judge`, of some of its rows, which begin with a leaf.
    package func sumStatistics(rows: Range<Int>, into sums: UnsafeMutableBufferPointer<Double>) {
        let count = metrics.statisticsCount
        let layerCount = sums.count - count - 1
        precondition(
            layerCount == 0 || layerCount == network.statisticsCount,
            "\(count) statistics, \(network.statisticsCount) of layers and a loss into \(sums.count) sums")
        let tree = SummationTree(rows: rows.count, leafRows: microBatchSize)
        let first = rows.lowerBound / microBatchSize
        let losses = UnsafeBufferPointer(rebasing: losses(rows: rows.upperBound)[(rows.lowerBound * positions)...])
        sums[0] = leafTreeSum(losses, leafRows: microBatchSize * positions)
        for index in 0..<count { sums[index + 1] = tree.sum { leafStatistics[(first + $0) * count + index] } }
        for index in 0..<layerCount {
            sums[count + 1 + index] = tree.sum { layerStatistics[(first + $0) * layerCount + index] }
        }
    }

    /// What the samples add to the divisor of the loss's mean, along the tree.
    package func sumDivisor(_ dataset: Dataset, _ samples: ArraySlice<Int32>) -> Double {
        targets.gather(dataset, samples)
        let rows = samples.count
        return SummationTree(rows: rows, leafRows: microBatchSize).sum { leaf in
            let leafSamples = leaf * microBatchSize..<min((leaf + 1) * microBatchSize, rows)
            return divisor.sum(
                targets.targets(leafSamples.lowerBound * positions..<leafSamples.upperBound * positions),
                weights: targets.weights(leafSamples))
        }
    }

    private func layerSums(rows: Int) -> LeafSums? {
        let count = network.statisticsCount
        guard count > 0, layerStatistics.count > 0 else { return nil }
        return LeafSums(base: layerStatistics.base, stride: count, leaves: layerStatistics.count / count, count: count)
    }

    // MARK: - Views

    private func outputMatrix(rows: Int) -> MutableMatrixView {
        outputs.matrix(rows: rows, columns: layers.outputShape.count)
    }

    private func gradientMatrix(rows: Int) -> MutableMatrixView {
        outputGradients.matrix(rows: rows, columns: layers.outputShape.count)
    }

    /// A row for each position of each sample, as outputs are compared with targets.
    private func byPosition(_ matrix: MutableMatrixView) -> MutableMatrixView {
        matrix.reshaped(rows: matrix.rows * positions, columns: matrix.columns / positions)
    }
}
