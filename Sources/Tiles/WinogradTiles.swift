import CProcessor

// Convolutions of 3 × 3 by Winograd's minimal filtering F(4×4, 3×3): sixteen outputs of 6 × 6 inputs take 36 products for each
// channel and filter instead of 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
//
// An image is cut into tiles of 4 × 4 outputs, which read 6 × 6 numbers each. With g the filter, d what the tile reads and · the
// product number by number, its outputs are Aᵀ[(G g Gᵀ) · (Bᵀ d B)]A, where the sum over channels comes before Aᵀ … A. The weight
// gradient is Gᵀ[Σ (A y Aᵀ) · (Bᵀ d B)]G, with y the tile's output gradients and the sum over tiles. The 6 × 6 places of a
// transformed tile are called frequencies here; for each of them the sums are a matrix product.
//
//          ⎡ 4   0  −5   0   1   0 ⎤        ⎡  1/4     0     0  ⎤
//          ⎢ 0  −4  −4   1   1   0 ⎥        ⎢ −1/6  −1/6  −1/6 ⎥         ⎡ 1  1   1  1   1  0 ⎤
//     Bᵀ = ⎢ 0   4  −4  −1   1   0 ⎥    G = ⎢ −1/6   1/6  −1/6 ⎥    Aᵀ = ⎢ 0  1  −1  2  −2  0 ⎥
//          ⎢ 0  −2  −1   2   1   0 ⎥        ⎢  1/24  1/12  1/6 ⎥         ⎢ 0  1   1  4   4  0 ⎥
//          ⎢ 0   2  −1  −2   1   0 ⎥        ⎢  1/24 −1/12  1/6 ⎥         ⎣ 0  1  −1  8  −8  1 ⎦
//          ⎣ 0   4   0  −5   0   1 ⎦        ⎣   0     0     1  ⎦

/// Frequencies of a tile, and outputs on each of its sides.
let frequencyCount = 36
let tileSide = 4

/// Six numbers of a column or row, or what becomes of them, in vectors.
typealias Six = (Lanes, Lanes, Lanes, Lanes, Lanes, Lanes)

/// Bᵀ d.
@inline(__always)
func timesB(_ d: Six) -> Six {
    let a = d.4.addingProduct(d.2, Lanes(repeating: -4))
    let b = d.3.addingProduct(d.1, Lanes(repeating: -4))
    let c = d.4 - d.2
    let e = d.3 - d.1
    let two = Lanes(repeating: 2)
    return (
        c.addingProduct(d.0 - d.2, Lanes(repeating: 4)), a + b, a - b, c.addingProduct(e, two), c.addingProduct(e, -two),
        (d.5 - d.3).addingProduct(e, Lanes(repeating: -4))
    )
}

/// Aᵀ m.
@inline(__always)
func timesA(_ m: Six) -> (Lanes, Lanes, Lanes, Lanes) {
    let s = m.1 + m.2
    let t = m.1 - m.2
    let u = m.3 + m.4
    let w = m.3 - m.4
    return (
        m.0 + s + u, t.addingProduct(w, Lanes(repeating: 2)), s.addingProduct(u, Lanes(repeating: 4)),
        (t + m.5).addingProduct(w, Lanes(repeating: 8))
    )
}

/// A y.
@inline(__always)
func timesTransposedA(_ y0: Lanes, _ y1: Lanes, _ y2: Lanes, _ y3: Lanes) -> Six {
    let four = Lanes(repeating: 4)
    let two = Lanes(repeating: 2)
    let even = y0 + y2
    let odd = y1 + y3
    let far = y0.addingProduct(y2, four)
    let farOdd = y1.addingProduct(y3, four)
    return (y0, even + odd, even - odd, far.addingProduct(farOdd, two), far.addingProduct(farOdd, -two), y3)
}

