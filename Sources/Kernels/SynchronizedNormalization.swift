import Storage

/// The passes of a normalisation whose mean and variance are those of more rows than these: sums over each leaf in one pass,
/// from which somebody makes those of all leaves, and in another what follows from them.
///
/// Rows are `channels` planes of equally many numbers, or `channels` numbers. Sums are Doubles, so that a variance may be made of
/// the sum of squares: it is within 2⁻⁵²·(1 + μ²/σ²) of what the numbers' own rounding leaves of it.
extension Workspace {
    /// Of every leaf: how many numbers a channel has, then their sum in each channel, then the sum of their squares.
    package func channelMoments(_ input: MatrixView, channels: Int, leafRows: Int, sums: LeafSums) {
        let leaves = (input.rows + leafRows - 1) / leafRows
        let area = input.columns / channels
        precondition(
            channels * area == input.columns && sums.leaves >= leaves && sums.count == 1 + 2 * channels,
            "\(input.rows)×\(input.columns) in \(channels) channels and leaves of \(leafRows) into \(sums.count) sums")
        guard area > 1 else { return columnMoments(input, leafRows: leafRows, sums: sums) }
        eachLeaf(rows: input.rows, leafRows: leafRows, channels: channels, area: area) {
            (leaf, rows, some, room: SumsRoom<PlaneMoments>) in
            let x = input.base + some.lowerBound * area
            for index in 0..<some.count {
                room[index] = PlaneMoments(first: x + (rows.lowerBound * input.stride + index * area), count: area)
            }
            for row in rows {
                for index in 0..<some.count {
                    room.update(index) { $0.add(x + (row * input.stride + index * area), count: area, ahead: input.stride) }
                }
            }
            let count = rows.count * area
            let sums = sums.leaf(leaf)
            if some.lowerBound == 0 { sums[0] = Double(count) }
            for (index, channel) in some.enumerated() {
                let mean = room[index].mean(count)
                sums[1 + channel] = mean * Double(count)
                sums[1 + channels + channel] = room[index].deviation(count) + mean * mean * Double(count)
            }
        }
    }

