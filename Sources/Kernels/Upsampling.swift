import Storage

/// Larger images, `channels` × `height` × `width` numbers a row into `channels` × `outputHeight` × `outputWidth`.
package struct UpsamplingShape: Sendable, Hashable {
    /// How numbers between are found.
    package enum Mode: Sendable, Hashable {
        /// The one at ⌊i · input / output⌋, as PyTorch's `nearest`.
        case nearest
        /// Between the two neighbours of (i + ½) · input / output − ½ on each axis, as PyTorch's `bilinear` without
        /// `align_corners`.
        case bilinear
    }

    package let mode: Mode
    package let channels: Int, height: Int, width: Int
    package let outputHeight: Int, outputWidth: Int

    package init(
        mode: Mode, channels: Int, height: Int, width: Int, outputHeight: Int, outputWidth: Int
    ) throws(ConvolutionShape.Problem) {
        let sizes = [channels, height, width, outputHeight, outputWidth]
        guard sizes.allSatisfy({ $0 > 0 }) else { throw .notPositive }
        guard sizes.allSatisfy({ $0 < 1 << 20 }) else { throw .tooLarge }
        self.mode = mode
        self.channels = channels
        self.height = height
        self.width = width
        self.outputHeight = outputHeight
        self.outputWidth = outputWidth
    }

    package var inputCount: Int { channels * height * width }
    package var outputCount: Int { channels * outputHeight * outputWidth }

    /// Where an output place's number comes from: two neighbours, and the second one's share.
    struct Source {
        let first: Int, second: Int
        let share: Float
    }

    func source(ofRow row: Int) -> Source { source(row, input: height, output: outputHeight) }
    func source(ofColumn column: Int) -> Source { source(column, input: width, output: outputWidth) }

    private func source(_ place: Int, input: Int, output: Int) -> Source {
        // In Float, as PyTorch computes it.
        let scale = Float(input) / Float(output)
        switch mode {
        case .nearest:
            let first = min(input - 1, Int(Float(place) * scale))
            return Source(first: first, second: first, share: 0)
        case .bilinear:
            let exact = max(0, scale * (Float(place) + 0.5) - 0.5)
            let first = min(input - 1, Int(exact))
            return Source(first: first, second: min(input - 1, first + 1), share: exact - Float(first))
        }
    }

    /// Numbers that a call takes beside its operands, as packed ones: the sources of all columns.
    package var packed: Int { wholeSources * outputWidth }
    private var wholeSources: Int { MemoryLayout<Source>.stride / MemoryLayout<Float>.stride }
}

extension Workspace {
    /// `output` = the larger images.
    package func upsample(_ input: MatrixView, shape: UpsamplingShape, into output: MutableMatrixView) {
        precondition(
            input.columns == shape.inputCount && output.columns == shape.outputCount && input.rows == output.rows,
            "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns) for \(shape)")
        let columns = sources(shape)
        parallelPlanes(input.rows, shape.channels) { _, row, channel in
            let x = input.base + (row * input.stride + channel * shape.height * shape.width)
            let y = output.base + (row * output.stride + channel * shape.outputHeight * shape.outputWidth)
            for outputRow in 0..<shape.outputHeight {
                let source = shape.source(ofRow: outputRow)
                let to = y + outputRow * shape.outputWidth
                if shape.mode == .nearest, outputRow > 0, source.first == shape.source(ofRow: outputRow - 1).first {
                    to.update(from: to - shape.outputWidth, count: shape.outputWidth)
                    continue
                }
                let upper = x + source.first * shape.width
                let lower = x + source.second * shape.width
                if shape.mode == .nearest {
                    for column in 0..<shape.outputWidth { to[column] = upper[columns[column].first] }
                } else {
                    for column in 0..<shape.outputWidth {
                        let place = columns[column]
                        let right = place.share
                        let left = 1 - right
                        let above = left * upper[place.first] + right * upper[place.second]
                        let below = left * lower[place.first] + right * lower[place.second]
                        to[column] = (1 - source.share) * above + source.share * below
                    }
                }
            }
        }
    }

    /// The gradient of `upsample`: every number's sum over the places that it has a share in, these in order.
    package func upsampleGradient(_ outputGradient: MatrixView, shape: UpsamplingShape, into inputGradient: MutableMatrixView) {
        precondition(
            inputGradient.columns == shape.inputCount && outputGradient.columns == shape.outputCount
                && inputGradient.rows == outputGradient.rows,
            "\(outputGradient.rows)×\(outputGradient.columns) into \(inputGradient.rows)×\(inputGradient.columns) for \(shape)")
        let columns = sources(shape)
        parallelPlanes(outputGradient.rows, shape.channels) { _, row, channel in
            let g =
                outputGradient.base + (row * outputGradient.stride + channel * shape.outputHeight * shape.outputWidth)
            let target = inputGradient.base + (row * inputGradient.stride + channel * shape.height * shape.width)
            target.update(repeating: 0, count: shape.height * shape.width)
            for outputRow in 0..<shape.outputHeight {
                let source = shape.source(ofRow: outputRow)
                let from = g + outputRow * shape.outputWidth
                let upper = target + source.first * shape.width
                let lower = target + source.second * shape.width
                if shape.mode == .nearest {
                    for column in 0..<shape.outputWidth { upper[columns[column].first] += from[column] }
                } else {
                    for column in 0..<shape.outputWidth {
                        let place = columns[column]
                        let above = (1 - source.share) * from[column]
                        let below = source.share * from[column]
                        upper[place.first] += (1 - place.share) * above
                        upper[place.second] += place.share * above
                        lower[place.first] += (1 - place.share) * below
                        lower[place.second] += place.share * below
                    }
                }
            }
        }
    }

    /// The sources of all columns, valid until the next call.
    private func sources(_ shape: UpsamplingShape) -> UnsafePointer<UpsamplingShape.Source> {
        // The room is used for nothing else in this call.
        let columns = UnsafeMutableRawPointer(packing(count: shape.packed).base)
            .bindMemory(to: UpsamplingShape.Source.self, capacity: shape.outputWidth)
        for column in 0..<shape.outputWidth { (columns + column).initialize(to: shape.source(ofColumn: column)) }
        return UnsafePointer(columns)
    }
}
