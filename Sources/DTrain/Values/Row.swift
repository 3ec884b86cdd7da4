import Storage

/// The numbers of a sample, or of a row of a parameter, to be read. dtrain owns them: a row is used during the call that it was handed to
/// and not kept. Places outside of it trap.
public struct Row: RandomAccessCollection {
    @usableFromInline let base: UnsafePointer<Float>
    /// How many numbers.
    public let count: Int

    @usableFromInline init(base: UnsafePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }

    /// 0.
    @inlinable public var startIndex: Int { 0 }
    /// The count.
    @inlinable public var endIndex: Int { count }

    /// One of its numbers.
    @inlinable public subscript(place: Int) -> Float {
        precondition(place >= 0 && place < count, "number \(place) of \(count)")
        return base[place]
    }

    /// The same numbers without a check of each place in a release build, for loops that have to be fast.
    @inlinable public var unchecked: UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: base, count: count) }
}

/// The numbers of a sample, or of a row of a parameter, to be written; otherwise as ``Row``.
public struct MutableRow: RandomAccessCollection {
    @usableFromInline let base: UnsafeMutablePointer<Float>
    /// How many numbers.
    public let count: Int

    @usableFromInline init(base: UnsafeMutablePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }

    /// 0.
    @inlinable public var startIndex: Int { 0 }
    /// The count.
    @inlinable public var endIndex: Int { count }

    /// One of its numbers.
    @inlinable public subscript(place: Int) -> Float {
        get {
            precondition(place >= 0 && place < count, "number \(place) of \(count)")
            return base[place]
        }
        nonmutating set {
            precondition(place >= 0 && place < count, "number \(place) of \(count)")
            base[place] = newValue
        }
    }

    /// The same numbers without a check of each place in a release build, for loops that have to be fast.
    @inlinable public var unchecked: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: base, count: count) }
}

/// Rows of numbers, a sample each, or those of a parameter, to be read during the call that they were handed to.
public struct Rows: RandomAccessCollection {
    @usableFromInline let base: UnsafePointer<Float>
    /// How many rows.
    public let count: Int
    /// How many numbers a row has.
    public let width: Int
    /// How far a row begins behind the one before it.
    @usableFromInline let stride: Int

    init(_ matrix: MatrixView) {
        base = matrix.base
        count = matrix.rows
        width = matrix.columns
        stride = matrix.stride
    }

    /// 0.
    @inlinable public var startIndex: Int { 0 }
    /// The count.
    @inlinable public var endIndex: Int { count }

    /// One row.
    @inlinable public subscript(row: Int) -> Row {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return Row(base: base + row * stride, count: width)
    }

    var matrix: MatrixView { MatrixView(base: base, rows: count, columns: width, stride: stride) }
}

/// Rows of numbers to be written; otherwise as ``Rows``.
public struct MutableRows: RandomAccessCollection {
    @usableFromInline let base: UnsafeMutablePointer<Float>
    /// How many rows.
    public let count: Int
    /// How many numbers a row has.
    public let width: Int
    /// How far a row begins behind the one before it.
    @usableFromInline let stride: Int

    init(_ matrix: MutableMatrixView) {
        base = matrix.base
        count = matrix.rows
        width = matrix.columns
        stride = matrix.stride
    }

    /// 0.
    @inlinable public var startIndex: Int { 0 }
    /// The count.
    @inlinable public var endIndex: Int { count }

    /// One row.
    @inlinable public subscript(row: Int) -> MutableRow {
        precondition(row >= 0 && row < count, "row \(row) of \(count)")
        return MutableRow(base: base + row * stride, count: width)
    }

    /// The same rows, to be read.
    public var readOnly: Rows { Rows(matrix.readOnly) }

    var matrix: MutableMatrixView { MutableMatrixView(base: base, rows: count, columns: width, stride: stride) }
}
