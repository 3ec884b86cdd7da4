/// What a network should have answered, for the rows of a matrix of outputs: one class per row, or numbers.
package enum TargetView: Sendable {
    /// One class index per row.
    case classes(ClassView)
    /// Rows of numbers: regression targets, 0/1 labels, one-hot or soft class probabilities.
    case values(MatrixView)

    /// How many rows.
    package var rows: Int {
        switch self {
        case .classes(let classes): classes.count
        case .values(let values): values.rows
        }
    }

    /// A range of rows.
    package subscript(rows range: Range<Int>) -> TargetView {
        switch self {
        case .classes(let classes): .classes(classes[range])
        case .values(let values): .values(values[rows: range])
        }
    }
}

/// Class indices that somebody else owns, one per row.
package struct ClassView: @unchecked Sendable {
    // Sendable: a view is only read, and its owner outlives the call that it was made for.

    /// Invariant: `count` indices from here are readable while the owner lives.
    package let base: UnsafePointer<Int32>
    package let count: Int

    package init(base: UnsafePointer<Int32>, count: Int) {
        precondition(count >= 0, "\(count) classes")
        self.base = base
        self.count = count
    }

    package subscript(row: Int) -> Int {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return Int(base[row])
    }

    package subscript(range: Range<Int>) -> ClassView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
        return ClassView(base: base + range.lowerBound, count: range.count)
    }
}
