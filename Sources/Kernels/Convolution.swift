import CProcessor
import Storage

/// Convolutions of images, `channels` × `height` × `width` numbers a row.
///
/// Directly computed, every element of the output is one chain of fused multiply-adds from 0 over channel (of its group), tap row and
/// tap column in ascending order; then the bias is added. Every element of the input gradient is such a chain over filter, tap row
/// and tap column, over those taps through which an output can read it. Taps that lie in the padding (in the gradient: outside the
/// outputs) take part as products with 0, so an infinite weight makes NaN there.
///
/// Convolutions of 3 × 3 (`ConvolutionShape.isWinograd`) are computed by tiles of 4 × 4 outputs (`Tiles/WinogradTiles.swift`): for each
/// frequency one chain over channels or filters, in the weight gradient over a leaf's rows and tiles in order, between transformations
/// of a fixed order. So a number that is not finite makes all of its tile so.
///
/// Either way the bits depend neither on rows, threads nor the width of vectors.
extension Workspace {
    /// `output` = activation(the convolution of `input` with `weights`, plus `bias`), as PyTorch's `conv2d`.
    ///
    /// - Parameters:
    ///   - weights: all filters, one behind the other.
    ///   - bias: one for each filter.
    package func convolution(
        _ input: MatrixView, _ weights: MatrixView, bias: MatrixView?, shape: ConvolutionShape,
        activation: Activation? = nil, into output: MutableMatrixView
    ) {
        precondition(
            input.columns == shape.inputCount && output.columns == shape.outputCount && output.rows == input.rows
                && weights.count == shape.weightCount && bias?.count ?? shape.filters == shape.filters,
            "\(input.rows)×\(input.columns) and \(weights.count) weights into \(output.rows)×\(output.columns) for \(shape)")
        if let weights = eightBits?.convolutions[weights.base] {
            convolution(input, eightBits: weights, bias: bias, shape: shape, rectifies: activation == .relu, into: output)
        } else if shape.isDense {
            innerProducts(
                input, weights.reshaped(rows: shape.filters, columns: shape.filterCount), bias: bias,
                activation: activation == .relu ? .relu : nil, into: output)
        } else {
            run(shape.forward, input, weights, bias: bias, rectifies: activation == .relu, into: output)
        }
        activateRows(activation, output)
    }

    /// The input gradient: `gradient` = the convolution's transpose, of `outputGradient`. With `bias` (one for each channel) and
    /// `activation` it is PyTorch's `conv_transpose2d`, whose weights have the same layout with the roles of channels and filters exchanged.
    package func convolutionInputGradient(
        _ outputGradient: MatrixView, _ weights: MatrixView, bias: MatrixView? = nil, shape: ConvolutionShape,
        activation: Activation? = nil, into gradient: MutableMatrixView
    ) {
        precondition(
            gradient.columns == shape.inputCount && outputGradient.columns == shape.outputCount
                && gradient.rows == outputGradient.rows && weights.count == shape.weightCount
                && bias?.count ?? shape.channels == shape.channels,
            "\(outputGradient.rows)×\(outputGradient.columns) and \(weights.count) weights into "
                + "\(gradient.rows)×\(gradient.columns) for \(shape)")
        if shape.isDense, bias == nil {
            inputGradient(
                outputGradient, weights.reshaped(rows: shape.filters, columns: shape.filterCount), into: gradient)
            return activateRows(activation, gradient, all: true)
        }
        for phase in 0..<shape.phases {
            run(
                shape.inputGradient(phase: phase), outputGradient, weights, bias: bias, rectifies: activation == .relu,
                into: gradient)
        }
        activateRows(activation, gradient)
    }

