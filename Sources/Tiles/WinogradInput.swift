import CProcessor

/// Transforms what the tiles of images read, Bᵀ d B, a channel at a time.
///
/// What was just written can't be read at other boundaries without a stop; so there are two rooms, and a channel is multiplied by
/// Bᵀ before the one in front of it is multiplied by B.
struct WinogradInput {
    private let tiles: WinogradTiles
    /// Numbers for a row of frequencies.
    private let rowStride: Int, edgeStride: Int
    /// Bᵀ d, twice: for each of six rows of frequencies the rows of tiles, four numbers for each tile.
    private let rows: UnsafeMutablePointer<Float>
    /// The two numbers that the last tile of each row reads beyond those, for each room six times two rows of numbers for tiles, of
    /// which the others are 0.
    private let edges: UnsafeMutablePointer<Float>
    /// Ones in all bits but for the last tiles of rows.
    private let mask: UnsafeMutablePointer<Int32>
    private let zeros: UnsafeMutablePointer<Float>

    private static func rowStride(_ tiles: WinogradTiles, _ band: WinogradTiles.Band) -> Int {
        wholeLines(band.samples * band.tileRows * tiles.columns * tileSide + 6 * laneCount)
    }
    private static func edgeStride(_ tiles: WinogradTiles, _ band: WinogradTiles.Band) -> Int {
        wholeLines(band.samples * band.tileRows * tiles.columns + laneCount)
    }
    private static func zeroCount(_ tiles: WinogradTiles) -> Int { wholeLines(tiles.width + laneCount) }

    /// Numbers that this takes.
    static func scratch(_ tiles: WinogradTiles, _ band: WinogradTiles.Band) -> Int {
        12 * rowStride(tiles, band) + (24 + 1) * edgeStride(tiles, band) + zeroCount(tiles)
    }

    init(_ tiles: WinogradTiles, _ band: WinogradTiles.Band, _ memory: inout ThreadMemory) {
        self.tiles = tiles
        rowStride = Self.rowStride(tiles, band)
        edgeStride = Self.edgeStride(tiles, band)
        rows = memory.take(12 * rowStride)
        edges = memory.take(24 * edgeStride)
        mask = memory.takeIntegers(edgeStride)
        zeros = memory.take(Self.zeroCount(tiles))
        rows.update(repeating: 0, count: 12 * rowStride)
        edges.update(repeating: 0, count: 24 * edgeStride)
        zeros.update(repeating: 0, count: Self.zeroCount(tiles))
        for index in 0..<edgeStride { mask[index] = index % tiles.columns == tiles.columns - 1 ? 0 : -1 }
    }

    /// Transforms the part of `channels` neighbouring channels, `source` being the first one of the batch's first sample: `target` = for
    /// each frequency and channel, so far apart, the tiles of all samples in order; whole vectors are written.
    @inline(never)
    func transform(
        _ source: UnsafePointer<Float>, sampleStride: Int, channels: Int, _ part: WinogradPart,
        into target: UnsafeMutablePointer<Float>, channelStride: Int, frequencyStride: Int
    ) {
        let plane = tiles.height &* tiles.width
        let count = part.samples &* part.tileRows &* tiles.columns
        for step in 0...channels {
            if step < channels {
                for sample in 0..<part.samples {
                    let image = source + ((part.sample &+ sample) &* sampleStride &+ step &* plane)
                    for row in 0..<part.tileRows {
                        transformRow(
                            image, tileSide &* (part.firstRow &+ row) &- tiles.top, sample &* part.tileRows &+ row,
                            room: step & 1)
                        if step &+ 2 < channels {
                            // Two rows were asked for with the tiles above.
                            let known = row == 0 ? 0 : 2
                            ask(
                                image + 2 &* plane, from: tileSide &* (part.firstRow &+ row) &- tiles.top &+ known,
                                rows: 6 &- known)
                        }
                    }
                }
            }
            guard step > 0 else { continue }
            for row in 0..<6 {
                transformColumns(
                    6 &* (1 &- step & 1) &+ row, tiles: count,
                    into: target + ((step &- 1) &* channelStride &+ 6 &* row &* frequencyStride), frequencyStride)
            }
        }
    }

    /// Asks for some rows of an image, a channel's early enough: they are too few and too far from the last one's for the processor to
    /// foresee them.
    @inline(__always)
    private func ask(_ image: UnsafePointer<Float>, from first: Int, rows: Int) {
        var place = max(0, first) &* tiles.width
        let end = min(tiles.height, first &+ rows) &* tiles.width
        while place < end {
            dtrain_prefetch(image + place)
            place &+= 16
        }
    }

