import CProcessor

/// How a weight gradient by tiles is cut: a unit's leaves go through it in pieces, bands of tiles.
struct WinogradGradientPlan {
    let tiles: WinogradTiles
    let band: WinogradTiles.Band
    /// Channels of a unit, and numbers of a position's output gradients, in whole vectors of filters.
    let channels: Int, filterStride: Int
    /// From a channel's tiles to the next one's.
    let tileStride: Int
    /// Between frequencies: of what was read, of gradients, and of sums.
    let inputStride: Int, gradientStride: Int, sumStride: Int

    init(_ pass: ConvolutionPass, leafRows: Int, channels: Int, filterStride: Int) {
        tiles = WinogradTiles(pass)
        band = tiles.band(most: 48, samples: leafRows)
        self.channels = channels
        self.filterStride = filterStride
        let count = band.samples * band.tileRows * tiles.columns
        tileStride = ((count + laneCount + 15) / 16 | 1) * 16
        inputStride = tileStride * channels + 2 * laneCount
        gradientStride = count * filterStride + 16
        sumStride = channels * filterStride + 16
    }

    /// Numbers of a row of positions, and rows of a sample's band.
    var rowLength: Int { tileSide * tiles.columns * filterStride }
    var turnedCount: Int { tileSide * band.tileRows * rowLength }
    var sumCount: Int { frequencyCount * sumStride }

    /// Numbers that a thread needs for it.
    var scratch: Int {
        wholeLines(frequencyCount * inputStride + 2 * laneCount) + wholeLines(frequencyCount * gradientStride)
            + wholeLines(sumCount) + turnedCount + WinogradInput.scratch(tiles, band)
    }
}

/// One thread's sums of a weight gradient by tiles.
struct WinogradGradient {
    let plan: WinogradGradientPlan
    private let input: WinogradInput
    /// Bᵀ d B: for each frequency and channel the tiles.
    private let inputs: UnsafeMutablePointer<Float>
    /// Output gradients with filters side by side: row by row, position by position.
    private let turned: UnsafeMutablePointer<Float>
    /// A y Aᵀ: for each frequency and tile the filters.
    private let gradients: UnsafeMutablePointer<Float>
    /// A leaf's sums: for each frequency and channel the filters.
    private let sums: UnsafeMutablePointer<Float>

    init(_ plan: WinogradGradientPlan, _ memory: inout ThreadMemory) {
        self.plan = plan
        inputs = memory.take(wholeLines(frequencyCount * plan.inputStride + 2 * laneCount))
        gradients = memory.take(wholeLines(frequencyCount * plan.gradientStride))
        sums = memory.take(wholeLines(plan.sumCount))
        turned = memory.take(plan.turnedCount)
        input = WinogradInput(plan.tiles, plan.band, &memory)
        // Columns beside the images stay 0.
        turned.update(repeating: 0, count: plan.turnedCount)
    }

    /// Begins a leaf.
    func clear() { sums.update(repeating: 0, count: plan.sumCount) }

    /// Takes what a part's tiles read of a unit's channels, of which `source` is the first.
    func takeInput(_ source: UnsafePointer<Float>, sampleStride: Int, channels: Int, _ part: WinogradPart) {
        input.transform(
            source, sampleStride: sampleStride, channels: channels, part, into: inputs, channelStride: plan.tileStride,
            frequencyStride: plan.inputStride)
    }

    /// Takes a sample's output gradients, which `turn` puts side by side: for some rows of outputs, at each position the numbers of
    /// all filters.
    func takeGradients(
        height: Int, width: Int, _ part: WinogradPart, index: Int,
        _ turn: (_ firstRow: Int, _ rows: Int, _ target: UnsafeMutablePointer<Float>) -> Void
    ) {
        let firstRow = tileSide * part.firstRow
        let rows = min(tileSide * part.tileRows, height - firstRow)
        if width == tileSide * plan.tiles.columns {
            turn(firstRow, rows, turned)
        } else {
            for row in 0..<rows { turn(firstRow + row, 1, turned + row * plan.rowLength) }
        }
        let missing = tileSide * part.tileRows - rows
        if missing > 0 { (turned + rows * plan.rowLength).update(repeating: 0, count: missing * plan.rowLength) }
        let first = index * part.tileRows * plan.tiles.columns
        for row in 0..<part.tileRows {
            for column in 0..<plan.tiles.columns {
                transform(
                    turned + (row &* tileSide &* plan.rowLength &+ column &* tileSide &* plan.filterStride),
                    into: gradients + (first &+ row &* plan.tiles.columns &+ column) &* plan.filterStride)
            }
        }
    }

