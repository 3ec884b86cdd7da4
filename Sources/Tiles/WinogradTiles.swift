import CProcessor

// Convolutions of 3 × 3 by Winograd's minimal filtering F(4×4, 3×3): sixteen outputs of 6 × 6 inputs take 36 products for each
// channel and filter instead of 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
//
// An image is cut into tiles of 4 × 4 outputs, which read 6 × 6 numbers each. With g the filter, d what the tile reads and · the
// product number by number, its outputs are Aᵀ[(G g Gᵀ) · (Bᵀ d B)]A, where the sum over channels comes before Aᵀ … A. The weight
// gradient is Gᵀ[Σ (A y Aᵀ) · (Bᵀ d B)]G, with y the tile's output gradients and the sum over tiles. The 6 × 6 places of a
// transformed tile are called frequencies here; for each of them the sums are a matrix product.
//
// The matrices follow from the points where the polynomials behind it are evaluated: here 0, ±a, ±b and ∞ with a = 5/8 and b = 3/2.
// Pairs around one lose half a digit at most; the usual 0, ±1, ±2, ∞ lose a whole one. With n = 1/(2a²(a² − b²)) and
// m = 1/(2b²(b² − a²)):
//
//          ⎡ a²b²   0   −a²−b²   0     1  0 ⎤        ⎡ 1/a²b²  0    0  ⎤
//          ⎢ 0    −ab²   −b²     a     1  0 ⎥        ⎢ n      na   na² ⎥         ⎡ 1  1   1   1   1   0 ⎤
//     Bᵀ = ⎢ 0     ab²   −b²    −a     1  0 ⎥    G = ⎢ n     −na   na² ⎥    Aᵀ = ⎢ 0  a  −a   b  −b   0 ⎥
//          ⎢ 0    −a²b   −a²     b     1  0 ⎥        ⎢ m      mb   mb² ⎥         ⎢ 0  a²  a²  b²  b²  0 ⎥
//          ⎢ 0     a²b   −a²    −b     1  0 ⎥        ⎢ m     −mb   mb² ⎥         ⎣ 0  a³ −a³  b³ −b³  1 ⎦
//          ⎣ 0    a²b²   0    −a²−b²   0  1 ⎦        ⎣ 0       0    1  ⎦

/// Frequencies of a tile, and outputs on each of its sides.
let frequencyCount = 36
let tileSide = 4

/// Six numbers of a column or row, or what becomes of them, in vectors.
typealias Six = (Lanes, Lanes, Lanes, Lanes, Lanes, Lanes)

/// Six vectors that are `stride` apart.
@inline(__always)
func loadSix(_ source: UnsafePointer<Float>, stride: Int) -> Six {
    (
        .load(source), .load(source + stride), .load(source + 2 &* stride), .load(source + 3 &* stride),
        .load(source + 4 &* stride), .load(source + 5 &* stride)
    )
}

/// Writes six vectors, `stride` apart.
@inline(__always)
func storeSix(_ all: Six, to target: UnsafeMutablePointer<Float>, stride: Int) {
    all.0.store(to: target)
    all.1.store(to: target + stride)
    all.2.store(to: target + 2 &* stride)
    all.3.store(to: target + 3 &* stride)
    all.4.store(to: target + 4 &* stride)
    all.5.store(to: target + 5 &* stride)
}

/// The points' powers, all of them exact, and the factors of G.
private enum Point {
    @inline(__always) static var a: Lanes { Lanes(repeating: 5 / 8) }
    @inline(__always) static var a2: Lanes { Lanes(repeating: 25 / 64) }
    @inline(__always) static var a3: Lanes { Lanes(repeating: 125 / 512) }
    @inline(__always) static var b: Lanes { Lanes(repeating: 3 / 2) }
    @inline(__always) static var b2: Lanes { Lanes(repeating: 9 / 4) }
    @inline(__always) static var b3: Lanes { Lanes(repeating: 27 / 8) }
    /// a²b² and a² + b².
    @inline(__always) static var product: Lanes { Lanes(repeating: 225 / 256) }
    @inline(__always) static var sum: Lanes { Lanes(repeating: 169 / 64) }
    /// 1/a²b², n, m.
    @inline(__always) static var zero: Lanes { Lanes(repeating: 256 / 225) }
    @inline(__always) static var n: Lanes { Lanes(repeating: -2048 / 2975) }
    @inline(__always) static var m: Lanes { Lanes(repeating: 128 / 1071) }
}

/// Bᵀ d.
@inline(__always)
func timesB(_ d: Six) -> Six {
    let e = d.4.addingProduct(d.2, -Point.b2)
    let o = d.3.addingProduct(d.1, -Point.b2)
    let f = d.4.addingProduct(d.2, -Point.a2)
    let p = d.3.addingProduct(d.1, -Point.a2)
    return (
        d.4.addingProduct(d.2, -Point.sum).addingProduct(d.0, Point.product), e.addingProduct(o, Point.a),
        e.addingProduct(o, -Point.a), f.addingProduct(p, Point.b), f.addingProduct(p, -Point.b),
        d.5.addingProduct(d.3, -Point.sum).addingProduct(d.1, Point.product)
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
        m.0 + s + u, (t * Point.a).addingProduct(w, Point.b), (s * Point.a2).addingProduct(u, Point.b2),
        m.5.addingProduct(t, Point.a3).addingProduct(w, Point.b3)
    )
}

/// A y.
@inline(__always)
func timesTransposedA(_ y0: Lanes, _ y1: Lanes, _ y2: Lanes, _ y3: Lanes) -> Six {
    let e = y0.addingProduct(y2, Point.a2)
    let o = y1.addingProduct(y3, Point.a2)
    let f = y0.addingProduct(y2, Point.b2)
    let p = y1.addingProduct(y3, Point.b2)
    return (
        y0, e.addingProduct(o, Point.a), e.addingProduct(o, -Point.a), f.addingProduct(p, Point.b),
        f.addingProduct(p, -Point.b), y3
    )
}

/// G g.
@inline(__always)
func timesG(_ g0: Lanes, _ g1: Lanes, _ g2: Lanes) -> Six {
    let e = g0.addingProduct(g2, Point.a2) * Point.n
    let o = g1 * (Point.a * Point.n)
    let f = g0.addingProduct(g2, Point.b2) * Point.m
    let p = g1 * (Point.b * Point.m)
    return (g0 * Point.zero, e + o, e - o, f + p, f - p, g2)
}

/// Gᵀ u.
@inline(__always)
func timesTransposedG(_ u: Six) -> (Lanes, Lanes, Lanes) {
    let s = (u.1 + u.2) * Point.n
    let t = (u.1 - u.2) * (Point.a * Point.n)
    let v = (u.3 + u.4) * Point.m
    let w = (u.3 - u.4) * (Point.b * Point.m)
    return (
        (s + v).addingProduct(u.0, Point.zero), t + w, u.5.addingProduct(s, Point.a2).addingProduct(v, Point.b2)
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
