// One thread's share of rows · weightsᵀ.

/// Rows, units and products that are summed at a time: the rows' panels, a tile's weights and the sums fit the caches.
private let mostRows = 256
private let mostUnits = 192
private let mostDepth = 832
/// Numbers between the copied weights of two units.
private func copyStride(blockDepth: Int) -> Int { blockDepth + 16 }

/// Numbers that a thread needs for itself: the sums, and a copy of one tile's weights.
package func innerProductScratch() -> Int {
    mostRows * mostUnits + tileHeight * copyStride(blockDepth: mostDepth)
}

/// `result` = rows · `weights`ᵀ + `bias`, units `units`; the rows packed in panels of `tileWidth`.
package func innerProductTiles(
    _ panels: UnsafePointer<Float>, rows: Int, depth: Int, _ weights: UnsafePointer<Float>, weightStride: Int,
    bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>,
    into result: UnsafeMutablePointer<Float>, resultStride: Int,
    scratch: UnsafeMutableBufferPointer<Float>
) {
    var memory = ThreadMemory(scratch)
    let sums = memory.take(mostRows * mostUnits)
    let copy = memory.take(tileHeight * copyStride(blockDepth: mostDepth))
    let panel = panelStride(depth: depth, width: tileWidth)
    for firstRow in stride(from: 0, to: rows, by: mostRows) {
        let count = min(mostRows, rows - firstRow)
        // The last strip may need one vector only. The sums stand turned: a row of them per unit.
        let isHalf = count % tileWidth > 0 && count % tileWidth <= laneCount
        let strips = (count + tileWidth - 1) / tileWidth - (isHalf ? 1 : 0)
        let sumStride = strips * tileWidth + (isHalf ? laneCount : 0)
        precondition(sumStride <= mostRows, "sums of \(sumStride) rows")
        var parts = WeightParts(
            weights, stride: weightStride, units: units, depth: depth, copies: sumStride > tileWidth,
            room: copy)
        while let part = parts.next() {
            var run = TileRun(
                left: part.weights, leftRow: part.stride, leftDepth: 1,
                right: panels + firstRow / tileWidth * panel + part.depth.lowerBound * tileWidth,
                rightDepth: tileWidth, rightStep: panel,
                result: sums + (part.units.lowerBound - part.group.lowerBound) * sumStride,
                resultRow: sumStride, resultStep: tileWidth, count: strips, depth: part.depth.count,
                resumes: part.depth.lowerBound > 0, ahead: parts.ahead)
            run.run(height: part.units.count, isHalf: false)
            if isHalf {
                run.right += strips * run.rightStep
                run.result += strips * tileWidth
                run.count = 1
                run.run(height: part.units.count, isHalf: true)
            }
            guard part.isLastOfGroup else { continue }
            addBias(
                sums, stride: sumStride, rows: count, units: part.group, bias: bias, rectifies: rectifies,
                into: result + firstRow * resultStride, resultStride: resultStride)
        }
    }
}

/// The weights in the order in which they are multiplied: groups of units, in each of them blocks of the depth, in each
/// of these the units of one tile after the other.
private struct WeightParts {
    struct Part {
        /// The first unit's weights, and how far the next one's.
        var weights: UnsafePointer<Float>
        var stride: Int
        /// Of one tile.
        let units: Range<Int>
        let depth: Range<Int>
        let group: Range<Int>
        let isLastOfGroup: Bool
    }

    private let weights: UnsafePointer<Float>
    private let stride: Int
    private let units: Range<Int>
    private let depth: Int, blockDepth: Int
    /// Where a tile's weights are copied; nil where they are multiplied in place.
    private let room: UnsafeMutablePointer<Float>?
    /// Where the next part begins.
    private var group: Range<Int>
    private var unit: Int, k = 0

    /// - Parameters:
    ///   - stride: how far the weights of the next unit are.
    ///   - copies: whether a tile's weights are read more than once.
    ///   - room: for a copy of one tile's weights.
    init(
        _ weights: UnsafePointer<Float>, stride: Int, units: Range<Int>, depth: Int, copies: Bool,
        room: UnsafeMutablePointer<Float>
    ) {
        self.weights = weights
        self.stride = stride
        self.units = units
        self.depth = depth
        blockDepth = blockLength(depth, most: mostDepth, unit: 16)
        precondition(blockDepth <= mostDepth, "a block of \(blockDepth) products")
        // Rows that lie multiples of a kilobyte apart push each other out of the first-level cache.
        self.room = copies && stride % 256 == 0 ? room : nil
        group = units.lowerBound..<min(units.lowerBound + mostUnits, units.upperBound)
        unit = units.lowerBound
    }

    mutating func next() -> Part? {
        guard unit < group.upperBound else { return nil }
        let tile = unit..<min(unit + tileHeight, group.upperBound)
        let block = k..<min(k + blockDepth, depth)
        let isLast = tile.upperBound == group.upperBound && block.upperBound == depth
        var part = Part(
            weights: weights + tile.lowerBound * stride + block.lowerBound, stride: stride, units: tile,
            depth: block, group: group, isLastOfGroup: isLast)
        if let room {
            let rowStride = copyStride(blockDepth: blockDepth)
            for row in 0..<tile.count {
                (room + row * rowStride).update(from: part.weights + row * stride, count: block.count)
            }
            part.weights = UnsafePointer(room)
            part.stride = rowStride
        }
        advance(tile, block)
        return part
    }

    private mutating func advance(_ tile: Range<Int>, _ block: Range<Int>) {
        unit = tile.upperBound
        guard unit == group.upperBound else { return }
        if block.upperBound < depth {
            unit = group.lowerBound
            k = block.upperBound
        } else {
            k = 0
            group = unit..<min(unit + mostUnits, units.upperBound)
        }
    }

    /// The part that comes next, which is asked for while the last one is multiplied.
    var ahead: Ahead? {
        guard unit < group.upperBound else { return nil }
        return Ahead(
            rows: weights + unit * stride + k, count: min(tileHeight, group.upperBound - unit),
            columns: min(blockDepth, depth - k), stride: stride)
    }
}

/// Sums of a row per unit become outputs of a row per row.
private func addBias(
    _ sums: UnsafePointer<Float>, stride: Int, rows: Int, units: Range<Int>,
    bias: UnsafePointer<Float>?, rectifies: Bool, into result: UnsafeMutablePointer<Float>,
    resultStride: Int
) {
    for unit in Swift.stride(from: units.lowerBound, to: units.upperBound, by: laneCount) {
        let width = min(laneCount, units.upperBound - unit)
        turn(
            sums + (unit - units.lowerBound) * stride, stride: stride, rows: width, columns: rows, into: result + unit,
            targetStride: resultStride, lanes: width, addends: bias.map { $0 + unit }, rectifies: rectifies)
    }
}
