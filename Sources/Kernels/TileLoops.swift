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

    /// Numbers that a thread needs for itself.
    func scratchCount(rows: Int) -> Int {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.threadScratch(rows: rows)
        }
        #endif
        return Tiles.threadScratch(rows: rows)
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
    func packTransposed(_ source: MatrixView, width: Int, into panels: UnsafeMutablePointer<Float>) {
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
    func packColumns(_ source: MatrixView, into panels: UnsafeMutablePointer<Float>) {
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
                       into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>) {
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
    func weightGradient(_ outputGradient: UnsafePointer<Float>, _ input: MatrixView, leafRows: Int,
                        columns: Range<Int>, into gradient: MutableMatrixView, scratch: UnsafeMutablePointer<Float>) {
        #if WIDE_TILES
        if vectors == .wide {
            return TilesWide.weightGradientTiles(outputGradient, input.base, rows: input.rows, outputs: gradient.rows,
                                           inputs: input.columns, leafRows: leafRows, columns: columns,
                                           into: gradient.base, kept: gradient.kept, scratch: scratch)
        }
        #endif
        Tiles.weightGradientTiles(outputGradient, input.base, rows: input.rows, outputs: gradient.rows,
                                           inputs: input.columns, leafRows: leafRows, columns: columns,
                                           into: gradient.base, kept: gradient.kept, scratch: scratch)
    }

    /// Some columns of an input gradient; `panels` is the output gradient, transposed.
    func inputGradient(_ panels: UnsafePointer<Float>, _ weights: MatrixView, columns: Range<Int>,
                       into gradient: MutableMatrixView, scratch: UnsafeMutablePointer<Float>) {
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
}