    /// Of every leaf: how many numbers a channel has, then in each channel the sum of g·x̂, then the sum of g.
    ///
    /// - Parameters:
    ///   - rectified: the output where it was rectified; gradients count as 0 where it isn't above 0.
    ///   - moments: the means of all channels, and behind them what makes distances from them normalised numbers.
    package func channelGradientSums(
        _ outputGradient: MatrixView, input: MatrixView, rectified: MatrixView? = nil, channels: Int, leafRows: Int,
        moments: MatrixView, sums: LeafSums
    ) {
        let leaves = (input.rows + leafRows - 1) / leafRows
        let area = input.columns / channels
        precondition(
            outputGradient.hasShape(of: input) && channels * area == input.columns && rectified?.hasShape(of: input) ?? true
                && moments.count == 2 * channels && sums.leaves >= leaves && sums.count == 1 + 2 * channels,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(input.columns)")
        guard area > 1 else {
            precondition(rectified == nil, "features that were rectified")
            return columnGradientSums(outputGradient, input: input, leafRows: leafRows, moments: moments, sums: sums)
        }
        eachLeaf(rows: input.rows, leafRows: leafRows, channels: channels, area: area) {
            (leaf, rows, some, room: SumsRoom<PlaneGradientSums>) in
            for index in 0..<some.count { room[index] = PlaneGradientSums() }
            for row in rows {
                for (index, channel) in some.enumerated() {
                    let place = channel * area
                    room.update(index) {
                        $0.add(
                            outputGradient.base + (row * outputGradient.stride + place),
                            input.base + (row * input.stride + place),
                            y: rectified.map { $0.base + (row * $0.stride + place) }, mean: moments.base[channel], count: area,
                            ahead: (outputGradient.stride, input.stride, rectified?.stride ?? 0))
                    }
                }
            }
            let sums = sums.leaf(leaf)
            if some.lowerBound == 0 { sums[0] = Double(rows.count * area) }
            for (index, channel) in some.enumerated() {
                sums[1 + channel] = room[index].product(scale: moments.base[channels + channel])
                sums[1 + channels + channel] = room[index].gradient
            }
        }
    }

    /// The input's gradient, (g − mean g − x̂·mean(g·x̂))·scale·`weight`, channel by channel.
    ///
    /// - Parameters:
    ///   - moments: as `channelGradientSums`.
    ///   - means: the means of g·x̂ of all channels, and behind them those of g.
    package func normalizeChannelsGradient(
        _ outputGradient: MatrixView, input: MatrixView, rectified: MatrixView? = nil, channels: Int, weight: MatrixView?,
        moments: MatrixView, means: MatrixView, into inputGradient: MutableMatrixView
    ) {
        let area = input.columns / channels
        precondition(
            outputGradient.hasShape(of: input) && inputGradient.readOnly.hasShape(of: input)
                && channels * area == input.columns && rectified?.hasShape(of: input) ?? true
                && moments.count == 2 * channels && means.count == 2 * channels && weight?.count ?? channels == channels,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(input.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                let g = outputGradient.base + row * outputGradient.stride
                let x = input.base + row * input.stride
                let target = inputGradient.base + row * inputGradient.stride
                guard area > 1 else {
                    columnsGradient(
                        g, x, weight: weight?.base, moments: moments.base, means: means.base, into: target, count: channels)
                    continue
                }
                for channel in 0..<channels {
                    let place = channel * area
                    let scale = moments.base[channels + channel]
                    PlaneNormalizationGradient(
                        mean: moments.base[channel], scale: scale, weight: 1, meanGradient: means.base[channels + channel],
                        meanProduct: means.base[channel], factor: weight.map { scale * $0.base[channel] } ?? scale
                    ).apply(
                        g + place, x + place, y: rectified.map { $0.base + (row * $0.stride + place) }, into: target + place,
                        count: area, ahead: area)
                }
            }
        }
    }

    private func columnMoments(_ input: MatrixView, leafRows: Int, sums: LeafSums) {
        let width = input.columns
        let leaves = (input.rows + leafRows - 1) / leafRows
        parallel(width, unit: 16) { _, columns in
            for leaf in 0..<leaves {
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let target = sums.leaf(leaf)
                if columns.lowerBound == 0 { target[0] = Double(rows.count) }
                eachVector(columns.count) { offset, count in
                    let column = columns.lowerBound + offset
                    var sum = DoubleLanes()
                    var squares = DoubleLanes()
                    for row in rows {
                        let x = Vector.load(input.base + (row * input.stride + column), count: count)
                        sum.add(x)
                        squares.addSquares(x)
                    }
                    for lane in 0..<count {
                        target[1 + column + lane] = sum[lane]
                        target[1 + width + column + lane] = squares[lane]
                    }
                }
            }
        }
    }

    private func columnGradientSums(
        _ outputGradient: MatrixView, input: MatrixView, leafRows: Int, moments: MatrixView, sums: LeafSums
    ) {
        let width = input.columns
        let leaves = (input.rows + leafRows - 1) / leafRows
        parallel(width, unit: 16) { _, columns in
            for leaf in 0..<leaves {
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let target = sums.leaf(leaf)
                if columns.lowerBound == 0 { target[0] = Double(rows.count) }
                eachVector(columns.count) { offset, count in
                    let column = columns.lowerBound + offset
                    let mean = Vector.load(moments.base + column, count: count)
                    let scale = Vector.load(moments.base + (width + column), count: count)
                    var products = DoubleLanes()
                    var sum = DoubleLanes()
                    for row in rows {
                        let gradient = Vector.load(outputGradient.base + (row * outputGradient.stride + column), count: count)
                        let x = Vector.load(input.base + (row * input.stride + column), count: count)
                        products.add(gradient * ((x - mean) * scale))
                        sum.add(gradient)
                    }
                    for lane in 0..<count {
                        target[1 + column + lane] = products[lane]
                        target[1 + width + column + lane] = sum[lane]
                    }
                }
            }
        }
    }
}

/// A row of `normalizeChannelsGradient` where every channel is one number.
@inline(never)
private func columnsGradient(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>?, moments: UnsafePointer<Float>,
    means: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, count: Int
) {
    eachVector(count) { index, rest in
        let scale = Vector.load(moments + count + index, count: rest)
        let normal = (Vector.load(x + index, count: rest) - .load(moments + index, count: rest)) * scale
        let gradient =
            Vector.load(g + index, count: rest) - .load(means + count + index, count: rest)
            - normal * .load(means + index, count: rest)
        let factor = weight.map { scale * .load($0 + index, count: rest) } ?? scale
        (gradient * factor).store(to: target + index, count: rest)
    }
}
