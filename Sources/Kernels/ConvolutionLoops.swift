import CProcessor
import Storage
import Tiles

#if WIDE_TILES
    import TilesWide
#endif

/// The loops of convolutions in one of their two builds, as `TileLoops` are those of the matrix products.
struct ConvolutionLoops: Sendable {
    typealias Numbers = UnsafePointer<Float>
    typealias Results = UnsafeMutablePointer<Float>
    typealias Room = UnsafeMutableBufferPointer<Float>

    let weightCount: @Sendable (ConvolutionPass) -> Int
    let weightBlocks: @Sendable (ConvolutionPass, _ rows: Int) -> Int
    let packWeights: @Sendable (ConvolutionPass, _ rows: Int, Numbers, _ blocks: Range<Int>, Results) -> Void
    let units: @Sendable (ConvolutionPass, _ rows: Int) -> Int
    let scratch: @Sendable (ConvolutionPass, _ rows: Int) -> Int
    let convolve:
        @Sendable (
            ConvolutionPass, Numbers, _ stride: Int, _ rows: Int, _ weights: Numbers, _ bias: Numbers?, _ rectifies: Bool,
            _ units: Range<Int>, Results, _ targetStride: Int, _ scratch: Room
        ) -> Void
    let gradientUnits: @Sendable (ConvolutionPass, _ leafRows: Int, _ threads: Int) -> Int
    let gradientScratch: @Sendable (ConvolutionPass, _ leafRows: Int, _ levels: Int, _ threads: Int) -> Int
    let weightGradient:
        @Sendable (
            ConvolutionPass, _ outputGradient: Numbers, _ gradientStride: Int, _ input: Numbers, _ inputStride: Int,
            _ rows: Int, _ leafRows: Int, _ levels: Int, _ threads: Int, _ units: Range<Int>, Results,
            _ cached: Range<Int>, _ scratch: Room
        ) -> Void

    private static let narrow = ConvolutionLoops(
        weightCount: Tiles.convolutionWeightCount, weightBlocks: Tiles.convolutionWeightBlocks,
        packWeights: Tiles.packConvolutionWeights, units: Tiles.convolutionUnits, scratch: Tiles.convolutionScratch,
        convolve: Tiles.convolutionTiles, gradientUnits: Tiles.convolutionGradientUnits,
        gradientScratch: Tiles.convolutionGradientScratch, weightGradient: Tiles.convolutionGradientTiles)

    #if WIDE_TILES
        private static let wide = ConvolutionLoops(
            weightCount: TilesWide.convolutionWeightCount, weightBlocks: TilesWide.convolutionWeightBlocks,
            packWeights: TilesWide.packConvolutionWeights, units: TilesWide.convolutionUnits,
            scratch: TilesWide.convolutionScratch, convolve: TilesWide.convolutionTiles,
            gradientUnits: TilesWide.convolutionGradientUnits,
            gradientScratch: TilesWide.convolutionGradientScratch, weightGradient: TilesWide.convolutionGradientTiles)
    #endif

    /// The build for vectors of a width.
    static func of(_ vectors: VectorWidth) -> ConvolutionLoops {
        #if WIDE_TILES
            if vectors == .wide { return wide }
        #endif
        return narrow
    }
}
