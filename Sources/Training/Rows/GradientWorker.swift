import Datasets
import Kernels
import Network
import Storage
import Timing

/// Computes this rank's share of a step: for each of its subtrees the sum of its gradients, and beside it the sums
/// of loss and metrics.
final class GradientWorker {
    private let runner: RowRunner
    /// What is trained on, as this epoch has it.
    var dataset: Dataset
    private let layout: ParameterLayout
    private let summation: TrainingSection.Summation
    /// The sum of `auditHash` over all samples used since it was taken; order and grouping don't show in it.
    private var auditSum: UInt64 = 0
    /// Where its time is marked; nil where nobody measures.
    var clock: PhaseClock? { didSet { runner.clock = clock } }
    /// Where the time of each layer goes; nil where nobody measures.
    var stageClock: StageClock? {
        get { runner.stageClock }
        set { runner.stageClock = newValue }
    }
    /// As `Synchronizer.awaitWeights`.
    var awaitWeights: ((_ offset: Int) -> Void)? {
        get { runner.awaitWeights }
        set { runner.awaitWeights = newValue }
    }
    /// As `Synchronizer.gradientsSummed`.
    var summed: ((_ offset: Int) -> Void)? {
        get { runner.summed }
        set { runner.summed = newValue }
    }
    /// Gradients of right halves that wait to be added, where a subtree has more rows than fit at once.
    private var spares: [SpareGradient] = []

    /// A flat gradient of its own, and the sums beside it.
    private final class SpareGradient {
        let buffer: AlignedBuffer<Float>
        let sums: AlignedBuffer<Double>

        init(count: Int, sumCount: Int) {
            buffer = AlignedBuffer(count: count)
            sums = AlignedBuffer(count: sumCount, repeating: 0)
        }
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
    struct Subtree {
        let leaves: Range<Int>
        let batch: Batch
    }

    /// Gathers the inputs of the subtree that `compute` will be asked for next, where they fit at once. Nothing is
    /// computed.
    ///
    /// - Parameter announced: whether only another thread may do it.
    func gatherNext(_ subtree: Subtree, order: EpochOrder, announced: Bool = false) {
        let rows = subtree.batch.rows(of: subtree.leaves)
        guard rows.count <= runner.rowCapacity else { return }
        let batch = order.drawn(subtree.batch)
        let samples = Self.samples(rows, of: batch)
        if announced {
            runner.announce(dataset, samples, in: batch)
        } else {
            runner.gatherNext(dataset, samples, in: batch)
        }
    }

    /// Where the gradients of all subtrees go; kept, so that a step takes no memory.
    private var segments: [PassSegment] = []

    /// Assigns every subtree of this rank its gradients and sums, with all of their rows in one pass, as layers want it that join
    /// leaves. Collective over the ranks of the step: a rank without subtrees only brings sums together with the others.
    ///
    /// - Parameters:
    ///   - subtrees: of the program, those of this rank.
    ///   - gradients: where those of the k-th of them go; `sums`: likewise.
    ///   - next, finished: as in `compute`.
    func computeTogether(
        _ subtrees: Range<Int>, of program: SummationTree.Program, of batch: Batch, order: EpochOrder, weights: ParameterView,
        gradients: (_ place: Int) -> MutableParameterView, sums: (_ place: Int) -> UnsafeMutableBufferPointer<Double>,
        next: Subtree?, finished: ((Int) -> Void)?
    ) {
        let all = batch.rows(of: program.leaves(of: subtrees))
        precondition(fits(all), "\(all.count) rows together where \(runner.rowCapacity) fit")
        let drawn = order.drawn(batch)
        let samples = Self.samples(all, of: drawn)
        segments.removeAll(keepingCapacity: true)
        for (place, index) in subtrees.enumerated() {
            let rows = batch.rows(of: program.subtrees[index])
            segments.append(
                PassSegment(
                    rows: rows.lowerBound - all.lowerBound..<rows.upperBound - all.lowerBound, gradients: gradients(place)))
        }
        let pass = RowRunner.GradientPass(
            gradients: segments.last?.gradients ?? MutableParameterView.none,
            summedRows: summation == .tree ? batch.microBatchSize : all.count, segments: segments, finished: finished)
        runner.forward(dataset, samples, in: drawn, weights: weights, segments: segments)
        if let next { gatherNext(next, order: order, announced: true) }
        if !all.isEmpty {
            runner.judge(dataset, samples, in: drawn, weights: weights, for: pass)
            for (place, segment) in segments.enumerated() { runner.sumStatistics(rows: segment.rows, into: sums(place)) }
        }
        clock?.mark(.forward)
        runner.backward(rows: all.count, weights: weights, for: pass)
        for sample in samples { auditSum &+= auditHash(Int(sample)) }
        clock?.mark(.backward, isContinued: true)
    }