    /// The weight gradient: `gradient` (all filters, one behind the other), summed over the tree of leaves of `leafRows` rows each
    /// (the last may be short). Directly computed, every element is one chain over the rows of a leaf, and in each over output
    /// rows and columns in order; leaves are added along the tree.
    package func convolutionWeightGradient(
        _ outputGradient: MatrixView, _ input: MatrixView, shape: ConvolutionShape, leafRows: Int,
        into gradient: MutableMatrixView
    ) {
        let rows = input.rows
        precondition(
            input.columns == shape.inputCount && outputGradient.columns == shape.outputCount && outputGradient.rows == rows
                && gradient.count == shape.weightCount && leafRows > 0,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients and \(rows)×\(input.columns) into "
                + "\(gradient.count) for \(shape)")
        if shape.isDense {
            let filters = gradient.reshaped(rows: shape.filters, columns: shape.filterCount)
            return weightGradient(outputGradient, input, leafRows: leafRows, into: filters)
        }
        let pass = shape.forward
        let levels = SummationTree(rows: rows, leafRows: leafRows).stackHeight
        let scratch = threadRooms(count: convolutions.gradientScratch(pass, leafRows, levels, threadCount))
        parallel(convolutions.gradientUnits(pass, leafRows, threadCount)) { thread, units in
            convolutions.weightGradient(
                pass, outputGradient.base, outputGradient.stride, input.base, input.stride, rows, leafRows, levels,
                threadCount, units, gradient.base, gradient.cached, scratch[thread])
            // For what this thread wrote past the caches nobody else can do it.
            Processor.finishStreaming()
        }
    }

    /// What the three directions take beside their operands, on so many threads.
    package static func convolutionScratch(
        _ shape: ConvolutionShape, rows: Int, leafRows: Int, threads: Int
    ) -> KernelScratch {
        let products = productScratch(rows: rows, inputs: shape.inputCount, outputs: shape.outputCount, leafRows: leafRows)
        let loops = ConvolutionLoops.of(.best)
        let levels = SummationTree(rows: rows, leafRows: leafRows).stackHeight
        let passes = [shape.forward] + (0..<shape.phases).map(shape.inputGradient).filter { $0.hasTaps }
        let gradient = loops.gradientScratch(shape.forward, leafRows, levels, threads)
        // A call may have fewer rows, which may be cut into larger blocks; beyond some hundred that no longer matters.
        func scratch(_ pass: ConvolutionPass) -> Int {
            (1...max(1, min(rows, 512))).reduce(loops.scratch(pass, rows)) { max($0, loops.scratch(pass, $1)) }
        }
        return KernelScratch(
            packed: passes.map(loops.weightCount).reduce(shape.isDense ? products.packed : 0, max),
            perThread: passes.map(scratch).reduce(shape.isDense ? max(gradient, products.perThread) : gradient, max)
        )
    }

    private func run(
        _ pass: ConvolutionPass, _ source: MatrixView, _ weights: MatrixView, bias: MatrixView?, rectifies: Bool,
        into target: MutableMatrixView
    ) {
        let rows = source.rows
        guard rows > 0 else { return }
        guard pass.hasTaps else {
            return fill(pass, bias: bias, rectifies: rectifies, into: target)
        }
        let packed = packing(count: convolutions.weightCount(pass)).base
        parallel(convolutions.weightBlocks(pass, rows)) { _, blocks in
            convolutions.packWeights(pass, rows, weights.base, blocks, packed)
        }
        let scratch = threadRooms(count: convolutions.scratch(pass, rows))
        parallel(convolutions.units(pass, rows)) { thread, units in
            convolutions.convolve(
                pass, source.base, source.stride, rows, UnsafePointer(packed), bias?.base, rectifies, units, target.base,
                target.stride, scratch[thread])
        }
    }

    /// Where no tap reads: sums of nothing.
    private func fill(_ pass: ConvolutionPass, bias: MatrixView?, rectifies: Bool, into target: MutableMatrixView) {
        let plane = pass.target_height * pass.target_width
        // With the columns between they lie side by side.
        let columns = pass.output_columns + pass.between_columns
        let step = pass.between_columns > 0 ? 1 : pass.target_column_step
        parallel(target.rows) { _, rows in
            for row in rows {
                for channel in 0..<pass.groups * pass.outputs {
                    let sum = 0 + (bias?.base[channel] ?? 0)
                    let value = rectifies && sum <= 0 ? 0 : sum
                    for y in 0..<pass.output_rows {
                        var element =
                            target.base + row * target.stride + channel * plane
                            + (pass.target_row + y * pass.target_row_step) * pass.target_width + pass.target_column
                        for _ in 0..<columns {
                            element.pointee = value
                            element += step
                        }
                    }
                }
            }
        }
    }

    /// What isn't done by the loops themselves.
    private func activateRows(_ activation: Activation?, _ output: MutableMatrixView, all: Bool = false) {
        guard let activation, all || activation != .relu else { return }
        if output.readOnly.isContiguous { return activate(activation, output.readOnly, into: output) }
        for row in 0..<output.rows {
            activate(activation, output.readOnly[rows: row..<row + 1], into: output[rows: row..<row + 1])
        }
    }
}
