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
    fileprivate func mask(
        _ dropout: Dropout, sample: Int, head: Int, query: Int, keys: Int, into mask: UnsafeMutablePointer<Float>
    ) {
        dropoutMaskRow(
            mask, from: (head * positions + query) * paddedKeys, count: keys, stream: dropout.stream,
            draw: dropout.firstDraw + UInt64(sample), threshold: dropout.threshold, scale: dropout.scale)
    }

    /// How many keys a query sees of a sample with so many positions of its own.
    fileprivate func keys(of query: Int, length: Int) -> Int { isCausal ? min(query + 1, length) : length }

    /// Queries whose probabilities are in memory at once: a function of the number of positions alone, so that it is the same
    /// wherever a sample is computed.
    fileprivate func queriesAtOnce(_ tiles: TileLoops) -> Int {
        max(1, min(60, Self.tileNumbers / positions) / tiles.height) * tiles.height
    }

    /// Probabilities that stay near: half a megabyte with their gradients.
    private static let tileNumbers = 1 << 16

    /// Where the parts of a thread's memory lie.
    fileprivate struct Rooms {
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
    fileprivate func threadCount(_ tiles: TileLoops) -> Int {
        let rooms = Rooms(self, tiles)
        return max(rooms.forwardCount(), rooms.backwardCount(positions: positions))
    }
}

/// A thread's memory, handed out in parts that begin on cache lines.
private struct Parts {
    private var rest: UnsafeMutableBufferPointer<Float>

    init(_ memory: UnsafeMutableBufferPointer<Float>) { rest = memory }

    mutating func take(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
        let whole = (count + 15) / 16 * 16
        precondition(whole <= rest.count, "\(whole) numbers of \(rest.count)")
        defer { rest = UnsafeMutableBufferPointer(rebasing: rest[whole...]) }
        return UnsafeMutableBufferPointer(rebasing: rest[..<count])
    }

    mutating func pointer(_ count: Int) -> UnsafeMutablePointer<Float> {
        guard let base = take(count).baseAddress else { preconditionFailure("no memory") }
        return base
    }
}

/// Attention without its matrix of probabilities in memory: some queries at a time, whose scores against all keys that they see are
/// made, used and forgotten; backward they are made again (Dao et al., NeurIPS 2022).
///
/// A thread computes whole heads of a sample, so that bits depend on the sample alone.
extension Workspace {
    /// What both directions take beside their operands.
    package static func attentionScratch(_ attention: Attention) -> KernelScratch {
        KernelScratch(packed: 0, perThread: attention.threadCount(.of(.best)))
    }

