import Datasets
import Kernels
import Metrics
import Network
import Storage
import Timing

/// What is run: the network, and how its outputs are judged.
struct JudgedNetwork {
    let network: Network
    let loss: any Loss
    let metrics: MetricSet
    let targets: TargetForm
    /// Whether samples have weights.
    let hasWeights: Bool

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
final class RowRunner {
    let network: Network
    let loss: any Loss
    let metrics: MetricSet
    let targetForm: TargetForm
    /// What rows add to the divisor of the loss's mean.
    let divisor: LossDivisor
    let workspace: Workspace
    let rowCapacity: Int
    /// How many rows of outputs, targets and losses a sample has.
    let positions: Int
    private let microBatchSize: Int
    /// Where the time of gathering is marked; nil where nobody measures.
    var clock: PhaseClock?

    private let activations: Activations
    private let inputs: InputStage
    private let outputs: AlignedBuffer<Float>
    private let outputGradients: AlignedBuffer<Float>
    private let targetValues: AlignedBuffer<Float>
    private let targetClasses: AlignedBuffer<Int32>
    /// Empty where samples have no weights.
    private let sampleWeights: AlignedBuffer<Float>
    private let losses: AlignedBuffer<Double>
    private let leafStatistics: AlignedBuffer<Double>
    /// What layers sum over each leaf while training.
    private let layerStatistics: AlignedBuffer<Double>

    /// - Parameter rows: the most rows that are ever wanted at once; as many are held as `RowMemory` says.
    init(
        _ setup: JudgedNetwork, workspace: Workspace, rows: Int, microBatchSize: Int, training: Bool,
        gathersAhead: Bool = false
    ) {
        network = setup.network
        loss = setup.loss
        metrics = setup.metrics
        targetForm = setup.targets
        positions = targetForm.positions
        divisor = setup.divisor
        self.workspace = workspace
        self.microBatchSize = microBatchSize
        let memory = RowMemory(
            setup, rows: rows, microBatchSize: microBatchSize, training: training,
            gathersAhead: gathersAhead)
        rowCapacity = memory.rowCapacity
        activations = Activations(network: network, rows: rowCapacity, leafRows: microBatchSize, training: training)
        inputs = InputStage(rows: rowCapacity, width: network.inputShape.count, hasHelper: gathersAhead)
        outputs = AlignedBuffer(count: memory.outputs)
        outputGradients = AlignedBuffer(count: memory.outputGradients)
        targetValues = AlignedBuffer(count: memory.targetValues)
        targetClasses = AlignedBuffer(count: memory.targetClasses, repeating: 0)
        sampleWeights = AlignedBuffer(count: memory.sampleWeights)
        losses = AlignedBuffer(count: memory.losses)
        leafStatistics = AlignedBuffer(count: memory.leafStatistics)
        layerStatistics = AlignedBuffer(count: memory.layerStatistics)
    }

    /// Outputs (logits) for the samples, which begin with a leaf. Valid until the next call.
    ///
    /// - Parameter firstDraw: the ordinal of the first sample's draw in the run while training; nil in evaluation.
    func outputs(
        _ dataset: Dataset, _ samples: ArraySlice<Int32>, weights: ParameterView,
        firstDraw: UInt64? = nil
    ) -> MatrixView {
        inputs.gather(dataset, samples, firstDraw: firstDraw)
        clock?.mark(.load)
        let input = inputMatrix(rows: samples.count)
        let output = outputMatrix(rows: samples.count)
        network.forward(
            input.readOnly, into: output, using: activations,
            in: ForwardPass(
                weights: weights, workspace: workspace,
                purpose: firstDraw.map { .training(firstDraw: $0) } ?? .evaluation,
                leafRows: microBatchSize, statistics: layerSums(rows: samples.count)))
        return output.readOnly
    }

    /// Gathers the inputs for the next call of `outputs`, which is known by its draws; after `backward` of the rows
    /// before.
    func gatherNext(_ dataset: Dataset, _ samples: ArraySlice<Int32>, firstDraw: UInt64) {
        inputs.gatherNext(dataset, samples, firstDraw: firstDraw)
    }

    /// Has the inputs for the next call of `outputs` gathered meanwhile, if there is a thread for it.
    func announce(_ dataset: Dataset, _ samples: ArraySlice<Int32>, firstDraw: UInt64) {
        inputs.announce(dataset, samples, firstDraw: firstDraw)
    }

    /// The loss of each row, or of each position of each row, after `outputs` of the same samples, and, for `backward`, the
    /// gradient of their sum.
    func evaluateLoss(_ dataset: Dataset, _ samples: ArraySlice<Int32>, withGradient: Bool) -> UnsafeBufferPointer<Double> {
        let rows = samples.count
        let rowLosses = losses.first(rows * positions)
        let gradient = withGradient ? byPosition(gradientMatrix(rows: rows)) : nil
        loss.evaluate(
            judgedOutputs(rows: rows), gatherTargets(dataset, samples), losses: rowLosses, gradient: gradient, in: workspace)
        if let weights = gatherWeights(dataset, samples) { workspace.weigh(rowLosses, gradient: gradient, by: weights) }
        return UnsafeBufferPointer(rowLosses)
    }