    private static func samples(_ rows: Range<Int>, of batch: DrawnBatch) -> ArraySlice<Int32> {
        let first = batch.samples.startIndex
        return batch.samples[first + rows.lowerBound..<first + rows.upperBound]
    }

    /// What the samples of a subtree add to the divisor of the loss's mean.
    func divisor(_ leaves: Range<Int>, of batch: Batch, order: EpochOrder) -> Double {
        let drawn = order.drawn(batch)
        return batch.tree.inParts(
            leaves, thatFit: { fits(batch.rows(of: $0)) },
            part: { part, _ in
                runner.sumDivisor(dataset, Self.samples(batch.rows(of: part), of: drawn))
            }, add: +)
    }

    /// Whether so many rows go through the network at once.
    private func fits(_ rows: Range<Int>) -> Bool { rows.count <= runner.rowCapacity }

    /// The number of Doubles that a subtree carries beside its gradient: the loss, the metrics' statistics, the layers'.
    var sumCount: Int { runner.metrics.statisticsCount + 1 + layerSumCount }

    /// How many of them, at the end, are the layers'.
    var layerSumCount: Int { runner.network.statisticsCount }

    /// The most rows that go through the network at once.
    var rowCapacity: Int { runner.rowCapacity }

    /// Assigns `gradients` and `sums` the subtree over `leaves` of the batch.
    ///
    /// - Parameters:
    ///   - order: the samples of the epoch in their order.
    ///   - next: what will be computed next.
    ///   - finished: told from which offset of the flat buffer on `gradients` is complete, from its end downwards; not
    ///     of the subtree's last part.
    func compute(
        _ leaves: Range<Int>, of batch: Batch, order: EpochOrder, weights: ParameterView,
        into gradients: MutableParameterView, sums: UnsafeMutableBufferPointer<Double>,
        next: Subtree? = nil, finished: ((Int) -> Void)? = nil
    ) {
        // A part is put behind those that wait: the first where the subtree belongs, the others in spare gradients.
        _ = batch.tree.inParts(leaves, thatFit: { fits(batch.rows(of: $0)) }) { part, waiting in
            let isAll = part == leaves
            computePart(
                part, of: batch, order: order, weights: weights, into: place(waiting, gradients, sums),
                next: isAll ? next : nil, finished: isAll ? finished : nil)
            return waiting
        } add: { left, right in
            let sum = place(left, gradients, sums)
            let other = place(right, gradients, sums)
            for index in sum.sums.indices { sum.sums[index] += other.sums[index] }
            let all = 0..<layout.gradientCount
            runner.workspace.add(sum.gradients[all].readOnly, other.gradients[all].readOnly, into: sum.gradients[all])
            clock?.mark(.backward, isContinued: true)
            return left
        }
    }

    /// Where the part goes behind which so many others wait.
    private func place(_ waiting: Int, _ gradients: MutableParameterView, _ sums: UnsafeMutableBufferPointer<Double>) -> Place {
        guard waiting > 0 else { return Place(gradients: gradients, sums: sums) }
        if spares.count < waiting { spares.append(SpareGradient(count: layout.gradientCount, sumCount: sumCount)) }
        let spare = spares[waiting - 1]
        return Place(gradients: spare.buffer.gradients(layout), sums: spare.sums.elements)
    }

    /// Where a part of a subtree is put.
    private struct Place {
        let gradients: MutableParameterView
        let sums: UnsafeMutableBufferPointer<Double>
    }

    private func computePart(
        _ leaves: Range<Int>, of batch: Batch, order: EpochOrder, weights: ParameterView, into place: Place,
        next: Subtree?, finished: ((Int) -> Void)?
    ) {
        let rows = batch.rows(of: leaves)
        precondition(fits(rows), "a micro-batch of \(rows.count) rows where \(runner.rowCapacity) fit")
        let drawn = order.drawn(batch)
        let samples = Self.samples(rows, of: drawn)
        let pass = RowRunner.GradientPass(
            gradients: place.gradients, summedRows: summation == .tree ? batch.microBatchSize : rows.count,
            finished: finished)
        runner.forward(dataset, samples, in: drawn, weights: weights)
        if let next { gatherNext(next, order: order, announced: true) }
        runner.judge(dataset, samples, in: drawn, weights: weights, for: pass)
        runner.sumStatistics(rows: 0..<rows.count, into: place.sums)
        clock?.mark(.forward)
        runner.backward(rows: rows.count, weights: weights, for: pass)
        for sample in samples { auditSum &+= auditHash(Int(sample)) }
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
