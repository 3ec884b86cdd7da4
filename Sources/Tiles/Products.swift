// One thread's share of the products. Sizes of blocks are chosen for caches of 32-48 KiB and 1-2 MiB; they never show
// in the results, since a chain that is stored and taken up again has the same bits.

/// Room that a thread needs: a tile per level of the tree, one for edges, and behind them a block.
package let stackSize = (TileRun.levels + 1) * tileHeight * tileWidth
private let blockSize = 1 << 17
/// Numbers that a thread needs for itself, for products over `rows` rows.
package func threadScratch(rows: Int) -> Int { stackSize + max(blockSize, rows * tileWidth) }

private let forwardUnits = 192
private let forwardRows = 256
private let forwardDepth = 800

/// `result` = rows · `weights`ᵀ + `bias`, units `units`; the rows packed in panels of `tileWidth`.
package func innerProductTiles(_ panels: UnsafePointer<Float>, rows: Int, depth: Int, _ weights: UnsafePointer<Float>,
                               bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>,
                               into result: UnsafeMutablePointer<Float>, resultStride: Int,
                               scratch: UnsafeMutablePointer<Float>) {
    let sums = scratch + stackSize
    let blocks = max(1, (depth + forwardDepth - 1) / forwardDepth), blockDepth = max(1, (depth + blocks - 1) / blocks)
    for firstRow in stride(from: 0, to: rows, by: forwardRows) {
        let count = min(forwardRows, rows - firstRow)
        // The last strip may need one vector only. The sums stand turned: a row of them per unit.
        let isHalf = count % tileWidth > 0 && count % tileWidth <= laneCount
        let strips = (count + tileWidth - 1) / tileWidth - (isHalf ? 1 : 0)
        let sumStride = strips * tileWidth + (isHalf ? laneCount : 0)
        let rowPanels = panels + firstRow * depth
        for firstUnit in stride(from: units.lowerBound, to: units.upperBound, by: forwardUnits) {
            let group = firstUnit..<min(firstUnit + forwardUnits, units.upperBound)
            var k = 0
            repeat {
                for unit in stride(from: group.lowerBound, to: group.upperBound, by: tileHeight) {
                    var run = TileRun(left: weights + unit * depth + k, leftRow: depth, leftDepth: 1,
                                      right: rowPanels + k * tileWidth, rightDepth: tileWidth,
                                      rightStep: depth * tileWidth, result: sums + (unit - firstUnit) * sumStride,
                                      resultRow: sumStride, resultStep: tileWidth, count: strips,
                                      depth: min(blockDepth, depth - k), resumes: k > 0, stack: scratch)
                    // A depth of 1 makes leftRow 1 as well: rows one behind the other are then columns.
                    let height = min(tileHeight, group.upperBound - unit)
                    run.run(height: height, isHalf: false)
                    if isHalf {
                        run.right += strips * run.rightStep
                        run.result += strips * tileWidth
                        run.count = 1
                        run.run(height: height, isHalf: true)
                    }
                }
                k += blockDepth
            } while k < depth
            turn(sums, stride: sumStride, rows: count, units: group, bias: bias, rectifies: rectifies,
                 into: result + firstRow * resultStride, resultStride: resultStride)
        }
    }
}

/// Sums of a row per unit become outputs of a row per row.
private func turn(_ sums: UnsafePointer<Float>, stride: Int, rows: Int, units: Range<Int>, bias: UnsafePointer<Float>?,
                  rectifies: Bool, into result: UnsafeMutablePointer<Float>, resultStride: Int) {
    var unit = units.lowerBound
    while unit < units.upperBound {
        let source = sums + (unit - units.lowerBound) * stride
        let width = min(laneCount, units.upperBound - unit)
        var row = 0
        if width == laneCount {
            let biases = bias.map { Lanes.load($0 + unit) } ?? Lanes()
            while row + 4 <= rows {
                var block = TurnedBlock(source + row, stride: stride, last: laneCount - 1)
                if bias != nil { block.add(biases) }
                if rectifies { block.rectify() }
                block.store(to: result + row * resultStride + unit, stride: resultStride)
                row += 4
            }
        }
        while row < rows {
            for lane in 0..<width {
                var value = source[lane * stride + row]
                if let bias { value += bias[unit + lane] }
                result[row * resultStride + unit + lane] = rectifies && value <= 0 ? 0 : value
            }
            row += 1
        }
        unit += laneCount
    }
}