    /// y = softmax(q·kᵀ/√width)·v for each head. Rows are positions, sample behind sample; columns are heads one behind the other.
    ///
    /// - Parameters:
    ///   - continued: the positions that queries are of where they go on with a sequence: only these are computed, with the bits that
    ///     all at once would give, and keys and values are there up to them. Nil where queries are of all positions.
    ///   - lengths: positions of a sample that are its own; behind them results are zeros, and nobody sees them.
    ///   - statistics: where for each position and head the maximum of its scores and the inverse of the sum of their
    ///     exponentials go: positions × 2 · heads.
    package func attend(
        _ attention: Attention, queries: MatrixView, keys: MatrixView, values: MatrixView, lengths: SequenceLengths?,
        continued: Range<Int>? = nil, dropout: Attention.Dropout?, statistics: MutableMatrixView, into output: MutableMatrixView
    ) {
        let (positions, width) = (attention.positions, attention.width)
        let computed = continued ?? 0..<positions
        let samples = keys.rows / positions
        attention.check(
            queries: queries, keys: keys, values: values, output: output.readOnly, statistics: statistics.readOnly,
            computed: computed)
        precondition(continued == nil || lengths == nil && dropout == nil, "lengths or dropout of what is continued")
        let rooms = Attention.Rooms(attention, tiles)
        let memory = threadRooms(count: rooms.forwardCount())
        let scale = Float(1 / Double(width).squareRoot())
        parallel(samples * attention.keyHeads) { thread, units in
            var parts = Parts(memory[thread])
            let keyPanels = parts.take(rooms.transposed)
            let valueStrips = parts.take(rooms.strips)
            let scores = parts.pointer(rooms.queries * rooms.scoreStride)
            let results = parts.pointer(rooms.queries * rooms.columnStride)
            let mask = parts.pointer(rooms.scoreStride)
            for unit in units {
                let sample = unit / attention.keyHeads
                let keyHead = unit % attention.keyHeads
                let length = lengths.map { min($0[sample], positions) } ?? computed.upperBound
                let own = sample * positions..<sample * positions + length
                // The row of queries, results and statistics that position 0 would have.
                let origin = sample * computed.count - computed.lowerBound
                let keyPlace = keyHead * width..<(keyHead + 1) * width
                if length > 0 {
                    tiles.packStrips(transposed: keys[rows: own][columns: keyPlace], into: keyPanels)
                    tiles.packStrips(values[rows: own][columns: keyPlace], into: valueStrips)
                }
                for head in attention.heads(on: keyHead) {
                    let place = head * width..<(head + 1) * width
                    for first in stride(from: computed.lowerBound, to: length, by: rooms.queries) {
                        let last = min(first + rooms.queries, length)
                        let seen = attention.keys(of: last - 1, length: length)
                        tiles.rowProducts(
                            queries.base + ((origin + first) * queries.stride + place.lowerBound),
                            stride: queries.stride, rows: last - first, depth: width, UnsafePointer(keyPanels.baseAddress!),
                            columns: seen, resumes: false, into: scores, resultStride: rooms.scoreStride)
                        for query in first..<last {
                            let row = scores + (query - first) * rooms.scoreStride
                            let count = attention.keys(of: query, length: length)
                            let kept = statistics.row(origin + query)
                            let (maximum, sum) = exponentials(row, count: count, padded: seen, scale: scale)
                            kept[2 * head] = maximum
                            kept[2 * head + 1] = 1 / sum
                            guard let dropout else { continue }
                            attention.mask(dropout, sample: sample, head: head, query: query, keys: count, into: mask)
                            dropScores(row, by: mask, count: count)
                        }
                        tiles.rowProducts(
                            scores, stride: rooms.scoreStride, rows: last - first, depth: seen,
                            UnsafePointer(valueStrips.baseAddress!), packedDepth: length, columns: width, resumes: false,
                            into: results, resultStride: rooms.columnStride)
                        for query in first..<last {
                            scaleRow(
                                results + (query - first) * rooms.columnStride,
                                by: statistics.row(origin + query)[2 * head + 1],
                                into: output.base + ((origin + query) * output.stride + place.lowerBound), count: width)
                        }
                    }
                    for query in length..<computed.upperBound {
                        let row = origin + query
                        (output.base + (row * output.stride + place.lowerBound)).update(repeating: 0, count: width)
                        statistics.row(row)[2 * head] = 0
                        statistics.row(row)[2 * head + 1] = 0
                    }
                }
            }
        }
    }

