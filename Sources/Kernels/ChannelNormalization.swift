import Storage

/// Batch normalisation of images: every channel over the rows and positions of a leaf.
///
/// y = (x − μ)·(r·γ) + β with r = 1/√(σ² + ε); x̂ = (x − μ)·r. A row's bits depend on its leaf alone. Rows are `channels` planes of
/// equally many numbers. Sums are made and used for some neighbouring channels at a time, so that they are still near when they
/// are read again; how many never shows.
extension Workspace {
    /// Every channel of each leaf to mean 0 and variance 1, times `weight`, plus `bias`, plus `shortcut`.
    ///
    /// - Parameters:
    ///   - shortcut: what is added, number by number; it may be `output`.
    ///   - rectifies: whether what isn't above 0 becomes 0.
    ///   - moments: for each leaf a row: the means, and behind them 1/√(σ² + ε) with the biased variance.
    ///   - sums: where for each leaf the count of numbers in a channel, their sums, and the unbiased variances times the count go;
    ///     nil where nobody asks.
    package func normalizeChannels(
        _ input: MatrixView, channels: Int, leafRows: Int, epsilon: Double, weight: MatrixView?, bias: MatrixView?,
        adding shortcut: MatrixView? = nil, rectifies: Bool = false, moments: MutableMatrixView, sums: LeafSums?,
        into output: MutableMatrixView
    ) {
        let leaves = (input.rows + leafRows - 1) / leafRows
        let area = input.columns / channels
        precondition(
            output.readOnly.hasShape(of: input) && channels * area == input.columns && moments.rows == leaves
                && moments.columns == 2 * channels && weight?.count ?? channels == channels
                && bias?.count ?? channels == channels && shortcut?.hasShape(of: input) ?? true
                && sums?.leaves ?? leaves >= leaves && sums?.count ?? (1 + 2 * channels) == 1 + 2 * channels,
            "\(input.rows)×\(input.columns) in \(channels) channels and leaves of \(leafRows) into "
                + "\(output.rows)×\(output.columns)")
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
            let moments = moments.row(leaf)
            for (index, channel) in some.enumerated() {
                let mean = room[index].mean(count)
                let deviation = room[index].deviation(count)
                moments[channel] = Float(mean)
                moments[channels + channel] = Float(1 / (deviation / Double(count) + epsilon).squareRoot())
                guard let sums = sums?.leaf(leaf) else { continue }
                if channel == 0 { sums[0] = Double(count) }
                sums[1 + channel] = mean * Double(count)
                sums[1 + channels + channel] = deviation / Double(count - 1) * Double(count)
            }
            for row in rows {
                for channel in some {
                    let scale = moments[channels + channel]
                    PlaneNormalization(
                        mean: moments[channel], factor: weight.map { scale * $0.base[channel] } ?? scale,
                        bias: bias?.base[channel] ?? 0, rectifies: rectifies
                    ).apply(
                        input.base + (row * input.stride + channel * area),
                        adding: shortcut.map { $0.base + (row * $0.stride + channel * area) },
                        into: output.base + (row * output.stride + channel * area), count: area,
                        ahead: (output.stride, shortcut?.stride ?? 0))
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
        let leafGradients = packing(count: leaves * 2 * channels)
        eachLeaf(rows: input.rows, leafRows: leafRows, channels: channels, area: area) {
            (leaf, rows, some, room: SumsRoom<PlaneGradientSums>) in
            let moments = moments.row(leaf)
            for index in 0..<some.count { room[index] = PlaneGradientSums() }
            for row in rows {
                for (index, channel) in some.enumerated() {
                    let place = channel * area
                    room.update(index) {
                        $0.add(
                            outputGradient.base + (row * outputGradient.stride + place),
                            input.base + (row * input.stride + place),
                            y: rectified.map { $0.base + (row * $0.stride + place) }, mean: moments[channel], count: area,
                            ahead: (outputGradient.stride, input.stride, rectified?.stride ?? 0))
                    }
                }
            }
            for (index, channel) in some.enumerated() {
                let scale = moments[channels + channel]
                room.update(index) { $0.finish(rows.count * area, scale: scale) }
                leafGradients.base[leaf * 2 * channels + channel] = Float(room[index].product(scale: scale))
                leafGradients.base[leaf * 2 * channels + channels + channel] = Float(room[index].gradient)
            }
            guard let inputGradient else { return }
            for row in rows {
                for (index, channel) in some.enumerated() {
                    let place = channel * area
                    let scale = moments[channels + channel]
                    PlaneNormalizationGradient(
                        mean: moments[channel], scale: scale, weight: 1, meanGradient: room[index].meanGradient,
                        meanProduct: room[index].meanProduct, factor: weight.map { scale * $0.base[channel] } ?? scale
                    ).apply(
                        outputGradient.base + (row * outputGradient.stride + place), input.base + (row * input.stride + place),
                        y: rectified.map { $0.base + (row * $0.stride + place) },
                        into: inputGradient.base + (row * inputGradient.stride + place), count: area,
                        ahead: inputGradient.stride)
                }
            }
        }
        let each = MatrixView(base: leafGradients.base, rows: leaves, columns: 2 * channels)
        if let weightGradient { columnSums(each[columns: 0..<channels], leafRows: 1, into: weightGradient) }
        if let biasGradient { columnSums(each[columns: channels..<2 * channels], leafRows: 1, into: biasGradient) }
    }

    /// `output` = (`input` − `means`)·(`scales`·`weight`) + `bias` + `shortcut`, channel by channel.
    package func normalizeChannels(
        _ input: MatrixView, channels: Int, means: MatrixView, scales: MatrixView, weight: MatrixView?,
        bias: MatrixView?, adding shortcut: MatrixView? = nil, rectifies: Bool = false, into output: MutableMatrixView
    ) {
        let area = input.columns / channels
        precondition(
            output.readOnly.hasShape(of: input) && channels * area == input.columns && means.count == channels
                && scales.count == channels && weight?.count ?? channels == channels && bias?.count ?? channels == channels
                && shortcut?.hasShape(of: input) ?? true,
            "\(input.rows)×\(input.columns) in \(channels) channels into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                for channel in 0..<channels {
                    let scale = scales.base[channel]
                    PlaneNormalization(
                        mean: means.base[channel], factor: weight.map { scale * $0.base[channel] } ?? scale,
                        bias: bias?.base[channel] ?? 0, rectifies: rectifies
                    ).apply(
                        input.base + (row * input.stride + channel * area),
                        adding: shortcut.map { $0.base + (row * $0.stride + channel * area) },
                        into: output.base + (row * output.stride + channel * area), count: area, ahead: (area, area))
                }
            }
        }
    }

