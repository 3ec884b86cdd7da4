/// Some elements of a convolution's weight gradient, summed over the positions of a piece of the batch.
///
/// `sums[k][m]` = Σ over samples, output rows and columns of `copies[offsets[k] + position]` · `gradient[position][m]`, in this
/// order. Where the lanes are channels or groups, `copies` has them side by side, and m is one of them.
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
    var sumStride: Int
    /// How far the next sample is in `gradient`.
    var gradientSampleStride: Int
    let form: Form

    /// What the lanes of a vector are.
    enum Form: Int {
        /// Filters; each k is a number of `copies`.
        case filters
        /// Filters; `offsets` has the first of every three k, whose numbers lie side by side.
        case triples
        /// Groups of one filter and one channel.
        case groups
        /// Channels, of one filter.
        case channels
    }

    /// Computes `height` rows of the sums and one vector (`isHalf`) or two.
    func run(height: Int, isHalf: Bool) {
        switch form {
        case .filters: isHalf ? runOne(height) : runTwo(height)
        case .triples: runTriples(height)
        case .groups: runGroups(height)
        case .channels: runChannels(height)
        }
    }

    private func runTwo(_ height: Int) {
        switch height {
        #if WIDE
            case 7: Kernel<7, 2, 0>.run(self)
            case 8: Kernel<8, 2, 0>.run(self)
            case 9: Kernel<9, 2, 0>.run(self)
            case 10: Kernel<10, 2, 0>.run(self)
            case 11: Kernel<11, 2, 0>.run(self)
            case 12: Kernel<12, 2, 0>.run(self)
        #endif
        case 1: Kernel<1, 2, 0>.run(self)
        case 2: Kernel<2, 2, 0>.run(self)
        case 3: Kernel<3, 2, 0>.run(self)
        case 4: Kernel<4, 2, 0>.run(self)
        case 5: Kernel<5, 2, 0>.run(self)
        case 6: Kernel<6, 2, 0>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }

    private func runOne(_ height: Int) {
        switch height {
        #if WIDE
            case 7: Kernel<7, 1, 0>.run(self)
            case 8: Kernel<8, 1, 0>.run(self)
            case 9: Kernel<9, 1, 0>.run(self)
            case 10: Kernel<10, 1, 0>.run(self)
            case 11: Kernel<11, 1, 0>.run(self)
            case 12: Kernel<12, 1, 0>.run(self)
        #endif
        case 1: Kernel<1, 1, 0>.run(self)
        case 2: Kernel<2, 1, 0>.run(self)
        case 3: Kernel<3, 1, 0>.run(self)
        case 4: Kernel<4, 1, 0>.run(self)
        case 5: Kernel<5, 1, 0>.run(self)
        case 6: Kernel<6, 1, 0>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }

    private func runTriples(_ height: Int) {
        switch height {
        #if WIDE
            case 9: Kernel<9, 1, 1>.run(self)
            case 12: Kernel<12, 1, 1>.run(self)
        #endif
        case 3: Kernel<3, 1, 1>.run(self)
        case 6: Kernel<6, 1, 1>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }

    private func runGroups(_ height: Int) {
        switch height {
        #if WIDE
            case 7: Kernel<7, 1, 2>.run(self)
            case 8: Kernel<8, 1, 2>.run(self)
            case 9: Kernel<9, 1, 2>.run(self)
            case 10: Kernel<10, 1, 2>.run(self)
            case 11: Kernel<11, 1, 2>.run(self)
            case 12: Kernel<12, 1, 2>.run(self)
        #endif
        case 1: Kernel<1, 1, 2>.run(self)
        case 2: Kernel<2, 1, 2>.run(self)
        case 3: Kernel<3, 1, 2>.run(self)
        case 4: Kernel<4, 1, 2>.run(self)
        case 5: Kernel<5, 1, 2>.run(self)
        case 6: Kernel<6, 1, 2>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }

    private func runChannels(_ height: Int) {
        switch height {
        #if WIDE
            case 7: Kernel<7, 1, 3>.run(self)
            case 8: Kernel<8, 1, 3>.run(self)
            case 9: Kernel<9, 1, 3>.run(self)
            case 10: Kernel<10, 1, 3>.run(self)
            case 11: Kernel<11, 1, 3>.run(self)
            case 12: Kernel<12, 1, 3>.run(self)
        #endif
        case 1: Kernel<1, 1, 3>.run(self)
        case 2: Kernel<2, 1, 3>.run(self)
        case 3: Kernel<3, 1, 3>.run(self)
        case 4: Kernel<4, 1, 3>.run(self)
        case 5: Kernel<5, 1, 3>.run(self)
        case 6: Kernel<6, 1, 3>.run(self)
        default: preconditionFailure("a tile of \(height) rows")
        }
    }
}

/// The loops for tiles of one shape and form; each is compiled on its own.
private enum Kernel<let height: Int, let vectors: Int, let form: Int> {
    @inline(never)
    static func run(_ run: ConvolutionGradientRun) {
        var tile = Tile<height, vectors>()
        tile.load(run.sums, stride: run.sumStride)
        let places = Places(run.copies, run.offsets, count: form == 1 ? height / 3 : height)
        let step = run.gradientStride
        // Rows that lie one behind the other are one.
        let isDense = run.pitch == run.columns &* (form >= 2 ? laneCount : 1)
        let length = isDense ? run.columns &* run.rows : run.columns
        let rows = isDense ? 1 : run.rows
        for sample in 0..<run.samples {
            var first = sample &* run.sampleStride
            var gradient = run.gradient + sample &* run.gradientSampleStride
            for _ in 0..<rows {
                if form == 0 {
                    tile.accumulate(places: places, first: first, gradient, stride: step, depth: length)
                } else if form == 1 {
                    tile.accumulateTriples(places: places, first: first, gradient, stride: step, depth: length)
                } else {
                    tile.accumulateLanes(
                        places: places, first: first, step: laneCount, gradient, stride: step, depth: length,
                        isSingle: form == 3)
                }
                gradient += length &* step
                first &+= run.pitch
            }
        }
        tile.store(to: run.sums, stride: run.sumStride)
    }
}
