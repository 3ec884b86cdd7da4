/// Some outputs of a convolution at neighbouring positions, summed over channels and taps.
///
/// `sums[m][p]` = Σ over k of `weights[k][m]` · `source[offsets[k] + p]`, k ascending.
struct ConvolutionRun {
    var source: UnsafePointer<Float>
    /// Where the numbers for each k begin, beside `source`.
    var offsets: UnsafePointer<Int32>
    /// How many k.
    var depth: Int
    /// For each k one weight per output, side by side.
    var weights: UnsafePointer<Float>
    var sums: UnsafeMutablePointer<Float>
    /// How far the sums of the next output are.
    var sumStride: Int
    /// Whether the chains go on from what `sums` holds.
    var resumes: Bool

    /// Computes `height` (1 … `mostOutputs`) outputs at `vectors` whole vectors of positions.
    func run(height: Int, vectors: Int) {
        var run = self
        var rest = vectors
        while rest > 0 { run.advance(by: run.runTile(height, &rest)) }
    }

    @inline(__always)
    private mutating func advance(by vectors: Int) {
        source += vectors &* laneCount
        sums += vectors &* laneCount
    }

    /// Computes one tile of at most `rest` vectors; returns how many there were.
    private func runTile(_ height: Int, _ rest: inout Int) -> Int {
        let width = Self.width(height, rest)
        rest &-= width
        switch (height, width) {
        #if WIDE
            case (8, 3): Kernel<8, 3>.run(self)
            case (8, 2): Kernel<8, 2>.run(self)
            case (8, 1): Kernel<8, 1>.run(self)
            case (7, 3): Kernel<7, 3>.run(self)
            case (7, 2): Kernel<7, 2>.run(self)
            case (7, 1): Kernel<7, 1>.run(self)
            case (6, 3): Kernel<6, 3>.run(self)
            case (6, 2): Kernel<6, 2>.run(self)
            case (6, 1): Kernel<6, 1>.run(self)
            case (5, 3): Kernel<5, 3>.run(self)
            case (5, 2): Kernel<5, 2>.run(self)
            case (5, 1): Kernel<5, 1>.run(self)
            case (4, 6): Kernel<4, 6>.run(self)
            case (3, 6): Kernel<3, 6>.run(self)
            case (2, 8): Kernel<2, 8>.run(self)
        #endif
        case (4, 3): Kernel<4, 3>.run(self)
        case (4, 2): Kernel<4, 2>.run(self)
        case (4, 1): Kernel<4, 1>.run(self)
        case (3, 3): Kernel<3, 3>.run(self)
        case (3, 2): Kernel<3, 2>.run(self)
        case (3, 1): Kernel<3, 1>.run(self)
        case (2, 4): Kernel<2, 4>.run(self)
        case (2, 2): Kernel<2, 2>.run(self)
        case (2, 1): Kernel<2, 1>.run(self)
        case (1, 8): Kernel<1, 8>.run(self)
        case (1, 4): Kernel<1, 4>.run(self)
        case (1, 2): Kernel<1, 2>.run(self)
        case (1, 1): Kernel<1, 1>.run(self)
        default: preconditionFailure("a tile of \(height) outputs at \(width) vectors")
        }
        return width
    }

    /// How many of `rest` vectors the next tile has: as many as registers hold, and no lonely one where two and two do.
    private static func width(_ height: Int, _ rest: Int) -> Int {
        if height == 1 { return rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1 }
        #if WIDE
            if height == 2, rest >= 8 { return 8 }
            if height >= 3, height <= 4, rest >= 6 { return 6 }
        #endif
        if height == 2 { return rest >= 4 ? 4 : rest >= 2 ? 2 : 1 }
        return rest == 4 ? 2 : min(rest, 3)
    }
}

#if WIDE
    /// Outputs that a tile computes at most.
    let mostOutputs = 8
#else
    /// Outputs that a tile computes at most.
    let mostOutputs = 4
#endif

/// The loops for tiles of one shape; each shape is compiled on its own.
private enum Kernel<let height: Int, let vectors: Int> {
    @inline(never)
    static func run(_ run: ConvolutionRun) {
        var tile = ConvolutionTile<height, vectors>()
        if run.resumes { tile.load(run.sums, stride: run.sumStride) }
        let source = run.source
        var offset = run.offsets
        var weights = run.weights
        var rest = run.depth
        while rest > 0 {
            tile.add(source + Int(offset.pointee), weights)
            offset += 1
            weights += height
            rest &-= 1
        }
        tile.store(to: run.sums, stride: run.sumStride)
    }
}
