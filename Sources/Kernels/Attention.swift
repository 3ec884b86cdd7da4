import Storage

/// What scaled dot-product attention is computed over.
package struct Attention: Sendable {
    /// Positions of a sample.
    package let positions: Int
    /// Heads of queries, and of keys and values: neighbouring heads of queries share one of these.
    package let heads: Int, keyHeads: Int
    /// Numbers of a head.
    package let width: Int
    /// Whether a position sees no later one.
    package let isCausal: Bool

    package init(positions: Int, heads: Int, keyHeads: Int, width: Int, isCausal: Bool) {
        precondition(
            positions > 0 && width > 0 && keyHeads > 0 && heads > 0 && heads % keyHeads == 0,
            "\(heads) heads on \(keyHeads) of \(width) numbers")
        self.positions = positions
        self.heads = heads
        self.keyHeads = keyHeads
        self.width = width
        self.isCausal = isCausal
    }

    /// Numbers per position of queries, and of keys or values.
    package var queryColumns: Int { heads * width }
    package var keyColumns: Int { keyHeads * width }

    /// What is dropped of the probabilities while training: each with probability `rate`, the others grow by 1/(1 − rate).
    /// A function of seed, layer, draw and the place among heads, queries and keys.
    package struct Dropout {
        let stream: RandomStream
        let firstDraw: UInt64
        let threshold: UInt32
        let scale: Float

        package init(rate: Double, stream: RandomStream, firstDraw: UInt64) {
            self.stream = stream
            self.firstDraw = firstDraw
            threshold = UInt32(rate * 4_294_967_296)
            scale = Float(1 / (1 - rate))
        }
    }

    /// Whether there are random numbers for all probabilities of a sample.
    package var canDrop: Bool {
        let row = heads.multipliedReportingOverflow(by: positions)
        let all = row.partialValue.multipliedReportingOverflow(by: paddedKeys)
        return !row.overflow && !all.overflow && all.partialValue / 4 < 1 << 32
    }

    /// Keys of a row of probabilities in whole draws.
    private var paddedKeys: Int { (positions + numbersAtOnce - 1) / numbersAtOnce * numbersAtOnce }

    /// The mask of the probabilities of one query.
    func mask(
        _ dropout: Dropout, sample: Int, head: Int, query: Int, keys: Int, into mask: UnsafeMutablePointer<Float>
    ) {
        dropoutMaskRow(
            mask, from: (head * positions + query) * paddedKeys, count: keys, stream: dropout.stream,
            draw: dropout.firstDraw + UInt64(sample), threshold: dropout.threshold, scale: dropout.scale)
    }

    /// How many keys a query sees of a sample with so many positions of its own.
    func keys(of query: Int, length: Int) -> Int { isCausal ? min(query + 1, length) : length }

    /// Queries whose probabilities are in memory at once: a function of the number of positions alone, so that it is the same
    /// wherever a sample is computed.
    func queriesAtOnce(_ tiles: TileLoops) -> Int {
        max(1, min(60, Self.tileNumbers / positions) / tiles.height) * tiles.height
    }

    /// Probabilities that stay near: half a megabyte with their gradients.
    private static let tileNumbers = 1 << 16

    /// Where the parts of a thread's memory lie.
    struct Rooms {
        /// Between rows of scores; no power of two, at which rows would push each other out of the caches.
        let scoreStride: Int
        let columnStride: Int
        let queries: Int
        let transposed: Int, strips: Int, blockStrips: Int

        init(_ attention: Attention, _ tiles: TileLoops) {
            scoreStride = (attention.positions + tiles.width - 1) / tiles.width * tiles.width + 16
            columnStride = tiles.wholeColumns(attention.width)
            queries = attention.queriesAtOnce(tiles)
            transposed = tiles.transposedCount(rows: attention.positions, depth: attention.width, width: tiles.width)
            strips = tiles.stripCount(depth: attention.positions, columns: attention.width)
            blockStrips = tiles.stripCount(depth: queries, columns: attention.width)
        }

        /// Rounded to cache lines.
        private static func whole(_ count: Int) -> Int { (count + 15) / 16 * 16 }

        /// Keys turned, values, scores, results, a mask. No list of them: it is asked for in every step.
        func forwardCount() -> Int {
            Self.whole(transposed) + Self.whole(strips) + Self.whole(queries * scoreStride) + Self.whole(queries * columnStride)
                + Self.whole(scoreStride)
        }

        /// Keys and values turned, keys, scores, their gradients, results, gradients of keys and values, of a block's queries and
        /// output gradients the strips, a mask.
        func backwardCount(positions: Int) -> Int {
            2 * Self.whole(transposed) + Self.whole(strips) + 2 * Self.whole(queries * scoreStride)
                + Self.whole(queries * columnStride) + 2 * Self.whole(positions * columnStride) + 2 * Self.whole(blockStrips)
                + Self.whole(scoreStride)
        }
    }

    /// What a thread takes, in either direction.
    func threadCount(_ tiles: TileLoops) -> Int {
        let rooms = Rooms(self, tiles)
        return max(rooms.forwardCount(), rooms.backwardCount(positions: positions))
    }
}

extension Attention {
    func heads(on keyHead: Int) -> Range<Int> {
        keyHead * heads / keyHeads..<(keyHead + 1) * heads / keyHeads
    }

    func check(
        queries: MatrixView, keys: MatrixView, values: MatrixView, output: MatrixView, statistics: MatrixView,
        computed: Range<Int>
    ) {
        precondition(
            keys.rows % positions == 0 && queries.columns == queryColumns && computed.upperBound <= positions
                && keys.rows / positions * computed.count == queries.rows
                && keys.columns == keyColumns && values.hasShape(of: keys) && output.hasShape(of: queries)
                && statistics.rows == queries.rows && statistics.columns == 2 * heads,
            "\(queries.rows)×\(queries.columns) queries, \(keys.rows)×\(keys.columns) keys, \(values.rows)×\(values.columns) values"
        )
    }
}
