import Storage
import Tiles

#if WIDE_TILES
    import TilesWide
#endif

/// The loops of the products in one of their two builds, which a workspace chooses when it is made: a call costs a jump to
/// what stands here. What the loops read and write must have been checked.
final class TileLoops: Sendable {
    /// Rows and columns of a tile.
    let height: Int, width: Int
    /// Numbers that a thread needs for itself in `innerProducts` and in `inputGradient`.
    let innerProductScratch: Int, inputGradientScratch: Int
    /// Operations of `multiplyAdds` in a round.
    let multiplyAddOperations: Int

    private let packing: Packing
    private let products: Products
    let gates: Gates
    private let multiplyAddLoop: @Sendable (Int, Float) -> Float

    typealias Numbers = UnsafePointer<Float>
    typealias Results = UnsafeMutablePointer<Float>
    private typealias Room = UnsafeMutableBufferPointer<Float>

    /// What is done to operands, as `Tiles` declares it.
    private struct Packing {
        let transposedCount: @Sendable (_ rows: Int, _ depth: Int, _ width: Int) -> Int
        let packTransposed: @Sendable (Numbers, _ rows: Int, _ depth: Int, _ stride: Int, _ width: Int, Room) -> Void
        let packsOutputGradient: @Sendable (_ rows: Int, _ outputs: Int, _ stride: Int) -> Bool
        let packColumns: @Sendable (Numbers, _ rows: Int, _ columns: Int, _ stride: Int, Room) -> Void
        let weightGradientScratch: @Sendable (_ rows: Int, _ levels: Int) -> Int
        let deepWeightGradientScratch: @Sendable () -> Int
        let stripCount: @Sendable (_ depth: Int, _ columns: Int) -> Int
        let packColumnStrips: @Sendable (Numbers, _ depth: Int, _ columns: Int, _ stride: Int, Room) -> Void
    }

    /// The three products, as `Tiles` declares them.
    private struct Products {
        let inner:
            @Sendable (
                _ panels: Numbers, _ rows: Int, _ depth: Int, _ weights: Numbers, _ weightStride: Int, _ bias: Numbers?,
                _ rectifies: Bool, _ units: Range<Int>, Results, _ resultStride: Int, _ scratch: Room
            ) -> Void
        let weightGradient:
            @Sendable (
                _ outputGradient: Numbers, _ gradientStride: Int, _ input: Numbers, _ inputStride: Int, _ rows: Int,
                _ outputs: Int, _ leafRows: Int, _ levels: Int, _ continues: Bool, _ columns: Range<Int>,
                Results, _ resultStride: Int, _ cached: Range<Int>, _ scratch: Room
            ) -> Void
        let inputGradient:
            @Sendable (
                _ panels: Numbers, _ rows: Int, _ outputs: Int, _ weights: Numbers, _ weightStride: Int, _ inputs: Int,
                _ columns: Range<Int>, Results, _ resultStride: Int, _ scratch: Room
            ) -> Void
        let deepWeightGradient:
            @Sendable (
                _ panels: Numbers, _ input: Numbers, _ inputStride: Int, _ rows: Int, _ leaf: Range<Int>, _ outputs: Int,
                _ continues: Bool, _ columns: Range<Int>, Results, _ resultStride: Int, _ scratch: Room
            ) -> Void
        let rows:
            @Sendable (
                _ left: Numbers, _ leftStride: Int, _ rows: Int, _ depth: Int, _ strips: Numbers, _ packedDepth: Int,
                _ columns: Int, _ resumes: Bool, Results, _ resultStride: Int
            ) -> Void
        let columns:
            @Sendable (
                _ left: Numbers, _ leftStride: Int, _ rows: Int, _ depth: Int, _ strips: Numbers, _ columns: Int,
                _ resumes: Bool, Results, _ resultStride: Int
            ) -> Void
    }

    /// What a recurrent layer's step does behind its products, as `Tiles` declares it.
    struct Gates {
        let advanceSimple:
            @Sendable (_ units: Int, _ sums: Numbers, _ bias: Numbers, _ rectifies: Bool, _ h: Results, _ kept: Results?) ->
                Void
        let advanceLSTM:
            @Sendable (_ units: Int, _ sums: Numbers, _ bias: Numbers, _ h: Results, _ c: Results, _ kept: Results?) -> Void
        let advanceGRU:
            @Sendable (
                _ units: Int, _ sums: Numbers, _ ofInputs: Numbers, _ ofStates: Numbers, _ bias: Numbers, _ h: Results,
                _ kept: Results?
            ) -> Void
        let retreatSimple:
            @Sendable (
                _ units: Int, _ rectifies: Bool, _ kept: Numbers, _ previous: Numbers?, _ initial: Numbers?, _ h: Results,
                _ sums: Results, _ allSums: Results, _ before: Results
            ) -> Void
        let retreatLSTM:
            @Sendable (
                _ units: Int, _ isLast: Bool, _ kept: Numbers, _ previous: Numbers?, _ initial: Numbers?, _ h: Results,
                _ c: Results, _ tangent: Results, _ sums: Results, _ allSums: Results, _ before: Results
            ) -> Void
        let retreatGRU:
            @Sendable (
                _ units: Int, _ kept: Numbers, _ previous: Numbers?, _ initial: Numbers?, _ h: Results, _ sums: Results,
                _ allSums: Results, _ before: Results
            ) -> Void
    }