    /// A y Aᵀ of a tile.
    @inline(never)
    private func transform(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        let step = plan.filterStride
        for filter in stride(from: 0, to: step, by: laneCount) {
            @inline(__always) func row(_ row: Int) -> Six {
                let from = source + (row &* plan.rowLength &+ filter)
                return timesTransposedA(.load(from), .load(from + step), .load(from + 2 &* step), .load(from + 3 &* step))
            }
            let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3))
            let to = target + filter
            @inline(__always) func store(_ column: Int, _ all: Six) {
                storeSix(all, to: to + column &* plan.gradientStride, stride: 6 &* plan.gradientStride)
            }
            store(0, timesTransposedA(r0.0, r1.0, r2.0, r3.0))
            store(1, timesTransposedA(r0.1, r1.1, r2.1, r3.1))
            store(2, timesTransposedA(r0.2, r1.2, r2.2, r3.2))
            store(3, timesTransposedA(r0.3, r1.3, r2.3, r3.3))
            store(4, timesTransposedA(r0.4, r1.4, r2.4, r3.4))
            store(5, timesTransposedA(r0.5, r1.5, r2.5, r3.5))
        }
    }

    /// Adds the products of a part's tiles; `offsets` are the channels', `filters` how many there are.
    func add(_ part: WinogradPart, offsets: UnsafePointer<Int32>, channels: Int, filters: Int) {
        let count = part.samples * part.tileRows * plan.tiles.columns
        let tiles = (channels + tileHeight - 1) / tileHeight
        for frequency in 0..<frequencyCount {
            for filter in stride(from: 0, to: filters, by: tileWidth) {
                for tile in 0..<tiles {
                    let range = tile * channels / tiles..<(tile + 1) * channels / tiles
                    ConvolutionGradientRun(
                        copies: inputs + frequency * plan.inputStride, offsets: offsets + range.lowerBound,
                        gradient: gradients + (frequency * plan.gradientStride + filter), gradientStride: plan.filterStride,
                        samples: 1, rows: 1, columns: count, sampleStride: 0, pitch: count,
                        sums: sums + (frequency * plan.sumStride + range.lowerBound * plan.filterStride + filter),
                        sumStride: plan.filterStride, gradientSampleStride: 0, form: .filters
                    ).run(height: range.count, isHalf: filters - filter <= laneCount)
                }
            }
        }
    }

    /// Ends a leaf: adds Gᵀ … G of its sums to `target`, for each channel and tap the filters.
    func finish(channels: Int, into target: UnsafeMutablePointer<Float>) {
        let step = plan.filterStride
        for channel in 0..<channels {
            for filter in stride(from: 0, to: step, by: laneCount) {
                let from = UnsafePointer(sums) + (channel &* step &+ filter)
                @inline(__always) func column(_ column: Int) -> (Lanes, Lanes, Lanes) {
                    timesTransposedG(loadSix(from + column &* plan.sumStride, stride: 6 &* plan.sumStride))
                }
                let (c0, c1, c2, c3, c4, c5) = (column(0), column(1), column(2), column(3), column(4), column(5))
                let to = target + (9 &* channel &* step &+ filter)
                @inline(__always) func add(_ row: Int, _ all: (Lanes, Lanes, Lanes)) {
                    let first = to + 3 &* row &* step
                    (Lanes.load(first) + all.0).store(to: first)
                    (Lanes.load(first + step) + all.1).store(to: first + step)
                    (Lanes.load(first + 2 &* step) + all.2).store(to: first + 2 &* step)
                }
                add(0, timesTransposedG((c0.0, c1.0, c2.0, c3.0, c4.0, c5.0)))
                add(1, timesTransposedG((c0.1, c1.1, c2.1, c3.1, c4.1, c5.1)))
                add(2, timesTransposedG((c0.2, c1.2, c2.2, c3.2, c4.2, c5.2)))
            }
        }
    }
}
