import CProcessor

/// How a convolution by tiles is cut for the caches; it never shows in the results. A unit is a band of tiles, for all outputs.
struct WinogradPlan {
    let tiles: WinogradTiles
    let band: WinogradTiles.Band
    /// How many bands an image and how many blocks of samples a batch is cut into.
    let bands: Int, sampleBlocks: Int
    /// Tiles of outputs that are summed before they are transformed back, and channels that are summed at a time.
    let tileBlock: Int, channelBlock: Int
    /// From a channel's or output's tiles to the next one's, and between frequencies: of what was read, and of sums.
    let tileStride: Int, inputStride: Int, sumStride: Int
    /// Numbers of a row of outputs, four for each tile.
    let rowStride: Int
    let channels: Int
    var units: Int { bands * sampleBlocks }

    // Numbers of transformed images that may lie in the second-level cache, and of what a product reads in the first.
    private static var mostNumbers: Int { 96 << 10 }
    private static var near: Int { 8 << 10 }

    init(_ pass: ConvolutionPass, rows: Int) {
        tiles = WinogradTiles(pass)
        channels = pass.channels
        let vectors = min(3, max(2, Self.mostNumbers / (frequencyCount * channels * laneCount)))
        band = tiles.band(most: vectors * laneCount, samples: rows)
        bands = (tiles.rows + band.tileRows - 1) / band.tileRows
        sampleBlocks = max(1, (rows + band.samples - 1) / band.samples)
        let whole = (band.samples * band.tileRows * tiles.columns + laneCount - 1) / laneCount * laneCount
        tileBlock = 16 / mostOutputs
        // An odd number of cache lines, so that they don't push each other out of the caches.
        tileStride = ((whole + 15) / 16 | 1) * 16
        inputStride = tileStride * channels + 2 * laneCount
        sumStride = tileStride * tileBlock * mostOutputs + 16
        rowStride = tileSide * whole + 2 * laneCount
        let blocks = (channels * tileStride + Self.near - 1) / Self.near
        channelBlock = (channels + blocks - 1) / blocks
    }

    func part(_ unit: Int, rows: Int) -> WinogradPart {
        let firstRow = unit % bands * band.tileRows
        let sample = unit / bands * band.samples
        return WinogradPart(
            sample: sample, samples: max(0, min(band.samples, rows - sample)), firstRow: firstRow,
            tileRows: max(0, min(band.tileRows, tiles.rows - firstRow)))
    }

    var offsetCount: Int { wholeLines(channels) }
    var inputCount: Int { wholeLines(frequencyCount * inputStride + 2 * laneCount) }
    var sumCount: Int { wholeLines(frequencyCount * sumStride + 2 * laneCount) }
    var rowCount: Int { wholeLines(tileSide * rowStride) }

    /// Numbers that a thread needs for itself.
    var scratch: Int {
        offsetCount + inputCount + sumCount + rowCount + WinogradInput.scratch(tiles, band)
    }
}
