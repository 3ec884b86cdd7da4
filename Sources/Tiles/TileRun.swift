/// A row or a column of tiles of one product, described by where the first one is and how far the next one.
///
/// `result[m][n]` = Σ over k of `left[m][k]` · `right[k][n]`, k ascending. The rows of `right` and of the result are
/// contiguous; the left operand has either its rows in place (`leftRow` apart, k contiguous) or columns (`leftRow` = 1,
/// k `leftDepth` apart).
struct TileRun {
    var left: UnsafePointer<Float>
    var leftRow: Int
    var leftDepth: Int
    var leftStep = 0
    var right: UnsafePointer<Float>
    var rightDepth: Int
    var rightStep = 0
    var result: UnsafeMutablePointer<Float>
    var resultRow: Int
    var resultStep = 0
    /// How many tiles.
    var count = 1
    /// How many k.
    var depth: Int
    /// So many k are one leaf of the tree; only for `left` as columns.
    var leafDepth = Int.max
    /// Whether the chains go on from what the result holds.
    var resumes = false
    /// Whether results are written past the caches; only where they are aligned.
    var isStreamed = false
    /// What a later run reads; not asked for where leaves are summed.
    var ahead: Ahead?
    /// Room for a tile that reaches beyond the result; only for `run(height:columns:)`.
    var edge: UnsafeMutablePointer<Float>?
    /// Room for a tile per level of the tree; only where leaves are summed.
    var stack: UnsafeMutablePointer<Float>?
    /// How many tiles that is.
    var levels = 0

    /// Computes tiles of `height` rows and one vector (`isHalf`) or two.
    func run(height: Int, isHalf: Bool) {
        guard count > 0 else { return }
        switch (height, isHalf) {
        #if WIDE
            case (12, false): TileKernel<12, 2>.run(self)
            case (11, false): TileKernel<11, 2>.run(self)
            case (10, false): TileKernel<10, 2>.run(self)
            case (9, false): TileKernel<9, 2>.run(self)
            case (8, false): TileKernel<8, 2>.run(self)
            case (7, false): TileKernel<7, 2>.run(self)
            case (12, true): TileKernel<12, 1>.run(self)
            case (11, true): TileKernel<11, 1>.run(self)
            case (10, true): TileKernel<10, 1>.run(self)
            case (9, true): TileKernel<9, 1>.run(self)
            case (8, true): TileKernel<8, 1>.run(self)
            case (7, true): TileKernel<7, 1>.run(self)
        #endif
        case (6, false): TileKernel<6, 2>.run(self)
        case (5, false): TileKernel<5, 2>.run(self)
        case (4, false): TileKernel<4, 2>.run(self)
        case (3, false): TileKernel<3, 2>.run(self)
        case (2, false): TileKernel<2, 2>.run(self)
        case (1, false): TileKernel<1, 2>.run(self)
        case (6, true): TileKernel<6, 1>.run(self)
        case (5, true): TileKernel<5, 1>.run(self)
        case (4, true): TileKernel<4, 1>.run(self)
        case (3, true): TileKernel<3, 1>.run(self)
        case (2, true): TileKernel<2, 1>.run(self)
        case (1, true): TileKernel<1, 1>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }

    /// Computes the tiles, of which only `columns` columns lie inside the result; `right` has whole vectors.
    func run(height: Int, columns: Int) {
        if columns == tileWidth || columns == laneCount { return run(height: height, isHalf: columns == laneCount) }
        guard let edge else { preconditionFailure("columns beyond the result without room for them") }
        var tile = self
        tile.result = edge
        tile.resultRow = tileWidth
        tile.isStreamed = false
        tile.count = 1
        for index in 0..<count {
            tile.left = left + index * leftStep
            tile.right = right + index * rightStep
            let target = result + index * resultStep
            if resumes {
                for row in 0..<height {
                    (tile.result + row * tileWidth).update(from: target + row * resultRow, count: columns)
                }
            }
            tile.run(height: height, isHalf: columns <= laneCount)
            for row in 0..<height {
                (target + row * resultRow).update(from: tile.result + row * tileWidth, count: columns)
            }
        }
    }
}

/// The loops for tiles of one shape; each shape is compiled on its own.
private enum TileKernel<let height: Int, let vectors: Int> {
    @inline(__always)
    private static var piece: Int { 16 }

    @inline(never)
    static func run(_ run: TileRun) {
        var left = run.left
        var right = run.right
        var result = run.result
        var rest = run.count
        // The tile's sums stay in registers over pieces of the depth, between which there is time to ask.
        var ahead = run.ahead ?? Ahead(rows: run.right, count: 0, columns: 0, stride: 0)
        let pieces = max(1, run.count &* (run.depth / piece))
        let lines = (ahead.lines &+ pieces &- 1) / pieces
        while rest > 0 {
            var tile = Tile<height, vectors>()
            if run.depth > run.leafDepth {
                sumLeaves(run, &tile, left, right)
            } else {
                if run.resumes { tile.load(result, stride: run.resultRow) }
                var k = 0
                while k < run.depth {
                    ahead.ask(lines)
                    let depth = min(piece, run.depth &- k)
                    if run.leftRow == 1 {
                        tile.accumulate(
                            columns: left + k &* run.leftDepth, leftStride: run.leftDepth,
                            right + k &* run.rightDepth, stride: run.rightDepth, depth: depth)
                    } else {
                        tile.accumulate(
                            rows: left + k, leftStride: run.leftRow, right + k &* run.rightDepth,
                            stride: run.rightDepth, depth: depth)
                    }
                    k &+= piece
                }
            }
            tile.store(to: result, stride: run.resultRow, isStreamed: run.isStreamed)
            left += run.leftStep
            right += run.rightStep
            result += run.resultStep
            rest &-= 1
        }
    }

    /// The leaves one after the other, partial sums of the tree kept on the stack as a binary counter: after leaf n, the
    /// set bits of n are the complete subtrees that wait for their right sibling.
    @inline(__always)
    private static func sumLeaves(
        _ run: TileRun, _ tile: inout Tile<height, vectors>, _ left: UnsafePointer<Float>,
        _ right: UnsafePointer<Float>
    ) {
        guard let stack = run.stack else { preconditionFailure("leaves without a stack") }
        var waiting = 0
        var level = 0
        var first = 0
        while true {
            let count = min(run.leafDepth, run.depth &- first)
            tile = Tile<height, vectors>()
            tile.accumulate(
                columns: left + first &* run.leftDepth, leftStride: run.leftDepth,
                right + first &* run.rightDepth, stride: run.rightDepth, depth: count)
            first &+= count
            waiting &+= 1
            var merged = waiting
            let isLast = first >= run.depth
            while level > 0, isLast || merged & 1 == 0 {
                level &-= 1
                tile.addLeft(stack + level &* tileSize, stride: tileWidth)
                merged >>= 1
            }
            if isLast { return }
            precondition(level < run.levels, "more sums wait than the stack has room for")
            tile.store(to: stack + level &* tileSize, stride: tileWidth)
            level &+= 1
        }
    }
}
