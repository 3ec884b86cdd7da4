import Storage

extension Workspace {
    /// The bias gradient: `sums` = the sums of the columns of `matrix`, rows of a leaf in order, leaves along the tree.
    ///
    /// - Parameter continues: whether the rows go on with the leaf whose first rows are summed in `sums` already.
    package func columnSums(_ matrix: MatrixView, leafRows: Int, continues: Bool = false, into sums: MutableMatrixView) {
        precondition(sums.count == matrix.columns && leafRows > 0, "\(matrix.columns) columns into \(sums.count) sums")
        precondition(!continues || matrix.rows <= leafRows, "\(matrix.rows) rows that go on with a leaf of \(leafRows)")
        let levels = SummationTree(rows: matrix.rows, leafRows: leafRows).stackHeight
        let stack = stack(count: levels * FourVectors.count)
        var column = 0
        // 32 columns at once where there are so many: four chains of additions that don't wait for each other.
        while column < matrix.columns & ~31 {
            let source = matrix.base + column
            @inline(__always) func row(_ row: Int) -> FourVectors { .load(source + row * matrix.stride) }
            let start = continues ? FourVectors.load(sums.base + column) : nil
            leafTreeSum(rows: matrix.rows, leafRows: leafRows, from: start, stack: stack, row).store(to: sums.base + column)
            column += 32
        }
        while column < matrix.columns {
            let source = matrix.base + column
            let width = matrix.columns - column
            @inline(__always) func row(_ row: Int) -> Vector { .load(source + row * matrix.stride, count: width) }
            let start = continues ? Vector.load(sums.base + column, count: width) : nil
            leafTreeSum(rows: matrix.rows, leafRows: leafRows, from: start, stack: stack, row)
                .store(to: sums.base + column, count: width)
            column += 8
        }
    }
}

/// What `leafTreeSum` adds: some neighbouring columns.
private protocol Columns {
    static var count: Int { get }
    init()
    static func load(_ pointer: UnsafePointer<Float>) -> Self
    func store(to pointer: UnsafeMutablePointer<Float>)
    static func + (left: Self, right: Self) -> Self
}

extension Vector: Columns {
    fileprivate static var count: Int { 8 }
}

private struct FourVectors: Columns {
    var a = Vector(), b = Vector(), c = Vector(), d = Vector()

    static var count: Int { 32 }

    @inline(__always)
    static func load(_ pointer: UnsafePointer<Float>) -> FourVectors {
        FourVectors(a: .load(pointer), b: .load(pointer + 8), c: .load(pointer + 16), d: .load(pointer + 24))
    }

    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>) {
        a.store(to: pointer)
        b.store(to: pointer + 8)
        c.store(to: pointer + 16)
        d.store(to: pointer + 24)
    }

    @inline(__always)
    static func + (left: FourVectors, right: FourVectors) -> FourVectors {
        FourVectors(a: left.a + right.a, b: left.b + right.b, c: left.c + right.c, d: left.d + right.d)
    }
}

/// The sum of one value per row, rows of a leaf in order, leaves along the tree; with `start` it goes on with the first leaf,
/// of which that is the sum so far. `stack` has room for a value per level of
/// the tree. `value` is marked @inline(__always), as for `mapVectors`.
@inline(__always)
private func leafTreeSum<Value: Columns>(
    rows: Int, leafRows: Int, from start: Value?, stack: Workspace.Room,
    _ value: (Int) -> Value
) -> Value {
    var level = 0
    var leaf = 0
    var first = 0
    var sum = start ?? Value()
    while first < rows {
        let end = min(first + leafRows, rows)
        sum = first == 0 ? start.map { $0 + value(0) } ?? value(0) : value(first)
        var row = first + 1
        while row < end {
            sum = sum + value(row)
            row &+= 1
        }
        leaf += 1
        var merged = leaf
        while level > 0, end == rows || merged & 1 == 0 {
            level -= 1
            sum = Value.load(stack.base + level * Value.count) + sum
            merged >>= 1
        }
        precondition((level + 1) * Value.count <= stack.count, "\(level + 1) sums on a stack of \(stack.count) numbers")
        sum.store(to: stack.base + level * Value.count)
        level += 1
        first = end
    }
    return sum
}

/// The sum of the squares of one block of the flat buffer in Double, in a fixed order: sixteen lanes, added as lane l +
/// lane l+8, then halves of halves; fewer than sixteen elements at the end follow one by one.
package func sumOfSquares(_ block: MatrixView) -> Double {
    var sum = SquareSum()
    let whole = block.count & ~15
    var index = 0
    while index < whole {
        sum.add(.load(block.base + index), .load(block.base + index + 8))
        index &+= 16
    }
    return sum.total(rest: UnsafeBufferPointer(start: block.base + whole, count: block.count - whole))
}

/// The sixteen lanes of a sum of squares.
struct SquareSum {
    // Four chains of four lanes: one alone would wait for its own additions.
    private var a = SIMD4<Double>(), b = SIMD4<Double>(), c = SIMD4<Double>(), d = SIMD4<Double>()

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func add(_ first: Vector, _ second: Vector) {
        let x0 = SIMD4<Double>(first.lowHalf)
        let x1 = SIMD4<Double>(first.highHalf)
        let x2 = SIMD4<Double>(second.lowHalf)
        let x3 = SIMD4<Double>(second.highHalf)
        // The square of a Float is exact in a Double: fused or not, only the sum is rounded.
        a = a.addingProduct(x0, x0)
        b = b.addingProduct(x1, x1)
        c = c.addingProduct(x2, x2)
        d = d.addingProduct(x3, x3)
    }

    /// The lanes added up, and behind them the fewer than sixteen elements that are left.
    @inline(__always)
    func total(rest: UnsafeBufferPointer<Float>) -> Double {
        let four = (a + c) + (b + d)
        let two = four.lowHalf + four.highHalf
        var sum = two.x + two.y
        for element in rest {
            let x = Double(element)
            sum += x * x
        }
        return sum
    }
}

/// The sum of one Double per row: rows of a leaf in order, leaves along the tree.
package func leafTreeSum(_ rows: UnsafeBufferPointer<Double>, leafRows: Int) -> Double {
    precondition(leafRows > 0, "leaves of \(leafRows) rows")
    return SummationTree(rows: rows.count, leafRows: leafRows).sum { leaf in
        var sum = 0.0
        for row in leaf * leafRows..<min((leaf + 1) * leafRows, rows.count) { sum += rows[row] }
        return sum
    }
}
