import Network
import Storage

/// Into which slices the last layer, the loss and the metrics are cut where all outputs of a micro-batch would take too much
/// memory, as those of a language model do: then a slice's outputs are computed, judged and run backward before the next
/// ones are computed. Leaves go on from slice to slice, so that it never shows in a result.
package struct HeadSlices {
    /// The layers in front of the last one.
    let body: Sequential
    /// The last one, for one row that is compared with targets: a position of a sample, or a sample.
    let head: Sequential
    /// Such rows per sample.
    let positions: Int
    /// The most such rows that are computed at once.
    package let rowsAtOnce: Int

    /// Nil where the outputs (in training also their gradients) fit `budget` bytes, or the last layer can't be cut.
    ///
    /// - Parameter samples: of a micro-batch.
    init?(_ judged: JudgedNetwork, samples: Int, training: Bool, budget: Int) {
        positions = judged.targets.positions
        let bytesPerSample = judged.network.outputShape.count * (training ? 2 : 1) * MemoryLayout<Float>.stride
        guard samples * bytesPerSample > budget, let (body, head) = judged.network.layers.splittingLast(into: positions) else {
            return nil
        }
        self.body = body
        self.head = head
        rowsAtOnce = max(1, min(samples * positions, budget / (bytesPerSample / positions)))
    }

    /// A slice: whole samples, or some positions of one.
    struct Slice: Equatable {
        let samples: Range<Int>
        /// Counted from the first sample's first position on.
        let rows: Range<Int>
    }

    /// Calls `body` with the slices of some samples, in order.
    func forEach(in samples: Range<Int>, _ body: (Slice) -> Void) {
        if rowsAtOnce >= positions {
            let count = rowsAtOnce / positions
            for first in stride(from: samples.lowerBound, to: samples.upperBound, by: count) {
                let part = first..<min(first + count, samples.upperBound)
                body(Slice(samples: part, rows: part.lowerBound * positions..<part.upperBound * positions))
            }
            return
        }
        for sample in samples {
            for first in stride(from: 0, to: positions, by: rowsAtOnce) {
                let rows = first..<min(first + rowsAtOnce, positions)
                body(
                    Slice(
                        samples: sample..<sample + 1,
                        rows: sample * positions + rows.lowerBound..<sample * positions + rows.upperBound))
            }
        }
    }
}
