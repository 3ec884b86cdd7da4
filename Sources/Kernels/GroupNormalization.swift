import Storage

/// Group normalisation: every row for itself, over the numbers of some neighbouring channels; with as many groups as channels
/// it is instance normalisation.
///
/// y = (x − μ)·(r·γ) + β with r = 1/√(σ² + ε), μ and σ² of the group, γ and β of the channel.
extension Workspace {
    /// Every group of channels of each row to mean 0 and variance 1, times the channels' `weight`, plus their `bias`.
    ///
    /// - Parameters:
    ///   - shortcut: what is added behind that; it may be `output`.
    ///   - rectifies: whether what isn't above 0 then becomes 0.
    ///   - moments: for each row the means of its groups, and behind them 1/√(σ² + ε).
    package func normalizeGroups(
        _ input: MatrixView, channels: Int, groups: Int, epsilon: Double, weight: MatrixView?, bias: MatrixView?,
        adding shortcut: MatrixView? = nil, rectifies: Bool = false, moments: MutableMatrixView,
        into output: MutableMatrixView
    ) {
        let area = input.columns / channels
        let each = channels / groups
        precondition(
            output.readOnly.hasShape(of: input) && channels * area == input.columns && groups * each == channels
                && moments.rows == input.rows && moments.columns == 2 * groups && weight?.count ?? channels == channels
                && bias?.count ?? channels == channels && shortcut?.hasShape(of: input) ?? true,
            "\(input.rows)×\(input.columns) in \(groups) groups of \(channels) channels into \(output.rows)×\(output.columns)")
        parallel(input.rows * groups) { _, units in
            for unit in units {
                let row = unit / groups
                let group = unit % groups
                let x = input.base + (row * input.stride + group * each * area)
                let y = output.base + (row * output.stride + group * each * area)
                // The next group lies right behind.
                let count = each * area
                var sums = PlaneMoments(first: x, count: count)
                sums.add(x, count: count, ahead: count)
                let mean = Float(sums.mean(count))
                let scale = Float(1 / (sums.deviation(count) / Double(count) + epsilon).squareRoot())
                moments.row(row)[group] = mean
                moments.row(row)[groups + group] = scale
                let added = shortcut.map { $0.base + (row * $0.stride + group * each * area) }
                for channel in 0..<each {
                    PlaneNormalization(
                        mean: mean, factor: weight.map { scale * $0.base[group * each + channel] } ?? scale,
                        bias: bias?.base[group * each + channel] ?? 0, rectifies: rectifies
                    ).apply(
                        x + channel * area, adding: added.map { $0 + channel * area }, into: y + channel * area, count: area,
                        ahead: (area, area))
                }
            }
        }
    }

    /// The gradient of `normalizeGroups`, with `moments` from it: the input's where it is wanted, and those of weight and bias:
    /// rows of a leaf in order, leaves along the tree.
    ///
    /// - Parameters:
    ///   - rectified: the output where `normalizeGroups` rectified it.
    ///   - continues: whether the rows go on with the leaf whose first rows the weight's and the bias's gradients hold.
    package func normalizeGroupsGradient(
        _ outputGradient: MatrixView, input: MatrixView, rectified: MatrixView? = nil, channels: Int, groups: Int,
        leafRows: Int, continues: Bool = false, weight: MatrixView?, moments: MatrixView,
        weightGradient: MutableMatrixView?, biasGradient: MutableMatrixView?, into inputGradient: MutableMatrixView?
    ) {
        let area = input.columns / channels
        let each = channels / groups
        precondition(
            outputGradient.hasShape(of: input) && channels * area == input.columns && groups * each == channels
                && rectified?.hasShape(of: input) ?? true && moments.rows == input.rows && moments.columns == 2 * groups
                && inputGradient?.readOnly.hasShape(of: input) ?? true && weight?.count ?? channels == channels
                && weightGradient?.count ?? channels == channels && biasGradient?.count ?? channels == channels,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(input.columns)")
        let rowGradients = packing(count: Self.channelNormalizationScratch(sums: input.rows, channels: channels).packed)
        parallel(input.rows * groups) { _, units in
            for unit in units {
                let row = unit / groups
                let group = unit % groups
                let mean = moments.row(row)[group]
                let scale = moments.row(row)[groups + group]
                var gradientSum = 0.0
                var productSum = 0.0
                for channel in group * each..<(group + 1) * each {
                    let offset = channel * area
                    var sums = PlaneGradientSums()
                    sums.add(
                        outputGradient.base + (row * outputGradient.stride + offset),
                        input.base + (row * input.stride + offset),
                        y: rectified.map { $0.base + (row * $0.stride + offset) }, mean: mean, count: area,
                        ahead: (area, area, area))
                    let product = sums.product(scale: scale)
                    rowGradients.base[row * 2 * channels + channel] = Float(product)
                    rowGradients.base[row * 2 * channels + channels + channel] = Float(sums.gradient)
                    let factor = Double(weight?.base[channel] ?? 1)
                    gradientSum += factor * sums.gradient
                    productSum += factor * product
                }
                guard let inputGradient else { continue }
                let count = Double(each * area)
                for channel in group * each..<(group + 1) * each {
                    let offset = channel * area
                    PlaneNormalizationGradient(
                        mean: mean, scale: scale, weight: weight?.base[channel] ?? 1,
                        meanGradient: Float(gradientSum / count), meanProduct: Float(productSum / count), factor: scale
                    ).apply(
                        outputGradient.base + (row * outputGradient.stride + offset),
                        input.base + (row * input.stride + offset),
                        y: rectified.map { $0.base + (row * $0.stride + offset) },
                        into: inputGradient.base + (row * inputGradient.stride + offset), count: area, ahead: area)
                }
            }
        }
        let gradients = MatrixView(base: rowGradients.base, rows: input.rows, columns: 2 * channels)
        if let weightGradient {
            columnSums(gradients[columns: 0..<channels], leafRows: leafRows, continues: continues, into: weightGradient)
        }
        if let biasGradient {
            columnSums(
                gradients[columns: channels..<2 * channels], leafRows: leafRows, continues: continues, into: biasGradient)
        }
    }
}
