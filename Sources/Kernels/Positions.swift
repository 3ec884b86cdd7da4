import Storage

extension Workspace {
    /// Every row of `output` = that of `input` + `row`.
    package func addRow(_ row: MatrixView, to input: MatrixView, into output: MutableMatrixView) {
        precondition(
            row.rows == 1 && row.columns == input.columns && output.readOnly.hasShape(of: input),
            "\(row.rows)×\(row.columns) to \(input.rows)×\(input.columns)")
        parallel(input.rows) { _, rows in
            for index in rows {
                let x = input.base + index * input.stride
                let y = output.base + index * output.stride
                eachVector(input.columns) { column, count in
                    (Vector.load(x + column, count: count) + .load(row.base + column, count: count))
                        .store(to: y + column, count: count)
                }
            }
        }
    }

    /// Turns the pairs of each head's numbers, i and i + `width`/2, by the angle of the row's position and the pair (Su et al.,
    /// arXiv:2104.09864, with the pairs of GPT-NeoX and Llama), in place.
    ///
    /// - Parameters:
    ///   - positions: rows of a sample; the first of them stands at position `first`.
    ///   - cosines, sines: of the angles, a row of `width`/2 for each position.
    ///   - isBack: turns the other way, which is what gradients need.
    package func rotate(
        _ matrix: MutableMatrixView, positions: Int, first: Int = 0, width: Int, cosines: MatrixView, sines: MatrixView,
        isBack: Bool
    ) {
        let half = width / 2
        precondition(
            width == 2 * half && matrix.columns % width == 0 && cosines.columns == half && sines.columns == half
                && cosines.rows >= first + positions && sines.rows == cosines.rows,
            "heads of \(width) in \(matrix.columns) columns at \(first + positions) of \(cosines.rows) positions")
        let sign: Float = isBack ? -1 : 1
        parallel(matrix.rows) { _, rows in
            for index in rows {
                let position = first + index % positions
                let c = cosines.base + position * cosines.stride
                let s = sines.base + position * sines.stride
                for head in stride(from: 0, to: matrix.columns, by: width) {
                    let low = matrix.base + (index * matrix.stride + head)
                    rotateHead(low, low + half, c, s, sign: sign, count: half)
                }
            }
        }
    }
}

@inline(never)
private func rotateHead(
    _ low: UnsafeMutablePointer<Float>, _ high: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
    _ sines: UnsafePointer<Float>, sign: Float, count: Int
) {
    eachVector(count) { index, rest in
        let a = Vector.load(UnsafePointer(low) + index, count: rest)
        let b = Vector.load(UnsafePointer(high) + index, count: rest)
        let c = Vector.load(cosines + index, count: rest)
        let s = Vector.load(sines + index, count: rest) * sign
        (a * c - b * s).store(to: low + index, count: rest)
        (b * c + a * s).store(to: high + index, count: rest)
    }
}
