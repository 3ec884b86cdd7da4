import Storage

extension Workspace {
    /// The bias gradient: `sums` = the sums of the columns of `matrix`, rows of a leaf in order, leaves along the tree.
    package func columnSums(_ matrix: MatrixView, leafRows: Int, into sums: MutableMatrixView) {
        precondition(sums.count == matrix.columns && leafRows > 0, "\(matrix.columns) columns into \(sums.count) sums")
        let stack = stack(thread: 0)
        var column = 0
        while column < matrix.columns {
            let width = min(8, matrix.columns - column)
            let sum = leafTreeSum(rows: matrix.rows, leafRows: leafRows, stack: stack) { row in
                let source = matrix.base + row * matrix.columns + column
                return width == 8 ? .load(source) : .load(source, count: width)
            }
            if width == 8 { sum.store(to: sums.base + column) } else { sum.store(to: sums.base + column, count: width) }
            column += 8
        }
    }
}

/// The sum of one vector per row, rows of a leaf in order, leaves along the tree. `stack` has room for 64 vectors.
@inline(__always)
private func leafTreeSum(rows: Int, leafRows: Int, stack: UnsafeMutablePointer<Float>, _ value: (Int) -> Vector) -> Vector {
    var level = 0, leaf = 0, first = 0
    var sum = Vector()
    while first < rows {
        let end = min(first + leafRows, rows)
        sum = value(first)
        for row in first + 1..<max(end, first + 1) { sum += value(row) }
        leaf += 1
        var merged = leaf
        while level > 0, end == rows || merged & 1 == 0 {
            level -= 1
            sum = Vector.load(stack + level * 8) + sum
            merged >>= 1
        }
        sum.store(to: stack + level * 8)
        level += 1
        first = end
    }
    return sum
}

/// The sum of the squares of one block of the flat buffer in Double, in a fixed order: four lanes, then 0+2, 1+3, sum.
package func sumOfSquares(_ block: MatrixView) -> Double {
    var sums = SIMD4<Double>()
    let whole = block.count & ~3
    var index = 0
    while index < whole {
        let four = UnsafeRawPointer(block.base + index).loadUnaligned(as: SIMD4<Float>.self)
        let wide = SIMD4<Double>(four)
        sums = sums.addingProduct(wide, wide)
        index &+= 4
    }
    var rest = 0.0
    while index < block.count {
        rest = rest.addingProduct(Double(block.base[index]), Double(block.base[index]))
        index += 1
    }
    let two = sums.lowHalf + sums.highHalf
    return two.x + two.y + rest
}

/// The sum of one Double per row: rows of a leaf in order, leaves along the tree.
package func leafTreeSum(_ rows: UnsafeBufferPointer<Double>, leafRows: Int) -> Double {
    precondition(leafRows > 0, "leaves of \(leafRows) rows")
    return SummationTree(leafCount: (rows.count + leafRows - 1) / leafRows).sum { leaf in
        var sum = 0.0
        for row in leaf * leafRows..<min((leaf + 1) * leafRows, rows.count) { sum += rows[row] }
        return sum
    }
}

/// A 64-bit digest of the bits of all elements, at the speed of memory: eight lanes of FNV-1a (Fowler, Noll and Vo),
/// folded. To notice a difference, not to prove equality.
package func weightDigest(_ weights: MatrixView) -> UInt64 {
    var lanes = SIMD8<UInt32>(repeating: 0x811C_9DC5)
    let whole = weights.count & ~7
    var index = 0
    while index < whole {
        lanes = (lanes ^ SIMD8<UInt32>(bitPattern: Vector.load(weights.base + index))) &* 0x0100_0193
        index &+= 8
    }
    if index < weights.count {
        lanes = (lanes ^ SIMD8<UInt32>(bitPattern: Vector.load(weights.base + index, count: weights.count - index)))
            &* 0x0100_0193
    }
    return lanes.indices.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64(lanes[$1])) &* 0x0000_0100_0000_01B3 }
}
