// One thread's share of outputGradientᵀ · input.

/// Whether the input is packed: where many units pass, and rows are far apart.
private func packsInput(outputs: Int, inputs: Int) -> Bool {
    outputs >= 512 || (outputs > 64 && crowdCache(rowsOf: inputs))
}

/// Whether a weight gradient wants the output gradient packed by `packColumns`.
package func packsOutputGradient(rows: Int, outputs: Int) -> Bool {
    outputs >= 512 || (rows > 64 && crowdCache(rowsOf: outputs))
}

/// The columns `columns` of the weight gradient, `outputGradient`ᵀ · `input`, summed along the tree of leaves.
/// `outputGradient` stands in panels of `packColumns` where `packsOutputGradient`. Elements of the result outside `kept` are
/// written past the caches where they are aligned.
package func weightGradientTiles(_ outputGradient: UnsafePointer<Float>, _ input: UnsafePointer<Float>, rows: Int,
                                 outputs: Int, inputs: Int, leafRows: Int, columns: Range<Int>,
                                 into result: UnsafeMutablePointer<Float>, kept: Range<Int>,
                                 scratch: UnsafeMutablePointer<Float>) {
    let packs = packsInput(outputs: outputs, inputs: inputs), block = scratch + stackSize
    let packsLeft = packsOutputGradient(rows: rows, outputs: outputs)
    let isAligned = inputs % laneCount == 0 && Int(bitPattern: result) % (laneCount * MemoryLayout<Float>.stride) == 0
    let blockColumns = max(1, min(1024, blockSize / max(rows, 1)) / tileWidth) * tileWidth
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
            var run = TileRun(left: outputGradient + (packsLeft ? output * rows : output), leftRow: 1,
                              leftDepth: packsLeft ? height : outputs, right: packs ? UnsafePointer(block) : input + column,
                              rightDepth: packs ? tileWidth : inputs, rightStep: packs ? tileWidth * rows : tileWidth,
                              result: result + output * inputs + column, resultRow: inputs, resultStep: tileWidth,
                              count: width / tileWidth, depth: rows, leafDepth: leafRows,
                              isStreamed: isAligned && !kept.overlaps(output * inputs..<(output + height) * inputs),
                              stack: scratch)
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
