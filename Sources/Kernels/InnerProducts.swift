import Storage

/// Products whose two operands both run along the summed dimension: the forward pass of a dense layer.
///
/// Each element is summed in one fixed way: eight lanes, lane l a chain of fused multiply-adds over k = l, l+8, l+16, …
/// (zeros fill the last vector), then `Vector.horizontalSum`, then the bias. The tile that an element falls into, the
/// number of rows and the thread don't enter, so a row's result doesn't depend on what it is multiplied with.
extension Workspace {
    /// `output` = `input` · `weights`ᵀ + `bias`; shapes rows × k, columns × k, 1 × columns and rows × columns.
    package func innerProducts(_ input: MatrixView, _ weights: MatrixView, bias: MatrixView?,
                               into output: MutableMatrixView) {
        precondition(input.columns == weights.columns && output.rows == input.rows && output.columns == weights.rows,
                     "\(input.rows)×\(input.columns) times the transpose of \(weights.rows)×\(weights.columns) into "
                         + "\(output.rows)×\(output.columns)")
        precondition(bias?.count ?? weights.rows == weights.rows, "\(bias?.count ?? 0) biases for \(weights.rows) units")
        parallel(weights.rows, unit: 3) { _, units in
            innerProductTiles(input, weights, bias?.base, output, units: units)
        }
    }
}

/// The columns `units` of the output, in tiles of 4 rows × 3 columns; three weight rows stay in the first-level cache
/// while all input rows pass.
private func innerProductTiles(_ input: MatrixView, _ weights: MatrixView, _ bias: UnsafePointer<Float>?,
                               _ output: MutableMatrixView, units: Range<Int>) {
    let depth = input.columns
    var unit = units.lowerBound
    while unit < units.upperBound {
        let width = min(3, units.upperBound - unit)
        // Beyond the edge the tile reads its first row again and drops the result.
        let w0 = weights.base + unit * depth
        let w1 = width > 1 ? w0 + depth : w0, w2 = width > 2 ? w0 + 2 * depth : w0
        var row = 0
        while row < input.rows {
            let height = min(4, input.rows - row)
            let x0 = input.base + row * depth
            let x1 = height > 1 ? x0 + depth : x0, x2 = height > 2 ? x0 + 2 * depth : x0
            let x3 = height > 3 ? x0 + 3 * depth : x0
            var c00 = Vector(), c01 = Vector(), c02 = Vector(), c10 = Vector(), c11 = Vector(), c12 = Vector()
            var c20 = Vector(), c21 = Vector(), c22 = Vector(), c30 = Vector(), c31 = Vector(), c32 = Vector()
            let whole = depth & ~7
            var k = 0
            while k < whole {
                let a = Vector.load(w0 + k), b = Vector.load(w1 + k), c = Vector.load(w2 + k)
                var x = Vector.load(x0 + k)
                c00 = c00.adding(x, times: a); c01 = c01.adding(x, times: b); c02 = c02.adding(x, times: c)
                x = .load(x1 + k)
                c10 = c10.adding(x, times: a); c11 = c11.adding(x, times: b); c12 = c12.adding(x, times: c)
                x = .load(x2 + k)
                c20 = c20.adding(x, times: a); c21 = c21.adding(x, times: b); c22 = c22.adding(x, times: c)
                x = .load(x3 + k)
                c30 = c30.adding(x, times: a); c31 = c31.adding(x, times: b); c32 = c32.adding(x, times: c)
                k &+= 8
            }
            if k < depth {
                let rest = depth - k
                let a = Vector.load(w0 + k, count: rest), b = Vector.load(w1 + k, count: rest)
                let c = Vector.load(w2 + k, count: rest)
                var x = Vector.load(x0 + k, count: rest)
                c00 = c00.adding(x, times: a); c01 = c01.adding(x, times: b); c02 = c02.adding(x, times: c)
                x = .load(x1 + k, count: rest)
                c10 = c10.adding(x, times: a); c11 = c11.adding(x, times: b); c12 = c12.adding(x, times: c)
                x = .load(x2 + k, count: rest)
                c20 = c20.adding(x, times: a); c21 = c21.adding(x, times: b); c22 = c22.adding(x, times: c)
                x = .load(x3 + k, count: rest)
                c30 = c30.adding(x, times: a); c31 = c31.adding(x, times: b); c32 = c32.adding(x, times: c)
            }
            // Invariant: rows row ..< row+height and columns unit ..< unit+width lie inside the output.
            let target = output.base + row * output.columns + unit
            let b0 = bias?[unit] ?? 0, b1 = width > 1 ? bias?[unit + 1] ?? 0 : 0, b2 = width > 2 ? bias?[unit + 2] ?? 0 : 0
            storeSums(c00, c01, c02, b0, b1, b2, to: target, width: width)
            if height > 1 { storeSums(c10, c11, c12, b0, b1, b2, to: target + output.columns, width: width) }
            if height > 2 { storeSums(c20, c21, c22, b0, b1, b2, to: target + 2 * output.columns, width: width) }
            if height > 3 { storeSums(c30, c31, c32, b0, b1, b2, to: target + 3 * output.columns, width: width) }
            row += 4
        }
        unit += 3
    }
}

@inline(__always)
private func storeSums(_ c0: Vector, _ c1: Vector, _ c2: Vector, _ b0: Float, _ b1: Float, _ b2: Float,
                       to target: UnsafeMutablePointer<Float>, width: Int) {
    target[0] = c0.horizontalSum + b0
    if width > 1 { target[1] = c1.horizontalSum + b1 }
    if width > 2 { target[2] = c2.horizontalSum + b2 }
}
