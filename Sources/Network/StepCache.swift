import Storage

/// What attention layers remember of the steps so far while a sequence is continued step by step: keys and values, of `samples`
/// sequences at once.
package final class StepCache {
    /// Positions that there is room for.
    package let positions: Int
    package let samples: Int
    /// How many positions are there, and which one comes next.
    package private(set) var count = 0
    private let numbers: AlignedBuffer<Float>

    /// - Parameter perPosition: `Network.cacheCount`.
    package init(samples: Int, positions: Int, perPosition: Int) {
        self.samples = samples
        self.positions = positions
        numbers = AlignedBuffer(count: samples * positions * perPosition)
    }

    /// Says that `steps` more positions are there.
    package func advance(by steps: Int) {
        precondition(count + steps <= positions, "\(steps) positions behind \(count) of \(positions)")
        count += steps
    }

    /// Forgets everything.
    package func clear() { count = 0 }

    /// The `columns` numbers per position of the layer whose part begins `offset` numbers per position in: a row for each position,
    /// sample behind sample.
    func matrix(offset: Int, columns: Int) -> MutableMatrixView {
        numbers.matrix(rows: samples * positions, columns: columns, offset: offset * samples * positions)
    }
}