    /// The gradients of `attend`, with its statistics and output. Queries, keys and values may be overwritten with their gradients.
    package func attendGradient(
        _ attention: Attention, _ outputGradient: MatrixView, queries: MatrixView, keys: MatrixView, values: MatrixView,
        lengths: SequenceLengths?, dropout: Attention.Dropout?, statistics: MatrixView, output: MatrixView,
        into queryGradient: MutableMatrixView, _ keyGradient: MutableMatrixView, _ valueGradient: MutableMatrixView
    ) {
        let (positions, width) = (attention.positions, attention.width)
        attention.check(
            queries: queries, keys: keys, values: values, output: output, statistics: statistics, computed: 0..<positions)
        precondition(
            outputGradient.hasShape(of: output) && queryGradient.readOnly.hasShape(of: queries)
                && keyGradient.readOnly.hasShape(of: keys) && valueGradient.readOnly.hasShape(of: values),
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(output.rows)×\(output.columns)")
        let samples = queries.rows / positions
        let rooms = Attention.Rooms(attention, tiles)
        let memory = threadRooms(count: rooms.backwardCount(positions: positions))
        let scale = Float(1 / Double(width).squareRoot())
        parallel(samples * attention.keyHeads) { thread, units in
            var parts = Parts(memory[thread])
            let keyPanels = parts.take(rooms.transposed)
            let valuePanels = parts.take(rooms.transposed)
            let keyStrips = parts.take(rooms.strips)
            let scores = parts.pointer(rooms.queries * rooms.scoreStride)
            let gradients = parts.pointer(rooms.queries * rooms.scoreStride)
            let results = parts.pointer(rooms.queries * rooms.columnStride)
            let keySums = parts.pointer(positions * rooms.columnStride)
            let valueSums = parts.pointer(positions * rooms.columnStride)
            let queryStrips = parts.take(rooms.blockStrips)
            let outputStrips = parts.take(rooms.blockStrips)
            let mask = parts.pointer(rooms.scoreStride)
            for unit in units {
                let sample = unit / attention.keyHeads
                let keyHead = unit % attention.keyHeads
                let length = lengths.map { min($0[sample], positions) } ?? positions
                let own = sample * positions..<sample * positions + length
                let keyPlace = keyHead * width..<(keyHead + 1) * width
                if length > 0 {
                    tiles.packStrips(transposed: keys[rows: own][columns: keyPlace], into: keyPanels)
                    tiles.packStrips(transposed: values[rows: own][columns: keyPlace], into: valuePanels)
                    tiles.packStrips(keys[rows: own][columns: keyPlace], into: keyStrips)
                    keySums.update(repeating: 0, count: length * rooms.columnStride)
                    valueSums.update(repeating: 0, count: length * rooms.columnStride)
                }
                for head in attention.heads(on: keyHead) {
                    let place = head * width..<(head + 1) * width
                    for first in stride(from: 0, to: length, by: rooms.queries) {
                        let last = min(first + rooms.queries, length)
                        let seen = attention.keys(of: last - 1, length: length)
                        let block = own.lowerBound + first..<own.lowerBound + last
                        let query = queries[rows: block][columns: place]
                        let gradient = outputGradient[rows: block][columns: place]
                        tiles.rowProducts(
                            query.base, stride: query.stride, rows: block.count, depth: width,
                            UnsafePointer(keyPanels.baseAddress!), columns: seen, resumes: false, into: scores,
                            resultStride: rooms.scoreStride)
                        tiles.rowProducts(
                            gradient.base, stride: gradient.stride, rows: block.count, depth: width,
                            UnsafePointer(valuePanels.baseAddress!), columns: seen, resumes: false, into: gradients,
                            resultStride: rooms.scoreStride)
                        for index in first..<last {
                            let kept = statistics.row(own.lowerBound + index)
                            let count = attention.keys(of: index, length: length)
                            let row = (index - first) * rooms.scoreStride
                            if let dropout {
                                attention.mask(dropout, sample: sample, head: head, query: index, keys: count, into: mask)
                            }
                            scoreGradients(
                                scores + row, gradients + row, mask: dropout == nil ? nil : mask, count: count, padded: seen,
                                maximum: kept[2 * head], inverse: kept[2 * head + 1], scale: scale,
                                mean: dot(
                                    gradient.base + (index - first) * gradient.stride,
                                    output.base + ((own.lowerBound + index) * output.stride + place.lowerBound), count: width))
                        }
                        tiles.packStrips(gradient, into: outputStrips)
                        tiles.packStrips(query, into: queryStrips)
                        tiles.columnProducts(
                            scores, stride: rooms.scoreStride, rows: seen, depth: block.count,
                            UnsafePointer(outputStrips.baseAddress!), columns: width, resumes: true, into: valueSums,
                            resultStride: rooms.columnStride)
                        tiles.columnProducts(
                            gradients, stride: rooms.scoreStride, rows: seen, depth: block.count,
                            UnsafePointer(queryStrips.baseAddress!), columns: width, resumes: true, into: keySums,
                            resultStride: rooms.columnStride)
                        tiles.rowProducts(
                            gradients, stride: rooms.scoreStride, rows: block.count, depth: seen,
                            UnsafePointer(keyStrips.baseAddress!), packedDepth: length, columns: width, resumes: false,
                            into: results, resultStride: rooms.columnStride)
                        for index in 0..<block.count {
                            (queryGradient.base + ((block.lowerBound + index) * queryGradient.stride + place.lowerBound))
                                .update(
                                    from: results + index * rooms.columnStride, count: width)
                        }
                    }
                    clear(queryGradient[columns: place], rows: sample * positions + length..<(sample + 1) * positions)
                }
                let padding = sample * positions + length..<(sample + 1) * positions
                keyGradient[columns: keyPlace].copyRows(from: keySums, stride: rooms.columnStride, own)
                clear(keyGradient[columns: keyPlace], rows: padding)
                valueGradient[columns: keyPlace].copyRows(from: valueSums, stride: rooms.columnStride, own)
                clear(valueGradient[columns: keyPlace], rows: padding)
            }
        }
    }

    private func clear(_ matrix: MutableMatrixView, rows: Range<Int>) {
        for row in rows { (matrix.base + row * matrix.stride).update(repeating: 0, count: matrix.columns) }
    }
}

extension Attention {
    fileprivate func heads(on keyHead: Int) -> Range<Int> {
        keyHead * heads / keyHeads..<(keyHead + 1) * heads / keyHeads
    }

