// One thread's share of outputGradient · weights.

/// Inputs and products that are summed at a time where the weights are copied: the copy, as much that is on its way, the
/// rows' panels and the sums (of not too many rows) fit the second-level cache.
private let mostInputs = 192
private let mostDepth = 384
private let mostCollectedRows = 256
/// Numbers between two rows of collected sums.
private var collectedStride: Int { mostInputs + 16 }

/// Numbers that a thread needs for itself: a tile that reaches beyond the result, a block of the weights, and sums.
package func inputGradientScratch() -> Int {
    tileSize + mostDepth * mostInputs + mostCollectedRows * collectedStride
}

/// The columns `columns` of the input gradient, `outputGradient` · `weights`; the rows packed in panels of `tileHeight`.
package func inputGradientTiles(
    _ panels: UnsafePointer<Float>, rows: Int, outputs: Int, _ weights: UnsafePointer<Float>,
    weightStride: Int, inputs: Int, columns: Range<Int>, into result: UnsafeMutablePointer<Float>, resultStride: Int,
    scratch: UnsafeMutableBufferPointer<Float>
) {
    var memory = ThreadMemory(scratch)
    let edge = memory.take(tileSize)
    let block = memory.take(mostDepth * mostInputs)
    let sums = memory.take(mostCollectedRows * collectedStride)
    // Rows that are read once per tile and few don't pay for a copy.
    let copies = outputs > 256 || (rows > 64 && crowdCache(rowsOf: weightStride))
    let blockDepth = copies ? blockLength(outputs, most: mostDepth, unit: 1) : max(1, outputs)
    precondition(blockDepth <= mostDepth, "a block of \(blockDepth) rows")
    // What remains of the rows behind whole panels.
    let whole = rows / tileHeight
    let rest = rows % tileHeight
    // Sums over several blocks are kept together, rows of the result being too far apart for the first-level cache.
    let collects = outputs > blockDepth && rows <= mostCollectedRows
    let sumStride = collects ? collectedStride : resultStride
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: mostInputs) {
        let width = min(mostInputs, columns.upperBound - column)
        for k in stride(from: 0, to: max(1, outputs), by: blockDepth) {
            let depth = min(blockDepth, outputs - k)
            let source = weights + k * weightStride + column
            if copies { packStrips(source, rows: depth, stride: weightStride, columns: width, into: block) }
            for offset in stride(from: 0, to: width, by: tileWidth) {
                let stripWidth = min(tileWidth, width - offset)
                var run = TileRun(
                    left: panels + k * tileHeight, leftRow: 1, leftDepth: tileHeight,
                    leftStep: panelStride(depth: outputs, width: tileHeight), right: source + offset,
                    rightDepth: weightStride, result: (collects ? sums : result + column) + offset,
                    resultRow: sumStride, resultStep: tileHeight * sumStride, count: whole, depth: depth,
                    resumes: k > 0, edge: edge)
                if copies {
                    run.right = UnsafePointer(block) + offset * depth
                    run.rightDepth = tileWidth
                    run.ahead = ahead(of: offset..<offset + stripWidth)
                } else if stripWidth < tileWidth, stripWidth != laneCount {
                    packStrips(source + offset, rows: depth, stride: weightStride, columns: stripWidth, into: block)
                    run.right = UnsafePointer(block)
                    run.rightDepth = tileWidth
                }
                run.run(height: tileHeight, columns: stripWidth)
                if rest > 0 {
                    run.left += whole * run.leftStep
                    run.result += whole * run.resultStep
                    run.count = 1
                    run.ahead = nil
                    run.run(height: rest, columns: stripWidth)
                }
            }

            /// The part of the block to be copied next that is asked for while these columns are computed.
            @inline(__always)
            func ahead(of part: Range<Int>) -> Ahead? {
                let isDeeper = k + depth < outputs
                let next = isDeeper ? source + depth * weightStride : weights + column + width
                let nextDepth = min(blockDepth, isDeeper ? outputs - k - depth : outputs)
                let nextWidth = isDeeper ? width : min(mostInputs, columns.upperBound - column - width)
                let rows = part.lowerBound * nextDepth / width..<part.upperBound * nextDepth / width
                guard nextWidth > 0 else { return nil }
                return Ahead(
                    rows: next + rows.lowerBound * weightStride, count: rows.count, columns: nextWidth, stride: weightStride)
            }
        }
        guard collects else { continue }
        for row in 0..<rows { (result + row * resultStride + column).update(from: sums + row * sumStride, count: width) }
    }
}
