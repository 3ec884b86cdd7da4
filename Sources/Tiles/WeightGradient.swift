// One thread's share of outputGradientᵀ · input.

/// Whether the input is packed: where many units pass, and rows are far apart.
private func packsInput(outputs: Int, inputs: Int) -> Bool {
    outputs >= 512 || (outputs > 64 && crowdCache(rowsOf: inputs))
}

/// Whether a weight gradient wants the output gradient packed by `packColumns`.
package func packsOutputGradient(rows: Int, outputs: Int) -> Bool {
    outputs >= 512 || (rows > 64 && crowdCache(rowsOf: outputs))
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
/// `outputGradient` stands in panels of `packColumns` where `packsOutputGradient`. Elements of the result outside `kept` are
/// written past the caches where they are aligned. At most `levels` sums of leaves wait at once.
package func weightGradientTiles(
    _ outputGradient: UnsafePointer<Float>, _ input: UnsafePointer<Float>, rows: Int,
    outputs: Int, inputs: Int, leafRows: Int, levels: Int, columns: Range<Int>,
    into result: UnsafeMutablePointer<Float>, kept: Range<Int>,
    scratch: UnsafeMutableBufferPointer<Float>
) {
    let blockColumns = blockColumns(rows: rows)
    var memory = ThreadMemory(scratch)
    let edge = memory.take(tileSize)
    let stack = memory.take(levels * tileSize)
    let block = memory.take(blockColumns * rows)
    let packs = packsInput(outputs: outputs, inputs: inputs)
    let packsLeft = packsOutputGradient(rows: rows, outputs: outputs)
    let isAligned = inputs % laneCount == 0 && Int(bitPattern: result) % (laneCount * MemoryLayout<Float>.stride) == 0
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: blockColumns) {
        let width = min(blockColumns, columns.upperBound - column)
        let strips = packs ? (width + tileWidth - 1) / tileWidth : width / tileWidth
        let rest = width % tileWidth
        if packs { packStrips(input + column, rows: rows, stride: inputs, columns: width, into: block) }
        if !packs, rest > 0 {
            packStrips(input + column + width - rest, rows: rows, stride: inputs, columns: rest, into: block)
        }
        for output in stride(from: 0, to: outputs, by: tileHeight) {
            let height = min(tileHeight, outputs - output)
            var run = TileRun(
                left: outputGradient + (packsLeft ? output * rows : output), leftRow: 1,
                leftDepth: packsLeft ? height : outputs, right: packs ? UnsafePointer(block) : input + column,
                rightDepth: packs ? tileWidth : inputs, rightStep: packs ? tileWidth * rows : tileWidth,
                result: result + output * inputs + column, resultRow: inputs, resultStep: tileWidth,
                count: width / tileWidth, depth: rows, leafDepth: leafRows,
                isStreamed: isAligned && !kept.overlaps(output * inputs..<(output + height) * inputs),
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
