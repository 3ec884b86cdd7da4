// One thread's share of outputGradientᵀ · input.

/// Whether the input, whose rows are `stride` apart, is packed: where many units pass, and rows are far apart.
private func packsInput(outputs: Int, stride: Int) -> Bool {
    outputs >= 512 || (outputs > 64 && crowdCache(rowsOf: stride))
}

/// Whether a weight gradient wants the output gradient, whose rows are `stride` apart, packed by `packColumns`.
package func packsOutputGradient(rows: Int, outputs: Int, stride: Int) -> Bool {
    outputs >= 512 || (rows > 64 && crowdCache(rowsOf: stride)) || (rows > 256 && stride >= 512)
}

/// Numbers of the input that are copied at a time, unless one strip of all rows is more.
private let blockSize = 1 << 17

/// Columns of the input that are multiplied at a time: whole strips.
private func blockColumns(rows: Int) -> Int { max(1, min(1024, blockSize / max(rows, 1)) / tileWidth) * tileWidth }

/// Numbers that a thread needs for itself: a tile that reaches beyond the result, one for each level of the tree, and a
/// block of the input.
package func weightGradientScratch(rows: Int, levels: Int) -> Int {
    (1 + levels) * tileSize + blockColumns(rows: rows) * rows
}

/// The columns `columns` of the weight gradient, `outputGradient`ᵀ · `input`, summed along the tree of leaves.
/// `outputGradient` stands in panels of `packColumns` where `packsOutputGradient`. Elements of the result outside `cached` are
/// written past the caches where they are aligned. At most `levels` sums of leaves wait at once. With `continues` the rows go
/// on with the leaf whose first rows the result holds.
package func weightGradientTiles(
    _ outputGradient: UnsafePointer<Float>, gradientStride: Int, _ input: UnsafePointer<Float>, inputStride: Int,
    rows: Int, outputs: Int, leafRows: Int, levels: Int, continues: Bool, columns: Range<Int>,
    into result: UnsafeMutablePointer<Float>, resultStride: Int, cached: Range<Int>,
    scratch: UnsafeMutableBufferPointer<Float>
) {
    let blockColumns = blockColumns(rows: rows)
    var memory = ThreadMemory(scratch)
    let edge = memory.take(tileSize)
    let stack = memory.take(levels * tileSize)
    let block = memory.take(blockColumns * rows)
    precondition(!continues || rows <= leafRows, "several leaves that go on with one")
    let packs = packsInput(outputs: outputs, stride: inputStride)
    let packsLeft = packsOutputGradient(rows: rows, outputs: outputs, stride: gradientStride)
    let isAligned = resultStride % laneCount == 0 && Int(bitPattern: result) % (laneCount * MemoryLayout<Float>.stride) == 0
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: blockColumns) {
        let width = min(blockColumns, columns.upperBound - column)
        let strips = packs ? (width + tileWidth - 1) / tileWidth : width / tileWidth
        let rest = width % tileWidth
        if packs { packStrips(input + column, rows: rows, stride: inputStride, columns: width, into: block) }
        if !packs, rest > 0 {
            packStrips(input + column + width - rest, rows: rows, stride: inputStride, columns: rest, into: block)
        }
        for output in stride(from: 0, to: outputs, by: tileHeight) {
            let height = min(tileHeight, outputs - output)
            var run = TileRun(
                left: outputGradient + (packsLeft ? output * rows : output), leftRow: 1,
                leftDepth: packsLeft ? height : gradientStride, right: packs ? UnsafePointer(block) : input + column,
                rightDepth: packs ? tileWidth : inputStride, rightStep: packs ? tileWidth * rows : tileWidth,
                result: result + output * resultStride + column, resultRow: resultStride, resultStep: tileWidth,
                count: width / tileWidth, depth: rows, leafDepth: leafRows, resumes: continues,
                isStreamed: isAligned && !cached.overlaps(output * resultStride..<(output + height) * resultStride),
                edge: edge, stack: stack, levels: levels)
            run.run(height: height, isHalf: false)
            if rest > 0 {
                run.right = UnsafePointer(block) + (packs ? (strips - 1) * tileWidth * rows : 0)
                run.rightDepth = tileWidth
                run.result += width - rest
                run.count = 1
                run.run(height: height, columns: rest)
            }
        }
    }
}

// MARK: - Leaves of many rows, such as the steps of sequences

/// Rows from which on a leaf is summed in blocks: its operands would come from far caches for every tile.
package let deepLeafRows = 512

/// Rows and columns of the input that are multiplied at a time: a strip of them fits the first-level cache, all of them and the
/// output gradient's panels the second.
private let deepRows = 128
private let deepColumns = 512

/// Numbers that a thread needs for itself: a tile that reaches beyond the result, and a block of the input.
package func deepWeightGradientScratch() -> Int { tileSize + deepRows * (deepColumns + tileWidth) }

/// The columns `columns` of a weight gradient of one leaf, rows `leaf` of all `rows`, with the bits of `weightGradientTiles`; the
/// output gradient stands in panels of `packColumns`. With `continues` it goes on with what the result holds.
package func deepWeightGradientTiles(
    _ panels: UnsafePointer<Float>, _ input: UnsafePointer<Float>, inputStride: Int, rows: Int, leaf: Range<Int>,
    outputs: Int, continues: Bool, columns: Range<Int>, into result: UnsafeMutablePointer<Float>, resultStride: Int,
    scratch: UnsafeMutableBufferPointer<Float>
) {
    var memory = ThreadMemory(scratch)
    let edge = memory.take(tileSize)
    let block = memory.take(deepRows * (deepColumns + tileWidth))
    let whole = outputs / tileHeight
    let rest = outputs % tileHeight
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: deepColumns) {
        let width = min(deepColumns, columns.upperBound - column)
        for k in stride(from: leaf.lowerBound, to: leaf.upperBound, by: deepRows) {
            let depth = min(deepRows, leaf.upperBound - k)
            packStrips(input + k * inputStride + column, rows: depth, stride: inputStride, columns: width, into: block)
            for offset in stride(from: 0, to: width, by: tileWidth) {
                var run = TileRun(
                    left: panels + k * tileHeight, leftRow: 1, leftDepth: tileHeight, leftStep: tileHeight * rows,
                    right: block + offset * depth, rightDepth: tileWidth, result: result + column + offset,
                    resultRow: resultStride, resultStep: tileHeight * resultStride, count: whole, depth: depth,
                    resumes: continues || k > leaf.lowerBound, edge: edge)
                let stripWidth = min(tileWidth, width - offset)
                run.run(height: tileHeight, columns: stripWidth)
                guard rest > 0 else { continue }
                // The last panel is as narrow as it is.
                run.left = panels + whole * tileHeight * rows + k * rest
                run.leftDepth = rest
                run.result += whole * run.resultStep
                run.count = 1
                run.run(height: rest, columns: stripWidth)
            }
        }
    }
}