    /// What the samples add to the divisor of the loss's mean, along the tree.
    func sumDivisor(_ dataset: Dataset, _ samples: ArraySlice<Int32>) -> Double {
        let targets = gatherTargets(dataset, samples)
        let weights = gatherWeights(dataset, samples)
        let rows = samples.count
        return SummationTree(rows: rows, leafRows: microBatchSize).sum { leaf in
            let leafSamples = leaf * microBatchSize..<min((leaf + 1) * microBatchSize, rows)
            return divisor.sum(
                targets[rows: leafSamples.lowerBound * positions..<leafSamples.upperBound * positions],
                weights: weights.map { UnsafeBufferPointer(rebasing: $0[leafSamples]) })
        }
    }

    /// The weights of the samples; nil where they have none.
    private func gatherWeights(_ dataset: Dataset, _ samples: ArraySlice<Int32>) -> UnsafeBufferPointer<Float>? {
        guard sampleWeights.count > 0 else { return nil }
        let weights = sampleWeights.first(samples.count)
        dataset.gatherWeights(samples, into: weights)
        return UnsafeBufferPointer(weights)
    }

    /// The gradients of all parameters after `evaluateLoss` of `rows` rows: a subtree over leaves of `summedRows`.
    ///
    /// - Parameter finished: told from which offset of the flat buffer on they are complete, and the weights read.
    func backward(
        rows: Int, summedRows: Int, weights: ParameterView, into gradients: MutableParameterView,
        finished: ((Int) -> Void)? = nil
    ) {
        network.backward(
            gradientMatrix(rows: rows).readOnly, input: inputMatrix(rows: rows).readOnly,
            output: outputMatrix(rows: rows).readOnly, using: activations,
            in: BackwardPass(
                weights: weights, gradients: gradients, leafRows: microBatchSize, summedRows: summedRows,
                workspace: workspace, finished: finished))
    }

    private func layerSums(rows: Int) -> LeafSums? {
        let count = network.statisticsCount
        guard count > 0, layerStatistics.count > 0 else { return nil }
        return LeafSums(base: layerStatistics.base, stride: count, leaves: layerStatistics.count / count, count: count)
    }

    /// Assigns `sums` the loss, behind it the metrics' statistics, and behind them while training the layers', summed along
    /// the tree over leaves of `leafRows`, after `evaluateLoss` of `rows` rows.
    func sumStatistics(rows: Int, leafRows: Int, into sums: UnsafeMutableBufferPointer<Double>) {
        let count = metrics.statisticsCount
        let layerCount = sums.count - count - 1
        precondition(
            layerCount == 0 || layerCount == network.statisticsCount && leafRows == microBatchSize,
            "\(count) statistics, \(network.statisticsCount) of layers and a loss into \(sums.count) sums")
        let rowCount = rows
        let rows = rows * positions
        let leafRows = leafRows * positions
        let tree = SummationTree(rows: rows, leafRows: leafRows)
        let leaves = tree.leafCount
        let output = judgedOutputs(rows: rowCount)
        let targets = gatheredTargets(rows: rowCount)
        leafStatistics.first(leaves * count).update(repeating: 0)
        for leaf in 0..<leaves {
            let range = leaf * leafRows..<min((leaf + 1) * leafRows, rows)
            metrics.accumulate(
                outputs: output[rows: range], targets: targets[rows: range],
                into: UnsafeMutableBufferPointer(start: leafStatistics.base + leaf * count, count: count))
        }
        sums[0] = leafTreeSum(UnsafeBufferPointer(losses.first(rows)), leafRows: leafRows)
        for index in 0..<count { sums[index + 1] = tree.sum { leafStatistics[$0 * count + index] } }
        for index in 0..<layerCount { sums[count + 1 + index] = tree.sum { layerStatistics[$0 * layerCount + index] } }
    }

    /// Appends the (score, label) pairs of the rows after `evaluateLoss`.
    func appendScores(rows: Int, to scores: inout [ScoredLabel]) {
        metrics.appendScores(
            outputs: judgedOutputs(rows: rows), targets: gatheredTargets(rows: rows),
            into: &scores)
    }

    private func gatherTargets(_ dataset: Dataset, _ samples: ArraySlice<Int32>) -> TargetView {
        switch targetForm.content {
        case .classes:
            dataset.gatherClasses(samples, into: targetClasses.first(samples.count * positions))
        case .values(let columns):
            dataset.gatherTargets(samples, into: targetValues.matrix(rows: samples.count, columns: columns))
        }
        return gatheredTargets(rows: samples.count)
    }

    private func gatheredTargets(rows: Int) -> TargetView {
        switch targetForm.content {
        case .classes:
            .classes(
                ClassView(
                    base: targetClasses.first(rows * positions).baseAddress ?? targetClasses.base,
                    count: rows * positions))
        case .values(let columns): .values(targetValues.matrix(rows: rows, columns: columns).readOnly)
        }
    }

    private func inputMatrix(rows: Int) -> MutableMatrixView {
        inputs.matrix(rows: rows)
    }

    private func outputMatrix(rows: Int) -> MutableMatrixView {
        outputs.matrix(rows: rows, columns: network.outputShape.count)
    }

    /// The outputs as they are compared with targets: a row for each position.
    private func judgedOutputs(rows: Int) -> MatrixView { byPosition(outputMatrix(rows: rows)).readOnly }

    private func byPosition(_ matrix: MutableMatrixView) -> MutableMatrixView {
        matrix.reshaped(rows: matrix.rows * positions, columns: matrix.columns / positions)
    }

    private func gradientMatrix(rows: Int) -> MutableMatrixView {
        outputGradients.matrix(rows: rows, columns: network.outputShape.count)
    }
}
