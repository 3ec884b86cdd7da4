import Storage

extension Workspace {
    /// The bias gradient of a convolution: `sums` = for each of `channels` channels the sum of its positions, rows of a leaf in
    /// order, leaves along the tree. A row's positions are added in Double, in a fixed order, and rounded once.
    ///
    /// - Parameter continues: whether the rows go on with the leaf whose first rows are summed in `sums` already.
    package func channelSums(
        _ matrix: MatrixView, channels: Int, leafRows: Int, continues: Bool = false, into sums: MutableMatrixView
    ) {
        let area = matrix.columns / channels
        precondition(
            channels * area == matrix.columns && sums.count == channels,
            "\(matrix.columns) columns in \(channels) channels into \(sums.count) sums")
        let each = packing(count: matrix.rows * channels)
        parallel(matrix.rows) { _, rows in
            for row in rows {
                for channel in 0..<channels {
                    each.base[row * channels + channel] = Float(
                        planeTotal(matrix.base + (row * matrix.stride + channel * area), count: area))
                }
            }
        }
        columnSums(
            MatrixView(base: each.base, rows: matrix.rows, columns: channels), leafRows: leafRows, continues: continues,
            into: sums)
    }
}

/// The sum of a run of numbers, in Double in sixteen lanes that are added up in one fixed order.
@inline(never)
func planeTotal(_ x: UnsafePointer<Float>, count: Int) -> Double {
    var even = DoubleLanes()
    var odd = DoubleLanes()
    var index = 0
    while index &+ 16 <= count {
        even.add(.load(x + index))
        odd.add(.load(x + index + 8))
        index &+= 16
    }
    if index < count {
        even.add(.load(x + index, count: count &- index))
        if index &+ 8 < count { odd.add(.load(x + index + 8, count: count &- index &- 8)) }
    }
    return even.total + odd.total
}
