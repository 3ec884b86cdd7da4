import Storage

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

extension MutableMatrixView {
    /// Rows become those that begin at `source`, `stride` apart.
    fileprivate func copyRows(from source: UnsafePointer<Float>, stride: Int, _ rows: Range<Int>) {
        for index in 0..<rows.count {
            (base + (rows.lowerBound + index) * self.stride).update(from: source + index * stride, count: columns)
        }
    }
}
