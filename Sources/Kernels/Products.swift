import Storage

/// The matrix products of a dense layer.
///
/// Every element is one chain of fused multiply-adds over the summed index in ascending order; then the bias is added. So
/// its bits depend neither on the tile that it falls into, nor on rows, threads, blocks or the width of vectors. In the
/// weight gradient the chain covers the rows of one leaf (micro-batch), and the leaves are added up along the summation
/// tree while the tile is still in registers, so that exactness costs nothing.
extension Workspace {
    /// `output` = activation(`input` · `weights`ᵀ + `bias`); shapes rows × k, columns × k, 1 × columns and rows × columns.
    package func innerProducts(_ input: MatrixView, _ weights: MatrixView, bias: MatrixView?,
                               activation: Activation? = nil, into output: MutableMatrixView) {
        precondition(input.columns == weights.columns && output.rows == input.rows && output.columns == weights.rows,
                     "\(input.rows)×\(input.columns) times the transpose of \(weights.rows)×\(weights.columns) into "
                         + "\(output.rows)×\(output.columns)")
        precondition(bias?.count ?? weights.rows == weights.rows, "\(bias?.count ?? 0) biases for \(weights.rows) units")
        let tiles = TileLoops(vectors: vectors)
        let panels = packing(count: tiles.transposedCount(rows: input.rows, depth: input.columns, width: tiles.width))
        tiles.packTransposed(input, width: tiles.width, into: panels)
        let perThread = tiles.scratchCount(rows: input.rows), scratch = tileScratch(perThread: perThread)
        parallel(weights.rows, unit: 16) { thread, units in
            tiles.innerProducts(panels, input, weights, bias: bias?.base, rectifies: activation == .relu, units: units,
                                into: output, scratch: scratch + thread * perThread)
        }
        if let activation, activation != .relu { activate(activation, output.readOnly, into: output) }
    }

    /// The weight gradient: `gradient` = `outputGradient`ᵀ · `input`, summed over the tree of leaves of `leafRows` rows
    /// each (the last may be short). Shapes rows × outputs, rows × inputs, outputs × inputs.
    package func weightGradient(_ outputGradient: MatrixView, _ input: MatrixView, leafRows: Int,
                                into gradient: MutableMatrixView) {
        precondition(outputGradient.rows == input.rows && gradient.rows == outputGradient.columns
                         && gradient.columns == input.columns && leafRows > 0,
                     "the transpose of \(outputGradient.rows)×\(outputGradient.columns) times "
                         + "\(input.rows)×\(input.columns) into \(gradient.rows)×\(gradient.columns)")
        let tiles = TileLoops(vectors: vectors)
        var left = outputGradient.base
        if tiles.packsOutputGradient(outputGradient) {
            let panels = packing(count: outputGradient.count)
            tiles.packColumns(outputGradient, into: panels)
            left = UnsafePointer(panels)
        }
        let perThread = tiles.scratchCount(rows: input.rows), scratch = tileScratch(perThread: perThread)
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.weightGradient(left, input, leafRows: leafRows, columns: columns, into: gradient,
                                 scratch: scratch + thread * perThread)
            // For what this thread wrote past the caches nobody else can do it.
            Processor.finishStreaming()
        }
    }

    /// The input gradient: `gradient` = `outputGradient` · `weights`. Shapes rows × outputs, outputs × inputs,
    /// rows × inputs.
    package func inputGradient(_ outputGradient: MatrixView, _ weights: MatrixView, into gradient: MutableMatrixView) {
        precondition(outputGradient.columns == weights.rows && gradient.rows == outputGradient.rows
                         && gradient.columns == weights.columns,
                     "\(outputGradient.rows)×\(outputGradient.columns) times \(weights.rows)×\(weights.columns) into "
                         + "\(gradient.rows)×\(gradient.columns)")
        let tiles = TileLoops(vectors: vectors)
        let panels = packing(count: tiles.transposedCount(rows: outputGradient.rows, depth: outputGradient.columns,
                                                          width: tiles.height))
        tiles.packTransposed(outputGradient, width: tiles.height, into: panels)
        let perThread = tiles.scratchCount(rows: gradient.rows), scratch = tileScratch(perThread: perThread)
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.inputGradient(panels, weights, columns: columns, into: gradient, scratch: scratch + thread * perThread)
        }
    }
}
