import Storage

/// Products that are sums of outer products: the two backward passes of a dense layer.
///
/// Each element is one chain of fused multiply-adds over the summed index in ascending order, whatever tile it falls
/// into. In the weight gradient the chain covers the rows of one leaf (micro-batch), and the leaves are added up along
/// the summation tree while the tile is still in registers, so that exactness costs nothing.
extension Workspace {
    /// The weight gradient: `gradient` = `outputGradient`ᵀ · `input`, summed over the tree of leaves of `leafRows` rows
    /// each (the last may be short). Shapes rows × outputs, rows × inputs, outputs × inputs.
    package func weightGradient(_ outputGradient: MatrixView, _ input: MatrixView, leafRows: Int,
                                into gradient: MutableMatrixView) {
        precondition(outputGradient.rows == input.rows && gradient.rows == outputGradient.columns
                         && gradient.columns == input.columns && leafRows > 0,
                     "the transpose of \(outputGradient.rows)×\(outputGradient.columns) times "
                         + "\(input.rows)×\(input.columns) into \(gradient.rows)×\(gradient.columns)")
        let panels = packed(rowsOfTranspose: outputGradient)
        parallel(gradient.columns, unit: 16) { thread, columns in
            outerProductTiles(panels, input, gradient, leafRows: leafRows, columns: columns, stack: stack(thread: thread))
        }
    }

    /// The input gradient: `gradient` = `outputGradient` · `weights`. Shapes rows × outputs, outputs × inputs,
    /// rows × inputs.
    package func inputGradient(_ outputGradient: MatrixView, _ weights: MatrixView, into gradient: MutableMatrixView) {
        precondition(outputGradient.columns == weights.rows && gradient.rows == outputGradient.rows
                         && gradient.columns == weights.columns,
                     "\(outputGradient.rows)×\(outputGradient.columns) times \(weights.rows)×\(weights.columns) into "
                         + "\(gradient.rows)×\(gradient.columns)")
        let panels = packed(rowsOf: outputGradient)
        parallel(gradient.columns, unit: 16) { thread, columns in
            outerProductTiles(panels, weights, gradient, leafRows: max(weights.rows, 1), columns: columns,
                              stack: stack(thread: thread))
        }
    }

    /// Panels of six rows of `matrix`, element k of the six side by side; zeros beyond the last row.
    private func packed(rowsOf matrix: MatrixView) -> UnsafePointer<Float> {
        let rows = matrix.rows, depth = matrix.columns
        let panels = packing(count: (rows + 5) / 6 * 6 * depth)
        for panel in 0..<(rows + 5) / 6 {
            let destination = panels + panel * 6 * depth
            for lane in 0..<6 {
                let row = panel * 6 + lane
                var target = destination + lane
                if row < rows {
                    let source = matrix.base + row * depth
                    for k in 0..<depth { target.pointee = source[k]; target += 6 }
                } else {
                    for _ in 0..<depth { target.pointee = 0; target += 6 }
                }
            }
        }
        return UnsafePointer(panels)
    }

    /// Panels of six columns of `matrix`, likewise.
    private func packed(rowsOfTranspose matrix: MatrixView) -> UnsafePointer<Float> {
        let columns = matrix.columns, depth = matrix.rows
        let panels = packing(count: (columns + 5) / 6 * 6 * depth)
        for panel in 0..<(columns + 5) / 6 {
            var target = panels + panel * 6 * depth
            let width = min(6, columns - panel * 6)
            var source = matrix.base + panel * 6
            for _ in 0..<depth {
                for lane in 0..<width { target[lane] = source[lane] }
                for lane in width..<6 { target[lane] = 0 }
                target += 6
                source += columns
            }
        }
        return UnsafePointer(panels)
    }
}

/// Six rows × 16 columns of sums in registers.
private struct Tile {
    var a0 = Vector(), b0 = Vector(), a1 = Vector(), b1 = Vector(), a2 = Vector(), b2 = Vector()
    var a3 = Vector(), b3 = Vector(), a4 = Vector(), b4 = Vector(), a5 = Vector(), b5 = Vector()

    @inline(__always)
    init() {}

    /// Adds `count` outer products of six packed numbers and 16 elements of a row; rows are `stride` apart.
    @inline(__always)
    mutating func accumulate(_ packed: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, stride: Int, count: Int) {
        var p = packed, x = rows
        for _ in 0..<count {
            accumulate(p, Vector.load(x), Vector.load(x + 8))
            p += 6
            x += stride
        }
    }

    /// Likewise for the last `width` (1 … 15) columns.
    @inline(__always)
    mutating func accumulate(_ packed: UnsafePointer<Float>, _ rows: UnsafePointer<Float>, stride: Int, count: Int,
                             width: Int) {
        var p = packed, x = rows
        for _ in 0..<count {
            let left = width >= 8 ? Vector.load(x) : Vector.load(x, count: width)
            let right = width > 8 ? Vector.load(x + 8, count: width - 8) : Vector()
            accumulate(p, left, right)
            p += 6
            x += stride
        }
    }