    private static let narrow = TileLoops(
        height: Tiles.tileHeight, width: Tiles.tileWidth, innerProductScratch: Tiles.innerProductScratch(),
        inputGradientScratch: Tiles.inputGradientScratch(), multiplyAddOperations: Tiles.multiplyAddOperations,
        packing: Packing(
            transposedCount: Tiles.transposedCount, packTransposed: Tiles.packTransposed,
            packsOutputGradient: Tiles.packsOutputGradient, packColumns: Tiles.packColumns,
            weightGradientScratch: Tiles.weightGradientScratch,
            deepWeightGradientScratch: Tiles.deepWeightGradientScratch, stripCount: Tiles.stripCount,
            packColumnStrips: Tiles.packColumnStrips),
        products: Products(
            inner: Tiles.innerProductTiles, weightGradient: Tiles.weightGradientTiles,
            inputGradient: Tiles.inputGradientTiles, deepWeightGradient: Tiles.deepWeightGradientTiles,
            rows: Tiles.rowProductTiles, columns: Tiles.columnProductTiles),
        gates: Gates(
            advanceSimple: Tiles.advanceSimple, advanceLSTM: Tiles.advanceLSTM, advanceGRU: Tiles.advanceGRU,
            retreatSimple: Tiles.retreatSimple, retreatLSTM: Tiles.retreatLSTM, retreatGRU: Tiles.retreatGRU),
        multiplyAddLoop: Tiles.multiplyAdds)

    #if WIDE_TILES
        private static let wide = TileLoops(
            height: TilesWide.tileHeight, width: TilesWide.tileWidth, innerProductScratch: TilesWide.innerProductScratch(),
            inputGradientScratch: TilesWide.inputGradientScratch(), multiplyAddOperations: TilesWide.multiplyAddOperations,
            packing: Packing(
                transposedCount: TilesWide.transposedCount, packTransposed: TilesWide.packTransposed,
                packsOutputGradient: TilesWide.packsOutputGradient, packColumns: TilesWide.packColumns,
                weightGradientScratch: TilesWide.weightGradientScratch,
                deepWeightGradientScratch: TilesWide.deepWeightGradientScratch, stripCount: TilesWide.stripCount,
                packColumnStrips: TilesWide.packColumnStrips),
            products: Products(
                inner: TilesWide.innerProductTiles, weightGradient: TilesWide.weightGradientTiles,
                inputGradient: TilesWide.inputGradientTiles, deepWeightGradient: TilesWide.deepWeightGradientTiles,
                rows: TilesWide.rowProductTiles, columns: TilesWide.columnProductTiles),
            gates: Gates(
                advanceSimple: TilesWide.advanceSimple, advanceLSTM: TilesWide.advanceLSTM, advanceGRU: TilesWide.advanceGRU,
                retreatSimple: TilesWide.retreatSimple, retreatLSTM: TilesWide.retreatLSTM, retreatGRU: TilesWide.retreatGRU),
            multiplyAddLoop: TilesWide.multiplyAdds)
    #endif

    private init(
        height: Int, width: Int, innerProductScratch: Int, inputGradientScratch: Int, multiplyAddOperations: Int,
        packing: Packing, products: Products, gates: Gates, multiplyAddLoop: @escaping @Sendable (Int, Float) -> Float
    ) {
        self.height = height
        self.width = width
        self.innerProductScratch = innerProductScratch
        self.inputGradientScratch = inputGradientScratch
        self.multiplyAddOperations = multiplyAddOperations
        self.packing = packing
        self.products = products
        self.gates = gates
        self.multiplyAddLoop = multiplyAddLoop
    }

    /// The build for vectors of a width.
    static func of(_ vectors: VectorWidth) -> TileLoops {
        #if WIDE_TILES
            if vectors == .wide { return wide }
        #endif
        return narrow
    }

    /// Numbers that a thread needs for itself in `weightGradient`.
    ///
    /// - Parameter levels: the most sums of leaves that wait at once.
    func weightGradientScratch(rows: Int, levels: Int) -> Int { packing.weightGradientScratch(rows, levels) }

    /// Numbers that `packTransposed` writes at most.
    func transposedCount(rows: Int, depth: Int, width: Int) -> Int { packing.transposedCount(rows, depth, width) }

    /// Whether a weight gradient wants the output gradient packed by `packColumns`.
    func packsOutputGradient(_ gradient: MatrixView) -> Bool {
        packing.packsOutputGradient(gradient.rows, gradient.columns, gradient.stride)
    }

