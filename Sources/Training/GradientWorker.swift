import Datasets
import Kernels
import Storage
import Timing

/// Computes this rank's share of a step: for each of its subtrees the node of the gradient tree, and beside it the sums
/// of loss and metrics.
final class GradientWorker {
    private let runner: RowRunner
    private let dataset: Dataset
    private let layout: ParameterLayout
    private let summation: TrainingSection.Summation
    /// The sum of `auditHash` over all samples used since it was taken; order and grouping don't show in it.
    private var auditSum: UInt64 = 0
    /// Where its time is marked; nil where nobody measures.
    var clock: PhaseClock? { didSet { runner.clock = clock } }
    /// Gradients of right halves that wait to be added, where a subtree has more rows than fit at once.
    private var spares: [SpareGradient] = []

    /// A flat gradient of its own.
    private final class SpareGradient {
        let buffer: AlignedBuffer<Float>
        init(count: Int) { buffer = AlignedBuffer(count: count) }
    }

    init(runner: RowRunner, dataset: Dataset, summation: TrainingSection.Summation) {
        self.summation = summation
        self.runner = runner
        self.dataset = dataset
        layout = runner.network.layout
    }

    /// The hash of the samples that were used since the last call.
    func takeAuditSum() -> UInt64 {
        defer { auditSum = 0 }
        return auditSum
    }

    /// Rows of a batch.
    struct Node {
        let leaves: Range<Int>
        let batch: Batch
    }

    /// Gathers the inputs of the node that `computeNode` will be asked for next, where they fit at once. Nothing is
    /// computed.
    ///
    /// - Parameter announced: whether only another thread may do it.
    func gatherNext(_ node: Node, order: [Int32], announced: Bool = false) {
        let rows = node.batch.rows(of: node.leaves)
        guard rows.count <= runner.rowCapacity else { return }
        let samples = samples(rows, of: node.batch, order: order)
        let firstDraw = node.batch.firstDraw + UInt64(rows.lowerBound)
        if announced {
            runner.announce(dataset, samples, firstDraw: firstDraw)
        } else {
            runner.gatherNext(dataset, samples, firstDraw: firstDraw)
        }
    }

    private func samples(_ rows: Range<Int>, of batch: Batch, order: [Int32]) -> ArraySlice<Int32> {
        let first = batch.positions.lowerBound
        return order[first + rows.lowerBound..<first + rows.upperBound]
    }

    /// What the samples of a subtree add to the divisor of the loss's mean.
    func divisor(_ leaves: Range<Int>, of batch: Batch, order: [Int32]) -> Double {
        let rows = batch.rows(of: leaves)
        if rows.count > runner.rowCapacity, let (left, right) = batch.tree.children(of: leaves) {
            return divisor(left, of: batch, order: order) + divisor(right, of: batch, order: order)
        }
        return runner.sumDivisor(dataset, samples(rows, of: batch, order: order))
    }

    /// The number of Doubles that a node carries beside its gradient: the loss, the metrics' statistics, the layers'.
    var sumCount: Int { runner.metrics.statisticsCount + 1 + layerSumCount }

    /// How many of them, at the end, are the layers'.
    var layerSumCount: Int { runner.network.statisticsCount }

    /// The most rows that go through the network at once.
    var rowCapacity: Int { runner.rowCapacity }

    /// Assigns `gradients` and `sums` the node over `leaves` of the batch.
    ///
    /// - Parameters:
    ///   - order: the samples of the epoch in their order.
    ///   - next: what will be computed next.
    ///   - finished: told from which offset of the flat buffer on `gradients` is complete, from its end downwards; not
    ///     of the node's last part.
    func computeNode(_ leaves: Range<Int>, of batch: Batch, order: [Int32], weights: ParameterView,
                     into gradients: MutableParameterView, sums: UnsafeMutableBufferPointer<Double>,
                     next: Node? = nil, finished: ((Int) -> Void)? = nil, depth: Int = 0) {
        let rows = batch.rows(of: leaves)
        if rows.count <= runner.rowCapacity {
            let samples = samples(rows, of: batch, order: order)
            _ = runner.outputs(dataset, samples, weights: weights, firstDraw: batch.firstDraw + UInt64(rows.lowerBound))
            if depth == 0, let next { gatherNext(next, order: order, announced: true) }
            _ = runner.evaluateLoss(dataset, samples, withGradient: true)
            runner.sumStatistics(rows: rows.count, leafRows: batch.microBatchSize, into: sums)
            clock?.mark(.forward)
            let summedRows = summation == .tree ? batch.microBatchSize : rows.count
            runner.backward(rows: rows.count, summedRows: summedRows, weights: weights, into: gradients,
                            finished: finished)
            for sample in samples { auditSum &+= auditHash(Int(sample)) }
            clock?.mark(.backward, isContinued: true)
            return
        }
        guard let (left, right) = batch.tree.children(of: leaves) else {
            preconditionFailure("a micro-batch of \(rows.count) rows where \(runner.rowCapacity) fit")
        }
        if spares.count == depth { spares.append(SpareGradient(count: layout.gradientCount)) }
        let spare = spares[depth].buffer.gradients(layout)
        computeNode(left, of: batch, order: order, weights: weights, into: gradients, sums: sums, depth: depth + 1)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: sumCount) { rightSums in
            computeNode(right, of: batch, order: order, weights: weights, into: spare, sums: rightSums, depth: depth + 1)
            for index in sums.indices { sums[index] += rightSums[index] }
        }
        let all = 0..<layout.gradientCount
        runner.workspace.add(gradients[all].readOnly, spare[all].readOnly, into: gradients[all])
        clock?.mark(.backward, isContinued: true)
    }
}

/// What a sample adds to the hash of a step: its number through the finaliser of SplitMix64 (Steele, Lea and Flood,
/// OOPSLA 2014). Sums of it over a set of samples tell sets apart, whatever the order.
package func auditHash(_ sample: Int) -> UInt64 {
    var z = UInt64(bitPattern: Int64(sample)) &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
}
