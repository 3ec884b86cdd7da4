/// How many steps of the sequence in each row are its own; those behind are padding. A view: whoever made it keeps the memory.
package struct SequenceLengths: @unchecked Sendable {
    // Sendable: nobody writes while a view is in use.

    /// Invariant: `count` numbers from here live as long as the view is used.
    private let base: UnsafePointer<Int32>
    package let count: Int

    package init(_ lengths: UnsafeBufferPointer<Int32>) {
        guard let base = lengths.baseAddress else { preconditionFailure("lengths of no rows") }
        self.base = base
        count = lengths.count
    }

    /// Those of a range of rows.
    package subscript(rows range: Range<Int>) -> SequenceLengths {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count) lengths")
        return SequenceLengths(UnsafeBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    package subscript(row: Int) -> Int {
        precondition(row >= 0 && row < count, "row \(row) of \(count) lengths")
        return Int(base[row])
    }
}
