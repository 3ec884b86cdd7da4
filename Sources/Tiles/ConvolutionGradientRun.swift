/// Some elements of a convolution's weight gradient, summed over the positions of a piece of the batch.
///
/// `sums[k][m]` = Σ over samples, output rows and columns of `copies[offsets[k] + position]` · `gradient[position][m]`, in this
/// order. Lane by lane (depthwise), `copies` and `gradient` have the channels side by side, and m is one of them.
struct ConvolutionGradientRun {
    var copies: UnsafePointer<Float>
    var offsets: UnsafePointer<Int32>
    var gradient: UnsafePointer<Float>
    /// Numbers from a position to the next.
    var gradientStride: Int
    let samples: Int, rows: Int, columns: Int
    /// How far the next sample is in `copies`, and the next row.
    let sampleStride: Int, pitch: Int
    var sums: UnsafeMutablePointer<Float>
    let sumStride: Int
    let isLanewise: Bool

    /// Computes `height` rows of the sums and one vector (`isHalf`) or two.
    func run(height: Int, isHalf: Bool) {
        switch (height, isHalf) {
        #if WIDE
            case (12, false): Kernel<12, 2>.run(self)
            case (11, false): Kernel<11, 2>.run(self)
            case (10, false): Kernel<10, 2>.run(self)
            case (9, false): Kernel<9, 2>.run(self)
            case (8, false): Kernel<8, 2>.run(self)
            case (7, false): Kernel<7, 2>.run(self)
        #endif
        case (6, false): Kernel<6, 2>.run(self)
        case (5, false): Kernel<5, 2>.run(self)
        case (4, false): Kernel<4, 2>.run(self)
        case (3, false): Kernel<3, 2>.run(self)
        case (2, false): Kernel<2, 2>.run(self)
        case (1, false): Kernel<1, 2>.run(self)
        case (12, true): Kernel<12, 1>.run(self)
        case (11, true): Kernel<11, 1>.run(self)
        case (10, true): Kernel<10, 1>.run(self)
        case (9, true): Kernel<9, 1>.run(self)
        case (8, true): Kernel<8, 1>.run(self)
        case (7, true): Kernel<7, 1>.run(self)
        case (6, true): Kernel<6, 1>.run(self)
        case (5, true): Kernel<5, 1>.run(self)
        case (4, true): Kernel<4, 1>.run(self)
        case (3, true): Kernel<3, 1>.run(self)
        case (2, true): Kernel<2, 1>.run(self)
        case (1, true): Kernel<1, 1>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }
}

/// The loops for tiles of one shape; each shape is compiled on its own.
private enum Kernel<let height: Int, let vectors: Int> {
    @inline(never)
    static func run(_ run: ConvolutionGradientRun) {
        var tile = Tile<height, vectors>()
        tile.load(run.sums, stride: run.sumStride)
        let places = Places(run.copies, run.offsets, count: height)
        let gradientStride = run.gradientStride
        // Rows that lie one behind the other are one.
        let isDense = run.pitch == run.columns &* (run.isLanewise ? laneCount : 1)
        let columns = isDense ? run.columns &* run.rows : run.columns
        let rows = isDense ? 1 : run.rows
        var gradient = run.gradient
        for sample in 0..<run.samples {
            var first = sample &* run.sampleStride
            for _ in 0..<rows {
                if vectors == 1, run.isLanewise {
                    tile.accumulateLanes(
                        places: places, first: first, step: laneCount, gradient, stride: gradientStride, depth: columns)
                } else {
                    tile.accumulate(places: places, first: first, gradient, stride: gradientStride, depth: columns)
                }
                gradient += columns &* gradientStride
                first &+= run.pitch
            }
        }
        tile.store(to: run.sums, stride: run.sumStride)
    }
}