    /// Calls `body` for some neighbouring channels of each leaf at a time, with its rows and room for the sums of these channels.
    func eachLeaf<Sums: BitwiseCopyable>(
        rows: Int, leafRows: Int, channels: Int, area: Int,
        _ body: (_ leaf: Int, _ rows: Range<Int>, _ channels: Range<Int>, _ room: SumsRoom<Sums>) -> Void
    ) {
        // From 4 KB of each row the processor foresees what is read next; what leaves of up to 64 rows have of it stays near.
        let wanted = min(1024, 65_536 / max(1, min(rows, leafRows))) / area
        let each = max(1, min(wanted, Self.mostChannelsAtOnce, channels / threadCount))
        let parts = (channels + each - 1) / each
        let rooms = threadRooms(count: each * SumsRoom<Sums>.floats)
        parallel((rows + leafRows - 1) / leafRows * parts) { thread, units in
            guard let room = SumsRoom<Sums>(rooms[thread], channels: each) else { return }
            for unit in units {
                let first = unit / parts * leafRows
                let channel = unit % parts * each
                body(unit / parts, first..<min(first + leafRows, rows), channel..<min(channel + each, channels), room)
            }
        }
    }

    private static let mostChannelsAtOnce = 32

    /// What `normalizeChannelsGradient` takes beside its operands for so many leaves, `normalizeGroupsGradient` for so many rows.
    package static func channelNormalizationScratch(sums: Int, channels: Int) -> KernelScratch {
        KernelScratch(
            packed: sums * 2 * channels,
            perThread: min(channels, mostChannelsAtOnce)
                * max(SumsRoom<PlaneMoments>.floats, SumsRoom<PlaneGradientSums>.floats))
    }
}
