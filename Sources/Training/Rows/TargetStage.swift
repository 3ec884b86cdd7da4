import Datasets
import Storage

/// The targets and the weights of the samples that are run, in memory of their own.
final class TargetStage {
    private let content: TargetForm.Content
    /// How many rows of outputs, targets and losses a sample has.
    private let positions: Int
    private let values: AlignedBuffer<Float>
    private let classes: AlignedBuffer<Int32>
    /// Empty where samples have no weights.
    private let sampleWeights: AlignedBuffer<Float>

    init(_ form: TargetForm, memory: RowMemory) {
        content = form.content
        positions = form.positions
        values = AlignedBuffer(count: memory.targetValues)
        classes = AlignedBuffer(count: memory.targetClasses, repeating: 0)
        sampleWeights = AlignedBuffer(count: memory.sampleWeights)
    }

    /// Takes those of the samples, in place of whatever was there.
    ///
    /// - Parameter batch: the step's, of which the samples are a slice, while training; nil: nothing is mixed.
    func gather(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch? = nil) {
        switch content {
        case .classes: dataset.gatherClasses(samples, into: classes.first(samples.count * positions))
        case .values(let columns):
            dataset.gatherTargets(samples, into: values.matrix(rows: samples.count, columns: columns), in: batch)
        }
        if sampleWeights.count > 0 { dataset.gatherWeights(samples, into: sampleWeights.first(samples.count)) }
    }

    /// The targets of some rows, counted from the first sample's first position on.
    func targets(_ rows: Range<Int>) -> TargetView {
        switch content {
        case .classes:
            .classes(ClassView(base: classes.first(rows.upperBound).baseAddress ?? classes.base, count: rows.upperBound)[rows])
        case .values(let columns): .values(values.matrix(rows: rows.upperBound, columns: columns).readOnly[rows: rows])
        }
    }

    /// The weights of some samples; nil where they have none.
    func weights(_ samples: Range<Int>) -> UnsafeBufferPointer<Float>? {
        guard sampleWeights.count > 0 else { return nil }
        return UnsafeBufferPointer(rebasing: sampleWeights.first(samples.upperBound)[samples])
    }
}