    fileprivate func check(
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

extension MutableMatrixView {
    /// Rows become those that begin at `source`, `stride` apart.
    fileprivate func copyRows(from source: UnsafePointer<Float>, stride: Int, _ rows: Range<Int>) {
        for index in 0..<rows.count {
            (base + (rows.lowerBound + index) * self.stride).update(from: source + index * stride, count: columns)
        }
    }
}

// MARK: - Rows of scores

/// e^((s − max s)·scale) in place over `count` scores, zeros up to `padded`; the maximum, and the sum of the exponentials.
@inline(never)
private func exponentials(_ s: UnsafeMutablePointer<Float>, count: Int, padded: Int, scale: Float) -> (
    maximum: Float, sum: Float
) {
    let maximum = highest(s, count: count)
    let shift = Vector(repeating: maximum)
    let factor = Vector(repeating: scale)
    var sum = (Vector(), Vector())
    var index = 0
    while index &+ 16 <= count {
        let first = ((Vector.load(s + index) - shift) * factor).exponential
        let second = ((Vector.load(s + (index &+ 8)) - shift) * factor).exponential
        first.store(to: s + index)
        second.store(to: s + (index &+ 8))
        sum.0 += first
        sum.1 += second
        index &+= 16
    }
    while index < count {
        let rest = min(8, count &- index)
        let e = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential.first(rest)
        e.store(to: s + index, count: rest)
        sum.0 += e
        index &+= 8
    }
    if padded > count { (s + count).update(repeating: 0, count: padded - count) }
    return (maximum, (sum.0 + sum.1).horizontalSum)
}

/// Of a row of scores s and gradients g of its probabilities p = e^((s − max)·scale)·inverse: `s` becomes p, by the mask where there
/// is one, and `g` the scores' gradient, p·(g − mean)·scale; zeros from `count` up to `padded`.
@inline(never)
private func scoreGradients(
    _ s: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, mask: UnsafePointer<Float>?, count: Int, padded: Int,
    maximum: Float, inverse: Float, scale: Float, mean: Float
) {
    let shift = Vector(repeating: maximum)
    let factor = Vector(repeating: scale)
    let inverse = Vector(repeating: inverse)
    let mean = Vector(repeating: mean)
    if let mask {
        eachVector(count) { index, rest in
            let drop = Vector.load(mask + index, count: rest)
            let p = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential * inverse
            let gradient = Vector.load(UnsafePointer(g) + index, count: rest) * drop
            (p * drop).store(to: s + index, count: rest)
            (p * (gradient - mean) * factor).store(to: g + index, count: rest)
        }
    } else {
        eachVector(count) { index, rest in
            let p = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential * inverse
            let gradient = Vector.load(UnsafePointer(g) + index, count: rest)
            p.store(to: s + index, count: rest)
            (p * (gradient - mean) * factor).store(to: g + index, count: rest)
        }
    }
    if padded > count {
        (s + count).update(repeating: 0, count: padded - count)
        (g + count).update(repeating: 0, count: padded - count)
    }
}

@inline(never)
private func dropScores(_ s: UnsafeMutablePointer<Float>, by mask: UnsafePointer<Float>, count: Int) {
    eachVector(count) { index, rest in
        (Vector.load(UnsafePointer(s) + index, count: rest) * Vector.load(mask + index, count: rest))
            .store(to: s + index, count: rest)
    }
}

@inline(never)
private func scaleRow(_ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>, count: Int) {
    let factor = Vector(repeating: factor)
    eachVector(count) { index, rest in
        (Vector.load(x + index, count: rest) * factor).store(to: y + index, count: rest)
    }
}

@inline(never)
private func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    var sum = Vector()
    eachVector(count) { index, rest in
        sum = sum.adding(.load(x + index, count: rest), times: .load(y + index, count: rest))
    }
    return sum.horizontalSum
}