/// G g.
@inline(__always)
func timesG(_ g0: Lanes, _ g1: Lanes, _ g2: Lanes) -> Six {
    let ends = (g0 + g2) * Lanes(repeating: -1 / 6)
    let middle = g1 * Lanes(repeating: -1 / 6)
    let far = (g2 * Lanes(repeating: 1 / 6)).addingProduct(g0, Lanes(repeating: 1 / 24))
    let farMiddle = g1 * Lanes(repeating: 1 / 12)
    return (g0 * Lanes(repeating: 0.25), ends + middle, ends - middle, far + farMiddle, far - farMiddle, g2)
}

/// Gᵀ u.
@inline(__always)
func timesTransposedG(_ u: Six) -> (Lanes, Lanes, Lanes) {
    let near = (u.1 + u.2) * Lanes(repeating: -1 / 6)
    let far = u.3 + u.4
    let turn = (u.2 - u.1) * Lanes(repeating: 1 / 6)
    return (
        near.addingProduct(u.0, Lanes(repeating: 0.25)).addingProduct(far, Lanes(repeating: 1 / 24)),
        turn.addingProduct(u.3 - u.4, Lanes(repeating: 1 / 12)), near.addingProduct(far, Lanes(repeating: 1 / 6)) + u.5
    )
}

extension ConvolutionPass {
    /// Whether a pass is computed so. It depends on the shape alone, as do the bits.
    var isWinograd: Bool {
        guard groups == 1, row_step == 1, column_step == 1, tap_rows == 3, tap_columns == 3, abs(tap_row_step) == 1,
            abs(tap_column_step) == 1, target_row_step == 1, target_column_step == 1
        else { return false }
        let tiles = WinogradTiles(self)
        // With few channels or filters the transformations cost more than they save; so do tiles that hang over the edge, and a
        // row of tiles has to fit the caches.
        return channels >= 8 && outputs >= 8 && tiles.columns <= 256
            && frequencyCount * tiles.count * 5 <= taps * output_rows * output_columns * 3
    }
}

/// Whether a pass is computed by tiles.
package func isWinogradConvolution(_ pass: ConvolutionPass) -> Bool { pass.isWinograd }

/// The tiles of an image.
struct WinogradTiles {
    /// How many there are, one below the other and side by side.
    let rows: Int, columns: Int
    /// The image that is read, and zeros before it (where negative, so much of it is passed over).
    let height: Int, width: Int, top: Int, left: Int

    init(_ pass: ConvolutionPass) {
        rows = (pass.output_rows + tileSide - 1) / tileSide
        columns = (pass.output_columns + tileSide - 1) / tileSide
        height = pass.height
        width = pass.width
        top = pass.top
        left = pass.left
    }

    /// Of one image.
    var count: Int { rows * columns }

    /// How tiles are computed at a time: some rows of tiles of one sample, or all of some samples.
    struct Band {
        let samples: Int, tileRows: Int
    }

    /// A good band where a band may have `most` tiles of at most `samples` samples.
    func band(most: Int, samples: Int) -> Band {
        var best = Band(samples: 1, tileRows: 1)
        var least = Double.infinity
        func consider(_ band: Band, bands: Int) {
            let vectors = (band.samples * band.tileRows * columns + laneCount - 1) / laneCount
            // Sums in registers are used best three vectors at a time, and worst one at a time.
            let cost = Double(vectors) + (vectors % 3 == 0 ? 0 : vectors == 1 ? 0.35 : 0.15)
            let each = cost * Double(bands) / Double(band.samples)
            if each < least { (best, least) = (band, each) }
        }
        if count <= most {
            for together in 1...max(1, min(samples, most / count)) {
                consider(Band(samples: together, tileRows: rows), bands: 1)
            }
        } else {
            for height in 1...max(1, min(rows, most / columns)) {
                let bands = (rows + height - 1) / height
                consider(Band(samples: 1, tileRows: (rows + bands - 1) / bands), bands: bands)
            }
        }
        return best
    }
}

/// Some rows of tiles of some samples: what is computed at a time.
struct WinogradPart {
    let sample: Int, samples: Int, firstRow: Int, tileRows: Int
}
