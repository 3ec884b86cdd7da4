// Products with a right operand that is packed once and used many times, such as the weights of a recurrence: one step's rows
// come after the other's.

/// Products that are summed at a time: so many rows of a strip, and the left operand's numbers that go with them, fit the
/// first-level cache.
private func mostDepth(rows: Int) -> Int { max(48, min(256, 5120 / max(rows, 1))) }

/// Columns that `rowProductTiles` writes for `columns` columns: whole vectors.
package func wholeColumns(_ columns: Int) -> Int { (columns + laneCount - 1) / laneCount * laneCount }

/// How far strips of the right operand are from each other.
package func stripStride(depth: Int) -> Int { panelStride(depth: depth, width: tileWidth) }

/// Numbers that strips of a right operand take.
package func stripCount(depth: Int, columns: Int) -> Int {
    (columns + tileWidth - 1) / tileWidth * stripStride(depth: depth) + laneCount
}

/// Strips of `tileWidth` columns each for `rowProductTiles`, zeros beyond the last column.
package func packColumnStrips(
    _ source: UnsafePointer<Float>, depth: Int, columns: Int, stride: Int, into strips: UnsafeMutableBufferPointer<Float>
) {
    guard var strip = strips.baseAddress, stripCount(depth: depth, columns: columns) <= strips.count else {
        preconditionFailure("strips of \(depth)×\(columns) numbers into \(strips.count)")
    }
    var column = 0
    while column < columns {
        packStrips(source + column, rows: depth, stride: stride, columns: min(tileWidth, columns - column), into: strip)
        strip += stripStride(depth: depth)
        column += tileWidth
    }
}

/// result[m][n] = Σ over k of left[m][k] · right[k][n], k ascending, `wholeColumns` of them; with `resumes` the chains go on from
/// what the result holds. `strips` is the right operand, packed by `packColumnStrips`, or its transpose by `packTransposed` with
/// the width of a tile; of `packedDepth` rows the first `depth` count.
package func rowProductTiles(
    _ left: UnsafePointer<Float>, leftStride: Int, rows: Int, depth: Int, _ strips: UnsafePointer<Float>, packedDepth: Int,
    columns: Int, resumes: Bool, into result: UnsafeMutablePointer<Float>, resultStride: Int
) {
    precondition(depth <= leftStride && depth <= packedDepth, "\(depth) of \(packedDepth) rows")
    stripProducts(
        left, leftRow: leftStride, leftDepth: 1, rows: rows, depth: depth, blockDepth: mostDepth(rows: rows), strips,
        packedDepth: packedDepth, columns: columns, resumes: resumes, into: result, resultStride: resultStride)
}

/// Likewise of the transpose of the left operand, depth × rows: result[m][n] = Σ over k of left[k][m] · right[k][n].
package func columnProductTiles(
    _ left: UnsafePointer<Float>, leftStride: Int, rows: Int, depth: Int, _ strips: UnsafePointer<Float>, columns: Int,
    resumes: Bool, into result: UnsafeMutablePointer<Float>, resultStride: Int
) {
    precondition(rows <= leftStride, "\(rows) columns in \(leftStride)")
    stripProducts(
        left, leftRow: 1, leftDepth: leftStride, rows: rows, depth: depth, blockDepth: 128, strips, packedDepth: depth,
        columns: columns, resumes: resumes, into: result, resultStride: resultStride)
}

private func stripProducts(
    _ left: UnsafePointer<Float>, leftRow: Int, leftDepth: Int, rows: Int, depth: Int, blockDepth: Int,
    _ strips: UnsafePointer<Float>, packedDepth: Int, columns: Int, resumes: Bool, into result: UnsafeMutablePointer<Float>,
    resultStride: Int
) {
    precondition(wholeColumns(columns) <= resultStride, "\(columns) columns in \(resultStride)")
    let whole = rows / tileHeight
    let rest = rows % tileHeight
    let blockDepth = blockLength(depth, most: blockDepth, unit: 1)
    var column = 0
    var strip = strips
    while column < columns {
        let isHalf = columns - column <= laneCount
        var k = 0
        repeat {
            var run = TileRun(
                left: left + k * leftDepth, leftRow: leftRow, leftDepth: leftDepth, leftStep: tileHeight * leftRow,
                right: strip + k * tileWidth, rightDepth: tileWidth, result: result + column, resultRow: resultStride,
                resultStep: tileHeight * resultStride, count: whole, depth: min(blockDepth, depth - k),
                resumes: resumes || k > 0)
            run.run(height: tileHeight, isHalf: isHalf)
            if rest > 0 {
                run.left += whole * run.leftStep
                run.result += whole * run.resultStep
                run.count = 1
                run.run(height: rest, isHalf: isHalf)
            }
            k += blockDepth
        } while k < depth
        strip += stripStride(depth: packedDepth)
        column += tileWidth
    }
}
