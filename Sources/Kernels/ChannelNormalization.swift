import Storage

/// Batch normalisation of images: every channel over the rows and positions of a leaf.
///
/// y = (x − μ)·(r·γ) + β with r = 1/√(σ² + ε); x̂ = (x − μ)·r. A row's bits depend on its leaf alone. Rows are `channels` planes of
/// equally many numbers.
extension Workspace {
    /// Every channel of each leaf to mean 0 and variance 1, times `weight`, plus `bias`.
    ///
    /// - Parameters:
    ///   - rectifies: whether what isn't above 0 becomes 0.
    ///   - moments: for each leaf a row: the means, and behind them 1/√(σ² + ε) with the biased variance.
    ///   - sums: where for each leaf the count of numbers in a channel, their sums, and the unbiased variances times the count go;
    ///     nil where nobody asks.
    package func normalizeChannels(
        _ input: MatrixView, channels: Int, leafRows: Int, epsilon: Double, weight: MatrixView?, bias: MatrixView?,
        rectifies: Bool = false, moments: MutableMatrixView, sums: LeafSums?, into output: MutableMatrixView
    ) {
        let leaves = (input.rows + leafRows - 1) / leafRows
        let area = input.columns / channels
        precondition(
            output.readOnly.hasShape(of: input) && channels * area == input.columns && moments.rows == leaves
                && moments.columns == 2 * channels && weight?.count ?? channels == channels
                && bias?.count ?? channels == channels
                && sums?.leaves ?? leaves >= leaves && sums?.count ?? (1 + 2 * channels) == 1 + 2 * channels,
            "\(input.rows)×\(input.columns) in \(channels) channels and leaves of \(leafRows) into "
                + "\(output.rows)×\(output.columns)")
        // A channel at a time, so that it is still near when it is read again.
        parallel(leaves * channels) { _, units in
            for unit in units {
                let leaf = unit / channels
                let channel = unit % channels
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let first = input.base + channel * area
                var plane = PlaneMoments(origin: first[rows.lowerBound * input.stride])
                for row in rows { plane.add(first + row * input.stride, count: area) }
                let count = Double(rows.count * area)
                let mean = Float(plane.mean)
                let scale = Float(1 / (plane.deviation / count + epsilon).squareRoot())
                moments.row(leaf)[channel] = mean
                moments.row(leaf)[channels + channel] = scale
                if let sums = sums?.leaf(leaf) {
                    if channel == 0 { sums[0] = count }
                    sums[1 + channel] = plane.mean * count
                    sums[1 + channels + channel] = plane.deviation / (count - 1) * count
                }
                let factor = weight.map { scale * $0.base[channel] } ?? scale
                for row in rows {
                    normalizePlane(
                        first + row * input.stride, mean: mean, factor: factor, bias: bias?.base[channel] ?? 0,
                        rectifies: rectifies, into: output.base + (row * output.stride + channel * area), count: area)
                }
            }
        }
    }

    /// The gradient of `normalizeChannels`, with `moments` from it: the input's where it is wanted, and those of weight and bias
    /// (one for each channel), summed over the tree of leaves.
    ///
    /// - Parameter rectified: the output where `normalizeChannels` rectified it.
    package func normalizeChannelsGradient(
        _ outputGradient: MatrixView, input: MatrixView, rectified: MatrixView? = nil, channels: Int, leafRows: Int,
        weight: MatrixView?, moments: MatrixView, weightGradient: MutableMatrixView?, biasGradient: MutableMatrixView?,
        into inputGradient: MutableMatrixView?
    ) {
        let leaves = (input.rows + leafRows - 1) / leafRows
        let area = input.columns / channels
        precondition(
            outputGradient.hasShape(of: input) && channels * area == input.columns && moments.rows == leaves
                && rectified?.hasShape(of: input) ?? true && moments.columns == 2 * channels
                && inputGradient?.readOnly.hasShape(of: input) ?? true && weight?.count ?? channels == channels
                && weightGradient?.count ?? channels == channels && biasGradient?.count ?? channels == channels,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(input.columns)")
        let leafGradients = packing(count: Self.channelNormalizationScratch(sums: leaves, channels: channels).packed)
        parallel(leaves * channels) { _, units in
            for unit in units {
                let leaf = unit / channels
                let channel = unit % channels
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let mean = moments.row(leaf)[channel]
                let scale = moments.row(leaf)[channels + channel]
                let offset = channel * area
                var sums = PlaneGradientSums()
                for row in rows {
                    sums.add(
                        outputGradient.base + (row * outputGradient.stride + offset),
                        input.base + (row * input.stride + offset),
                        y: rectified.map { $0.base + (row * $0.stride + offset) }, mean: mean, scale: scale, count: area)
                }
                leafGradients.base[leaf * 2 * channels + channel] = Float(sums.product)
                leafGradients.base[leaf * 2 * channels + channels + channel] = Float(sums.gradient)
                guard let inputGradient else { continue }
                let count = Double(rows.count * area)
                let factor = weight.map { scale * $0.base[channel] } ?? scale
                for row in rows {
                    normalizePlaneGradient(
                        outputGradient.base + (row * outputGradient.stride + offset),
                        input.base + (row * input.stride + offset),
                        y: rectified.map { $0.base + (row * $0.stride + offset) }, mean: mean, scale: scale, weight: 1,
                        meanGradient: Float(sums.gradient / count), meanProduct: Float(sums.product / count), factor: factor,
                        into: inputGradient.base + (row * inputGradient.stride + offset), count: area)
                }
            }
        }
        let each = MatrixView(base: leafGradients.base, rows: leaves, columns: 2 * channels)
        if let weightGradient { columnSums(each[columns: 0..<channels], leafRows: 1, into: weightGradient) }
        if let biasGradient { columnSums(each[columns: channels..<2 * channels], leafRows: 1, into: biasGradient) }
    }

    /// `output` = (`input` − `means`)·(r·`weight`) + `bias`, channel by channel, with r = 1/√(`variances` + ε).
    package func normalizeChannels(
        _ input: MatrixView, channels: Int, means: MatrixView, variances: MatrixView, epsilon: Double, weight: MatrixView?,
        bias: MatrixView?, rectifies: Bool = false, into output: MutableMatrixView
    ) {
        let area = input.columns / channels
        precondition(
            output.readOnly.hasShape(of: input) && channels * area == input.columns && means.count == channels
                && variances.count == channels && weight?.count ?? channels == channels && bias?.count ?? channels == channels,
            "\(input.rows)×\(input.columns) in \(channels) channels into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                for channel in 0..<channels {
                    let scale = Float(1 / (Double(variances.base[channel]) + epsilon).squareRoot())
                    normalizePlane(
                        input.base + (row * input.stride + channel * area), mean: means.base[channel],
                        factor: weight.map { scale * $0.base[channel] } ?? scale, bias: bias?.base[channel] ?? 0,
                        rectifies: rectifies, into: output.base + (row * output.stride + channel * area), count: area)
                }
            }
        }
    }

    /// What `normalizeChannelsGradient` takes beside its operands for so many leaves, `normalizeGroupsGradient` for so many rows.
    package static func channelNormalizationScratch(sums: Int, channels: Int) -> KernelScratch {
        KernelScratch(packed: sums * 2 * channels)
    }
}
