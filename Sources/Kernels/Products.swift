import Storage

/// The matrix products of a dense layer.
///
/// Every element is one chain of fused multiply-adds over the summed index in ascending order; then the bias is added. So
/// its bits depend neither on the tile that it falls into, nor on rows, threads, blocks or the width of vectors. In the
/// weight gradient the chain covers the rows of one leaf (micro-batch), and the leaves are added up along the summation
/// tree while the tile is still in registers, so that exactness costs nothing. Rows of every operand may lie apart.
extension Workspace {
    /// `output` = activation(`input` · `weights`ᵀ + `bias`); shapes rows × k, columns × k, 1 × columns and rows × columns.
    package func innerProducts(
        _ input: MatrixView, _ weights: MatrixView, bias: MatrixView?,
        activation: Activation? = nil, into output: MutableMatrixView
    ) {
        precondition(
            input.columns == weights.columns && output.rows == input.rows && output.columns == weights.rows,
            "\(input.rows)×\(input.columns) times the transpose of \(weights.rows)×\(weights.columns) into "
                + "\(output.rows)×\(output.columns)")
        precondition(bias?.count ?? weights.rows == weights.rows, "\(bias?.count ?? 0) biases for \(weights.rows) units")
        let panels = packing(count: tiles.transposedCount(rows: input.rows, depth: input.columns, width: tiles.width))
        tiles.packTransposed(input, width: tiles.width, into: panels.numbers)
        let scratch = threadRooms(count: tiles.innerProductScratch)
        parallel(weights.rows, unit: 16) { thread, units in
            tiles.innerProducts(
                UnsafePointer(panels.base), input, weights, bias: bias?.base, rectifies: activation == .relu,
                units: units, into: output, scratch: scratch[thread])
        }
        if let activation, activation != .relu { activate(activation, output.readOnly, into: output) }
    }

    /// The weight gradient: `gradient` = `outputGradient`ᵀ · `input`, summed over the tree of leaves of `leafRows` rows
    /// each (the last may be short). Shapes rows × outputs, rows × inputs, outputs × inputs.
    ///
    /// - Parameter continues: whether the rows go on with the leaf whose first rows are summed in `gradient` already, so that
    ///   a leaf may be computed in pieces with the same bits.
    package func weightGradient(
        _ outputGradient: MatrixView, _ input: MatrixView, leafRows: Int, continues: Bool = false,
        into gradient: MutableMatrixView
    ) {
        weightGradient(
            outputGradient, packed: packedColumns(outputGradient), input, leafRows: leafRows, continues: continues,
            into: gradient)
    }

    /// The same for two inputs, whose weights one behind the other would be one weight; nil where nobody asks.
    package func weightGradients(
        _ outputGradient: MatrixView, _ first: MatrixView, _ second: MatrixView, leafRows: Int,
        into firstGradient: MutableMatrixView?, _ secondGradient: MutableMatrixView?
    ) {
        let packed = packedColumns(outputGradient)
        if let firstGradient {
            weightGradient(outputGradient, packed: packed, first, leafRows: leafRows, continues: false, into: firstGradient)
        }
        if let secondGradient {
            weightGradient(outputGradient, packed: packed, second, leafRows: leafRows, continues: false, into: secondGradient)
        }
    }

    /// An output gradient as weight gradients want it.
    private func packedColumns(_ outputGradient: MatrixView) -> UnsafePointer<Float> {
        guard tiles.packsOutputGradient(outputGradient) else { return outputGradient.base }
        let panels = packing(count: outputGradient.rows * outputGradient.columns)
        tiles.packColumns(outputGradient, into: panels.numbers)
        return UnsafePointer(panels.base)
    }

    private func weightGradient(
        _ outputGradient: MatrixView, packed left: UnsafePointer<Float>, _ input: MatrixView, leafRows: Int, continues: Bool,
        into gradient: MutableMatrixView
    ) {
        precondition(!continues || input.rows <= leafRows, "\(input.rows) rows that go on with a leaf of \(leafRows)")
        precondition(
            outputGradient.rows == input.rows && gradient.rows == outputGradient.columns
                && gradient.columns == input.columns && leafRows > 0,
            "the transpose of \(outputGradient.rows)×\(outputGradient.columns) times "
                + "\(input.rows)×\(input.columns) into \(gradient.rows)×\(gradient.columns)")
        let levels = SummationTree(rows: input.rows, leafRows: leafRows).stackHeight
        let scratch = threadRooms(count: tiles.weightGradientScratch(rows: input.rows, levels: levels))
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.weightGradient(
                left, stride: outputGradient.stride, input, leafRows: leafRows, levels: levels, continues: continues,
                columns: columns, into: gradient, scratch: scratch[thread])
            // For what this thread wrote past the caches nobody else can do it.
            Processor.finishStreaming()
        }
    }

    /// Multiply-adds in registers, of the vectors that the products above use and on all threads at once: what no product
    /// can pass. Returns the number of operations, a multiplication and an addition being two.
    package func multiplyAdds(rounds: Int) -> Int {
        let results = threadRooms(count: 1)
        parallel(threadCount) { thread, _ in
            // Kept, so that they must be computed.
            results[thread][0] = tiles.multiplyAdds(rounds: rounds, factor: 0.5)
        }
        return rounds * tiles.multiplyAddOperations * threadCount
    }

    /// What the three products of a layer take beside their operands.
    package static func productScratch(rows: Int, inputs: Int, outputs: Int, leafRows: Int) -> KernelScratch {
        let tiles = TileLoops.of(.best)
        let levels = SummationTree(rows: rows, leafRows: leafRows).stackHeight
        let packed = [
            tiles.transposedCount(rows: rows, depth: inputs, width: tiles.width), rows * outputs,
            tiles.transposedCount(rows: rows, depth: outputs, width: tiles.height)
        ]
        let perThread = [
            tiles.innerProductScratch, tiles.weightGradientScratch(rows: rows, levels: levels),
            tiles.inputGradientScratch
        ]
        return KernelScratch(packed: packed.max() ?? 0, perThread: perThread.max() ?? 0)
    }

    /// The input gradient: `gradient` = `outputGradient` · `weights`. Shapes rows × outputs, outputs × inputs,
    /// rows × inputs.
    package func inputGradient(_ outputGradient: MatrixView, _ weights: MatrixView, into gradient: MutableMatrixView) {
        precondition(
            outputGradient.columns == weights.rows && gradient.rows == outputGradient.rows
                && gradient.columns == weights.columns,
            "\(outputGradient.rows)×\(outputGradient.columns) times \(weights.rows)×\(weights.columns) into "
                + "\(gradient.rows)×\(gradient.columns)")
        let panels = packing(
            count: tiles.transposedCount(
                rows: outputGradient.rows, depth: outputGradient.columns,
                width: tiles.height))
        tiles.packTransposed(outputGradient, width: tiles.height, into: panels.numbers)
        let scratch = threadRooms(count: tiles.inputGradientScratch)
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.inputGradient(
                UnsafePointer(panels.base), weights, columns: columns, into: gradient,
                scratch: scratch[thread])
        }
    }
}