    @inline(__always)
    private mutating func accumulate(_ p: UnsafePointer<Float>, _ left: Vector, _ right: Vector) {
        var d = Vector(repeating: p[0]); a0 = a0.adding(d, times: left); b0 = b0.adding(d, times: right)
        d = Vector(repeating: p[1]); a1 = a1.adding(d, times: left); b1 = b1.adding(d, times: right)
        d = Vector(repeating: p[2]); a2 = a2.adding(d, times: left); b2 = b2.adding(d, times: right)
        d = Vector(repeating: p[3]); a3 = a3.adding(d, times: left); b3 = b3.adding(d, times: right)
        d = Vector(repeating: p[4]); a4 = a4.adding(d, times: left); b4 = b4.adding(d, times: right)
        d = Vector(repeating: p[5]); a5 = a5.adding(d, times: left); b5 = b5.adding(d, times: right)
    }

    /// Puts the tile on the stack, 96 elements.
    @inline(__always)
    func push(to stack: UnsafeMutablePointer<Float>) {
        a0.store(to: stack); b0.store(to: stack + 8); a1.store(to: stack + 16); b1.store(to: stack + 24)
        a2.store(to: stack + 32); b2.store(to: stack + 40); a3.store(to: stack + 48); b3.store(to: stack + 56)
        a4.store(to: stack + 64); b4.store(to: stack + 72); a5.store(to: stack + 80); b5.store(to: stack + 88)
    }

    /// left + self, the left node being on the stack.
    @inline(__always)
    mutating func addLeft(_ s: UnsafeMutablePointer<Float>) {
        a0 = .load(s) + a0; b0 = .load(s + 8) + b0; a1 = .load(s + 16) + a1; b1 = .load(s + 24) + b1
        a2 = .load(s + 32) + a2; b2 = .load(s + 40) + b2; a3 = .load(s + 48) + a3; b3 = .load(s + 56) + b3
        a4 = .load(s + 64) + a4; b4 = .load(s + 72) + b4; a5 = .load(s + 80) + a5; b5 = .load(s + 88) + b5
    }

    /// Writes the first `height` rows and `width` columns.
    @inline(__always)
    func store(to target: UnsafeMutablePointer<Float>, stride: Int, height: Int, width: Int) {
        storeRow(a0, b0, to: target, width: width)
        if height > 1 { storeRow(a1, b1, to: target + stride, width: width) }
        if height > 2 { storeRow(a2, b2, to: target + 2 * stride, width: width) }
        if height > 3 { storeRow(a3, b3, to: target + 3 * stride, width: width) }
        if height > 4 { storeRow(a4, b4, to: target + 4 * stride, width: width) }
        if height > 5 { storeRow(a5, b5, to: target + 5 * stride, width: width) }
    }

    @inline(__always)
    private func storeRow(_ left: Vector, _ right: Vector, to target: UnsafeMutablePointer<Float>, width: Int) {
        if width == 16 {
            left.store(to: target)
            right.store(to: target + 8)
            return
        }
        if width >= 8 { left.store(to: target) } else { left.store(to: target, count: width) }
        if width > 8 { right.store(to: target + 8, count: width - 8) }
    }
}

/// The columns of `result` in strips of 16: a strip of `rows` stays in cache while all panels pass.
private func outerProductTiles(_ panels: UnsafePointer<Float>, _ rows: MatrixView, _ result: MutableMatrixView,
                               leafRows: Int, columns: Range<Int>, stack: UnsafeMutablePointer<Float>) {
    let depth = rows.rows, stride = rows.columns
    var column = columns.lowerBound
    while column < columns.upperBound {
        let width = min(16, columns.upperBound - column)
        let strip = rows.base + column
        var panel = 0
        while panel * 6 < result.rows {
            let packed = panels + panel * 6 * depth
            var tile = Tile()
            if depth <= leafRows {
                if width == 16 { tile.accumulate(packed, strip, stride: stride, count: depth) }
                else { tile.accumulate(packed, strip, stride: stride, count: depth, width: width) }
            } else {
                sumLeaves(into: &tile, packed, strip, stride: stride, depth: depth, leafRows: leafRows, width: width, stack)
            }
            // Invariant: rows 6·panel … and columns column ..< column+width lie inside the result.
            tile.store(to: result.base + panel * 6 * stride + column, stride: stride,
                       height: min(6, result.rows - panel * 6), width: width)
            panel += 1
        }
        column += 16
    }
}

/// The leaves one after the other, partial sums of the tree kept on `stack` as a binary counter: after leaf n, the set
/// bits of n are the complete subtrees that wait for their right sibling.
@inline(__always)
private func sumLeaves(into tile: inout Tile, _ packed: UnsafePointer<Float>, _ strip: UnsafePointer<Float>, stride: Int,
                       depth: Int, leafRows: Int, width: Int, _ stack: UnsafeMutablePointer<Float>) {
    var waiting = 0, level = 0, first = 0
    while true {
        let count = min(leafRows, depth - first)
        tile = Tile()
        if width == 16 { tile.accumulate(packed + first * 6, strip + first * stride, stride: stride, count: count) }
        else { tile.accumulate(packed + first * 6, strip + first * stride, stride: stride, count: count, width: width) }
        first += count
        waiting += 1
        var merged = waiting
        let isLast = first >= depth
        while level > 0, isLast || merged & 1 == 0 {
            level -= 1
            tile.addLeft(stack + level * 96)
            merged >>= 1
        }
        if isLast { return }
        tile.push(to: stack + level * 96)
        level += 1
    }
}
