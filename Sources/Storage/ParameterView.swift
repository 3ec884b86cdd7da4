/// A flat parameter buffer (weights) that somebody else owns, to be read slot by slot.
package struct ParameterView: @unchecked Sendable {
    // Sendable: a view is only read, and its owner outlives the call that it was made for.

    /// Invariant: `count` elements from here are readable while the owner lives.
    package let base: UnsafePointer<Float>
    package let count: Int

    package init(base: UnsafePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }

    /// The slot's numbers as rows of `columns`; by default one row.
    package func matrix(_ slot: ParameterSlot, columns: Int? = nil) -> MatrixView {
        let columns = columns ?? slot.shape.count
        precondition(slot.range.upperBound <= count, "\(slot.name) ends at \(slot.range.upperBound) of \(count)")
        return MatrixView(base: base + slot.offset, rows: columns == 0 ? 0 : slot.shape.count / columns, columns: columns)
    }

    /// A range of the flat buffer as one row.
    package subscript(range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        return MatrixView(base: base + range.lowerBound, rows: 1, columns: range.count)
    }
}

/// A flat parameter buffer (weights, gradients, optimizer state) that somebody else owns, to be written.
package struct MutableParameterView: @unchecked Sendable {
    // Sendable: the parts that several threads or ranks write are disjoint slices.

    /// Invariant: `count` elements from here are writable while the owner lives.
    package let base: UnsafeMutablePointer<Float>
    package let count: Int
    /// As `MutableMatrixView.kept`.
    package let kept: Range<Int>

    package init(base: UnsafeMutablePointer<Float>, count: Int, kept: Range<Int> = 0..<Int.max) {
        self.base = base
        self.count = count
        self.kept = kept
    }

    /// The same buffer, to be read.
    package var readOnly: ParameterView { ParameterView(base: base, count: count) }

    /// The slot's numbers as rows of `columns`; by default one row.
    package func matrix(_ slot: ParameterSlot, columns: Int? = nil) -> MutableMatrixView {
        let columns = columns ?? slot.shape.count
        precondition(slot.range.upperBound <= count, "\(slot.name) ends at \(slot.range.upperBound) of \(count)")
        return MutableMatrixView(base: base + slot.offset, rows: columns == 0 ? 0 : slot.shape.count / columns,
                                 columns: columns, kept: kept.shifted(by: -slot.offset))
    }

    /// A range of the flat buffer as one row.
    package subscript(range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        return MutableMatrixView(base: base + range.lowerBound, rows: 1, columns: range.count,
                                 kept: kept.shifted(by: -range.lowerBound))
    }
}

extension AlignedBuffer where Element == Float {
    /// The whole buffer as parameters.
    package var parameters: MutableParameterView { MutableParameterView(base: base, count: count) }
}