    /// Bᵀ times the six rows of the image from `first` on, which may be outside.
    private func transformRow(_ image: UnsafePointer<Float>, _ first: Int, _ tileRow: Int, room: Int) {
        let skipped = max(0, -tiles.left)
        let before = max(0, tiles.left)
        let length = tileSide &* tiles.columns
        @inline(__always) func line(_ index: Int) -> UnsafePointer<Float> {
            let row = first &+ index
            return row >= 0 && row < tiles.height ? image + (row &* tiles.width &+ skipped) : UnsafePointer(zeros)
        }
        let (l0, l1, l2, l3, l4, l5) = (line(0), line(1), line(2), line(3), line(4), line(5))
        let target = rows + (room &* 6 &* rowStride &+ tileRow &* length)
        let none: Six = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
        var place = 0
        while place < before {
            storeSix(none, to: target + place, stride: rowStride)
            place &+= laneCount
        }
        let count = max(0, min(tiles.width &- skipped, length &+ 2 &- before))
        var column = 0
        while column &+ laneCount <= count {
            storeSix(
                timesB(
                    (
                        .load(l0 + column), .load(l1 + column), .load(l2 + column), .load(l3 + column), .load(l4 + column),
                        .load(l5 + column)
                    )), to: target + (before &+ column), stride: rowStride)
            column &+= laneCount
        }
        if column < count {
            let rest = count &- column
            storeSix(
                timesB(
                    (
                        .load(l0 + column, count: rest), .load(l1 + column, count: rest), .load(l2 + column, count: rest),
                        .load(l3 + column, count: rest), .load(l4 + column, count: rest), .load(l5 + column, count: rest)
                    )), to: target + (before &+ column), stride: rowStride)
            column &+= laneCount
        }
        while before &+ column < length &+ 2 {
            storeSix(none, to: target + (before &+ column), stride: rowStride)
            column &+= laneCount
        }
        let last = (tileRow &+ 1) &* tiles.columns &- 1
        for row in 0..<6 {
            let edge = edges + (2 &* (6 &* room &+ row) &* edgeStride &+ last)
            edge[0] = target[row &* rowStride &+ length]
            edge[edgeStride] = target[row &* rowStride &+ length &+ 1]
        }
    }

    /// A row of frequencies of a room (6 to 11: of the second): what the rows became, times B.
    @inline(__always)
    private func transformColumns(
        _ row: Int, tiles count: Int, into target: UnsafeMutablePointer<Float>, _ frequencyStride: Int
    ) {
        let source = UnsafePointer(rows) + row &* rowStride
        let edge = UnsafePointer(edges) + 2 &* row &* edgeStride
        var tile = 0
        while tile < count {
            let from = source + tileSide &* tile
            @inline(__always) func part(_ index: Int, _ shift: Int) -> Lanes { .load(from + (index &* laneCount &+ shift)) }
            let (e0, o0) = Lanes.unzip(part(0, 0), part(1, 0))
            let (e1, o1) = Lanes.unzip(part(2, 0), part(3, 0))
            let (d0, d2) = Lanes.unzip(e0, e1)
            let (d1, d3) = Lanes.unzip(o0, o1)
            // The next tile's first two.
            let (f0, p0) = Lanes.unzip(part(0, 4), part(1, 4))
            let (f1, p1) = Lanes.unzip(part(2, 4), part(3, 4))
            let d4 = Lanes.unzip(f0, f1).even.masked(mask + tile, or: edge + tile)
            let d5 = Lanes.unzip(p0, p1).even.masked(mask + tile, or: edge + (edgeStride &+ tile))
            storeSix(timesB((d0, d1, d2, d3, d4, d5)), to: target + tile, stride: frequencyStride)
            tile &+= laneCount
        }
    }
}

extension Lanes {
    /// The lanes for which the mask has ones in all bits; for those for which it is 0, `other`, which is 0 elsewhere.
    @inline(__always)
    fileprivate func masked(_ mask: UnsafePointer<Int32>, or other: UnsafePointer<Float>) -> Lanes {
        let bits = UnsafeRawPointer(mask).loadUnaligned(as: Bits.self)
        let others = UnsafeRawPointer(other).loadUnaligned(as: Bits.self)
        return unsafeBitCast(unsafeBitCast(self, to: Bits.self) & bits | others, to: Lanes.self)
    }

    #if WIDE
        private typealias Bits = SIMD16<Int32>
    #else
        private typealias Bits = SIMD8<Int32>
    #endif
}
