import Storage
import Tiles
#if WIDE_TILES
import TilesWide
#endif

/// The loops of the products in the build that was chosen. What they read and write must have been checked.
struct TileLoops {
    let vectors: VectorWidth

    /// Rows of a tile.
    var height: Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.tileHeight }
        #endif
        return Tiles.tileHeight
    }

    /// Columns of a tile.
    var width: Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.tileWidth }
        #endif
        return Tiles.tileWidth
    }

    /// Numbers that a thread needs for itself in `innerProducts`.
    var innerProductScratch: Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.innerProductScratch() }
        #endif
        return Tiles.innerProductScratch()
    }

    /// Numbers that a thread needs for itself in `weightGradient`.
    ///
    /// - Parameter levels: the most sums of leaves that wait at once.
    func weightGradientScratch(rows: Int, levels: Int) -> Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.weightGradientScratch(rows: rows, levels: levels) }
        #endif
        return Tiles.weightGradientScratch(rows: rows, levels: levels)
    }

    /// Numbers that a thread needs for itself in `inputGradient`.
    var inputGradientScratch: Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.inputGradientScratch() }
        #endif
        return Tiles.inputGradientScratch()
    }

    /// Numbers that `packTransposed` writes at most.
    func transposedCount(rows: Int, depth: Int, width: Int) -> Int {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.transposedCount(rows: rows, depth: depth, width: width)
        }
        #endif
        return Tiles.transposedCount(rows: rows, depth: depth, width: width)
    }

    /// Whether a weight gradient wants the output gradient packed by `packColumns`.
    func packsOutputGradient(_ gradient: MatrixView) -> Bool {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.packsOutputGradient(rows: gradient.rows, outputs: gradient.columns)
        }
        #endif
        return Tiles.packsOutputGradient(rows: gradient.rows, outputs: gradient.columns)
    }

    /// Panels of `width` rows each, element k of the rows of a panel side by side.
    func packTransposed(_ source: MatrixView, width: Int, into panels: UnsafeMutableBufferPointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.packTransposed(source.base, rows: source.rows, depth: source.columns, width: width,
                                      into: panels)
        }
        #endif
        Tiles.packTransposed(source.base, rows: source.rows, depth: source.columns, width: width,
                                      into: panels)
    }

    /// Panels of `height` columns each.
    func packColumns(_ source: MatrixView, into panels: UnsafeMutableBufferPointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.packColumns(source.base, rows: source.rows, columns: source.columns, into: panels)
        }
        #endif
        Tiles.packColumns(source.base, rows: source.rows, columns: source.columns, into: panels)
    }

    /// `output` = `input` · `weights`ᵀ + `bias` for some units; `panels` is `input`, transposed.
    func innerProducts(_ panels: UnsafePointer<Float>, _ input: MatrixView, _ weights: MatrixView,
                       bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>,
                       into output: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.innerProductTiles(panels, rows: input.rows, depth: input.columns, weights.base, bias: bias,
                                         rectifies: rectifies, units: units, into: output.base,
                                         resultStride: output.columns, scratch: scratch)
        }
        #endif
        Tiles.innerProductTiles(panels, rows: input.rows, depth: input.columns, weights.base, bias: bias,
                                         rectifies: rectifies, units: units, into: output.base,
                                         resultStride: output.columns, scratch: scratch)
    }

    /// Some columns of a weight gradient.
    func weightGradient(_ outputGradient: UnsafePointer<Float>, _ input: MatrixView, leafRows: Int, levels: Int,
                        columns: Range<Int>, into gradient: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.weightGradientTiles(outputGradient, input.base, rows: input.rows, outputs: gradient.rows,
                                           inputs: input.columns, leafRows: leafRows, levels: levels, columns: columns,
                                           into: gradient.base, kept: gradient.kept, scratch: scratch)
        }
        #endif
        Tiles.weightGradientTiles(outputGradient, input.base, rows: input.rows, outputs: gradient.rows,
                                           inputs: input.columns, leafRows: leafRows, levels: levels, columns: columns,
                                           into: gradient.base, kept: gradient.kept, scratch: scratch)
    }

    /// Some columns of an input gradient; `panels` is the output gradient, transposed.
    func inputGradient(_ panels: UnsafePointer<Float>, _ weights: MatrixView, columns: Range<Int>,
                       into gradient: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.inputGradientTiles(panels, rows: gradient.rows, outputs: weights.rows, weights.base,
                                          inputs: weights.columns, columns: columns, into: gradient.base,
                                          scratch: scratch)
        }
        #endif
        Tiles.inputGradientTiles(panels, rows: gradient.rows, outputs: weights.rows, weights.base,
                                          inputs: weights.columns, columns: columns, into: gradient.base,
                                          scratch: scratch)
    }

    /// Operations of `multiplyAdds` in a round.
    var multiplyAddOperations: Int {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.multiplyAddOperations }
        #endif
        return Tiles.multiplyAddOperations
    }

    /// As many multiply-adds as registers allow.
    func multiplyAdds(rounds: Int, factor: Float) -> Float {
        #if WIDE_TILES
        if vectors == .wide { return TilesWide.multiplyAdds(rounds: rounds, factor: factor) }
        #endif
        return Tiles.multiplyAdds(rounds: rounds, factor: factor)
    }
}
