import Datasets
import Storage

/// How long the samples are that are run, in memory of its own: backward asks for it as well as forward.
final class LengthStage {
    private let lengths: AlignedBuffer<Int32>
    private var count = 0

    /// - Parameter rows: the most rows at once, 1 or more.
    init(rows: Int) { lengths = AlignedBuffer(count: rows, repeating: 0) }

    /// Takes those of the samples, in place of whatever was there.
    func gather(_ dataset: Dataset, _ samples: ArraySlice<Int32>) {
        count = samples.count
        dataset.gatherLengths(samples, into: lengths.first(count))
    }

    /// Of the samples that were gathered last.
    var current: SequenceLengths { SequenceLengths(UnsafeBufferPointer(lengths.first(count))) }
}