/// Whether the operands of a weight gradient are packed: where many units pass, and rows are far apart.
package func packsOperands(outputs: Int) -> Bool { outputs >= 512 }

/// The columns `columns` of the weight gradient, `outputGradient`ᵀ · `input`, summed along the tree of leaves.
/// `outputGradient` stands in panels of `packColumns` where `packsOperands`.
package func weightGradientTiles(_ outputGradient: UnsafePointer<Float>, _ input: UnsafePointer<Float>, rows: Int,
                                 outputs: Int, inputs: Int, leafRows: Int, columns: Range<Int>,
                                 into result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let packs = packsOperands(outputs: outputs), block = scratch + stackSize
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
            var run = TileRun(left: outputGradient + (packs ? output * rows : output), leftRow: 1,
                              leftDepth: packs ? height : outputs, right: packs ? UnsafePointer(block) : input + column,
                              rightDepth: packs ? tileWidth : inputs, rightStep: packs ? tileWidth * rows : tileWidth,
                              result: result + output * inputs + column, resultRow: inputs, resultStep: tileWidth,
                              count: width / tileWidth, depth: rows, leafDepth: leafRows, stack: scratch)
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

/// The columns `columns` of the input gradient, `outputGradient` · `weights`; the rows packed in panels of `tileHeight`.
package func inputGradientTiles(_ panels: UnsafePointer<Float>, rows: Int, outputs: Int, _ weights: UnsafePointer<Float>,
                                inputs: Int, columns: Range<Int>, into result: UnsafeMutablePointer<Float>,
                                scratch: UnsafeMutablePointer<Float>) {
    let packs = outputs > 256, block = scratch + stackSize
    let blocks = packs ? (outputs + 255) / 256 : 1, blockDepth = max(1, (outputs + blocks - 1) / blocks)
    // What remains of the rows behind whole panels.
    let whole = rows / tileHeight, rest = rows % tileHeight
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: 512) {
        let width = min(512, columns.upperBound - column)
        var k = 0
        repeat {
            let depth = min(blockDepth, outputs - k)
            if packs {
                packStrips(weights + k * inputs + column, rows: depth, stride: inputs, columns: width, into: block)
            }
            for offset in stride(from: 0, to: width, by: tileWidth) {
                let stripWidth = min(tileWidth, width - offset)
                let source = weights + k * inputs + column + offset
                var run = TileRun(left: panels + k * tileHeight, leftRow: 1, leftDepth: tileHeight,
                                  leftStep: outputs * tileHeight, right: source, rightDepth: inputs,
                                  result: result + column + offset, resultRow: inputs, resultStep: tileHeight * inputs,
                                  count: whole, depth: depth, resumes: k > 0, stack: scratch)
                if packs {
                    run.right = UnsafePointer(block) + offset * depth
                    run.rightDepth = tileWidth
                } else if stripWidth < tileWidth, stripWidth != laneCount {
                    packStrips(source, rows: depth, stride: inputs, columns: stripWidth, into: block)
                    run.right = UnsafePointer(block)
                    run.rightDepth = tileWidth
                }
                run.run(height: tileHeight, columns: stripWidth)
                if rest > 0 {
                    run.left += whole * run.leftStep
                    run.result += whole * run.resultStep
                    run.count = 1
                    run.run(height: rest, columns: stripWidth)
                }
            }
            k += blockDepth
        } while k < outputs
    }
}
