/// Rows of Float32 that somebody else owns, to be read. Row-major; rows lie one behind the other unless `stride` says that
/// they are farther apart, as those of some columns of a larger matrix are.
///
/// Views are short-lived: they are made from an owner's memory for the length of a call.
package struct MatrixView: @unchecked Sendable {
    // Sendable: a view is only read, and its owner outlives the call that it was made for.

    /// The first element. Invariant: `columns` elements from each `base + row × stride` are readable while the owner lives.
    package let base: UnsafePointer<Float>
    package let rows: Int
    package let columns: Int
    /// How far a row begins behind the one before it, in elements; `columns` or more.
    package let stride: Int

    package init(base: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
        precondition(rows >= 0 && columns >= 0 && self.stride >= columns, "a view of \(rows)×\(columns), \(self.stride) apart")
    }

    /// Whether all elements lie one behind the other.
    package var isContiguous: Bool { stride == columns || rows <= 1 }

    /// How many numbers it shows, one behind the other: who takes them as one row asks for their number, and rows that lie
    /// apart have none.
    package var count: Int {
        precondition(isContiguous, "\(rows)×\(columns) numbers, \(stride) apart, as one row")
        return rows * columns
    }

    /// Whether it has the rows and columns of another.
    package func hasShape(of other: MatrixView) -> Bool { rows == other.rows && columns == other.columns }

    /// One row.
    package func row(_ row: Int) -> UnsafeBufferPointer<Float> {
        precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
        return UnsafeBufferPointer(start: base + row * stride, count: columns)
    }

    /// A range of rows.
    package subscript(rows range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        return MatrixView(base: base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// A range of the columns.
    package subscript(columns range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(rows)×\(columns)")
        return MatrixView(base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// The same numbers as rows of another length.
    package func reshaped(rows newRows: Int, columns newColumns: Int) -> MatrixView {
        precondition(newRows * newColumns == count, "\(rows)×\(columns) as \(newRows)×\(newColumns)")
        return MatrixView(base: base, rows: newRows, columns: newColumns)
    }
}

/// Rows of Float32 that somebody else owns, to be written. Row-major, rows one behind the other or `stride` apart.
package struct MutableMatrixView: @unchecked Sendable {
    // Sendable: kernels hand disjoint tiles to their threads; nobody else holds the view during the call.

    /// The first element. Invariant: `columns` elements from each `base + row × stride` are writable while the owner lives.
    package let base: UnsafeMutablePointer<Float>
    package let rows: Int
    package let columns: Int
    /// How far a row begins behind the one before it, in elements; `columns` or more.
    package let stride: Int
    /// The elements, counted from the first one, that this core reads again soon. What lies outside, other cores read
    /// next: who writes whole cache lines there should write them past the caches, and `Processor.finishStreaming` comes
    /// before the others are told. A hint, the results are the same; by default everything is cached.
    package let cached: Range<Int>

    package init(
        base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil, cached: Range<Int> = 0..<Int.max
    ) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
        self.cached = cached
        precondition(rows >= 0 && columns >= 0 && self.stride >= columns, "a view of \(rows)×\(columns), \(self.stride) apart")
    }

    /// How many numbers it shows; only of rows that lie one behind the other.
    package var count: Int { readOnly.count }

    /// The same rows, to be read.
    package var readOnly: MatrixView { MatrixView(base: base, rows: rows, columns: columns, stride: stride) }

    /// One row.
    package func row(_ row: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
        return UnsafeMutableBufferPointer(start: base + row * stride, count: columns)
    }

    /// A range of rows.
    package subscript(rows range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        return MutableMatrixView(
            base: base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride,
            cached: cached.shifted(by: -range.lowerBound * stride))
    }

    /// A range of the columns.
    package subscript(columns range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(rows)×\(columns)")
        return MutableMatrixView(
            base: base + range.lowerBound, rows: rows, columns: range.count, stride: stride,
            cached: cached.shifted(by: -range.lowerBound))
    }

    /// Whether `elements` should be written past the caches, which needs stores of `bytes` bytes at multiples of that.
    package func streams(_ elements: Range<Int>, by bytes: Int) -> Bool {
        !cached.overlaps(elements) && Int(bitPattern: base + elements.lowerBound) % bytes == 0
    }

    /// Every element becomes `value`.
    package func fill(_ value: Float) { base.update(repeating: value, count: count) }

    /// Takes the elements of `source`, which has the same count.
    package func copy(from source: MatrixView) {
        precondition(source.count == count, "\(source.rows)×\(source.columns) into \(rows)×\(columns)")
        base.update(from: source.base, count: count)
    }
}

extension MutableMatrixView {
    /// All elements in order.
    package var elements: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: base, count: count) }
}

extension MutableMatrixView {
    /// The same numbers as rows of another length.
    package func reshaped(rows newRows: Int, columns newColumns: Int) -> MutableMatrixView {
        precondition(newRows * newColumns == count, "\(rows)×\(columns) as \(newRows)×\(newColumns)")
        return MutableMatrixView(base: base, rows: newRows, columns: newColumns, cached: cached)
    }
}

extension Range<Int> {
    /// What of it is not below 0 after `distance` was added; an end that is no end stays none.
    package func shifted(by distance: Int) -> Range<Int> {
        let end = upperBound == .max ? Int.max : Swift.max(0, upperBound + distance)
        return Swift.max(0, Swift.min(lowerBound + distance, end))..<end
    }
}
