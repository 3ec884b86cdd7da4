/// The samples of a step's global batch, as training draws them. Whatever changes samples for training depends on this alone: it
/// is the same on every rank.
package struct DrawnBatch: Sendable {
    /// All of them in the epoch's order.
    package let samples: ArraySlice<Int32>
    /// The ordinal in the run of the first one's draw; those of the others follow.
    package let firstDraw: UInt64
    /// The steps of the run before this one.
    package let step: Int

    /// Whether it is the first of an epoch.
    package let beginsEpoch: Bool

    /// - Parameter beginsEpoch: nil where `samples` are a slice of the epoch's order, which says it.
    package init(samples: ArraySlice<Int32>, firstDraw: UInt64, step: Int, beginsEpoch: Bool? = nil) {
        self.samples = samples
        self.firstDraw = firstDraw
        self.step = step
        self.beginsEpoch = beginsEpoch ?? (samples.startIndex == 0)
    }

    /// Which place in the batch some of `samples` begin at; they are a slice of it, with its indices.
    package func place(of part: ArraySlice<Int32>) -> Int {
        precondition(
            part.startIndex >= samples.startIndex && part.endIndex <= samples.endIndex,
            "the samples at \(part.indices) of a batch at \(samples.indices)")
        return part.startIndex - samples.startIndex
    }

    /// The one at a place of the batch.
    func sample(at place: Int) -> ArraySlice<Int32> {
        samples[samples.startIndex + place...samples.startIndex + place]
    }

    /// The ordinal of the first draw of some of `samples`, a slice of it.
    package func firstDraw(of part: ArraySlice<Int32>) -> UInt64 { firstDraw + UInt64(place(of: part)) }

    /// The ordinals of the draws of some of `samples`, a slice of it.
    package func draws(of part: ArraySlice<Int32>) -> Range<UInt64> {
        let first = firstDraw(of: part)
        return first..<first + UInt64(part.count)
    }
}