    /// Panels of `width` rows each, element k of the rows of a panel side by side.
    func packTransposed(_ source: MatrixView, width: Int, into panels: UnsafeMutableBufferPointer<Float>) {
        packing.packTransposed(source.base, source.rows, source.columns, source.stride, width, panels)
    }

    /// Panels of `height` columns each.
    func packColumns(_ source: MatrixView, into panels: UnsafeMutableBufferPointer<Float>) {
        packing.packColumns(source.base, source.rows, source.columns, source.stride, panels)
    }

    /// `output` = `input` · `weights`ᵀ + `bias` for some units; `panels` is `input`, transposed.
    func innerProducts(
        _ panels: UnsafePointer<Float>, _ input: MatrixView, _ weights: MatrixView,
        bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>,
        into output: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>
    ) {
        products.inner(
            panels, input.rows, input.columns, weights.base, weights.stride, bias, rectifies, units, output.base,
            output.stride, scratch)
    }

    /// Some columns of a weight gradient.
    ///
    /// - Parameter stride: between the rows of the output gradient where it isn't packed.
    func weightGradient(
        _ outputGradient: UnsafePointer<Float>, stride: Int, _ input: MatrixView, leafRows: Int, levels: Int,
        continues: Bool, columns: Range<Int>, into gradient: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>
    ) {
        products.weightGradient(
            outputGradient, stride, input.base, input.stride, input.rows, gradient.rows, leafRows, levels, continues,
            columns, gradient.base, gradient.stride, gradient.cached, scratch)
    }

    /// Rows from which on a leaf's weight gradient is summed in blocks.
    var deepLeafRows: Int { Tiles.deepLeafRows }

    /// Numbers that a thread needs for itself in `deepWeightGradient`.
    var deepWeightGradientScratch: Int { packing.deepWeightGradientScratch() }

    /// Some columns of the weight gradient of one leaf, rows `leaf` of the input; `panels` is the output gradient, packed.
    func deepWeightGradient(
        _ panels: UnsafePointer<Float>, _ input: MatrixView, leaf: Range<Int>, continues: Bool, columns: Range<Int>,
        into gradient: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>
    ) {
        products.deepWeightGradient(
            panels, input.base, input.stride, input.rows, leaf, gradient.rows, continues, columns, gradient.base,
            gradient.stride, scratch)
    }

    /// Some columns of an input gradient; `panels` is the output gradient, transposed.
    func inputGradient(
        _ panels: UnsafePointer<Float>, _ weights: MatrixView, columns: Range<Int>,
        into gradient: MutableMatrixView, scratch: UnsafeMutableBufferPointer<Float>
    ) {
        products.inputGradient(
            panels, gradient.rows, weights.rows, weights.base, weights.stride, weights.columns, columns, gradient.base,
            gradient.stride, scratch)
    }

    // MARK: - Products with a right operand that is packed once and used many times

    /// Columns that `rowProducts` writes for `columns`: whole vectors.
    func wholeColumns(_ columns: Int) -> Int { (columns + width / 2 - 1) / (width / 2) * (width / 2) }

    /// Numbers that a packed operand of `depth` × `columns` takes.
    func stripCount(depth: Int, columns: Int) -> Int { packing.stripCount(depth, columns) }

    /// Packs a right operand, depth × columns.
    func packStrips(_ source: MatrixView, into strips: UnsafeMutableBufferPointer<Float>) {
        packing.packColumnStrips(source.base, source.rows, source.columns, source.stride, strips)
    }

    /// Packs a right operand that lies there transposed, columns × depth.
    func packStrips(transposed source: MatrixView, into strips: UnsafeMutableBufferPointer<Float>) {
        packing.packTransposed(source.base, source.rows, source.columns, source.stride, width, strips)
    }

    /// `result` = `left` · the packed operand, `wholeColumns` of it; with `resumes` it is added to what is there, as the next links
    /// of the chains.
    ///
    /// - Parameter packedDepth: rows of the packed operand, where that has more than `depth`.
    func rowProducts(
        _ left: UnsafePointer<Float>, stride: Int, rows: Int, depth: Int, _ strips: UnsafePointer<Float>,
        packedDepth: Int? = nil, columns: Int, resumes: Bool, into result: UnsafeMutablePointer<Float>, resultStride: Int
    ) {
        products.rows(left, stride, rows, depth, strips, packedDepth ?? depth, columns, resumes, result, resultStride)
    }

    /// `result` = `left`ᵀ · the packed operand, likewise; `left` is depth × rows.
    func columnProducts(
        _ left: UnsafePointer<Float>, stride: Int, rows: Int, depth: Int, _ strips: UnsafePointer<Float>, columns: Int,
        resumes: Bool, into result: UnsafeMutablePointer<Float>, resultStride: Int
    ) {
        products.columns(left, stride, rows, depth, strips, columns, resumes, result, resultStride)
    }

    /// As many multiply-adds as registers allow.
    func multiplyAdds(rounds: Int, factor: Float) -> Float { multiplyAddLoop(rounds, factor) }
}
