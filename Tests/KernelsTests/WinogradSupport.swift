import Kernels

/// A convolution of 3 × 3 by tiles of 4 × 4, number by number in the order that the loops promise.
struct PlainWinograd {
    /// Images that are read: how many, their channels and size, and zeros before them.
    let rows: Int, channels: Int, height: Int, width: Int, top: Int, left: Int
    let outputs: Int, outputHeight: Int, outputWidth: Int
    let image: [Float]
    let weight: (_ output: Int, _ channel: Int, _ row: Int, _ column: Int) -> Float

    private var tileRows: Int { (outputHeight + 3) / 4 }
    private var tileColumns: Int { (outputWidth + 3) / 4 }

    // The points ±a and ±b, and the factors of G.
    private static let (a, b): (Float, Float) = (5 / 8, 3 / 2)
    private static let (a2, b2, a3, b3): (Float, Float, Float, Float) = (25 / 64, 9 / 4, 125 / 512, 27 / 8)
    private static let (zero, n, m): (Float, Float, Float) = (256 / 225, -2048 / 2975, 128 / 1071)

    private static func timesB(_ d: [Float]) -> [Float] {
        let (e, o) = (d[4].addingProduct(d[2], -b2), d[3].addingProduct(d[1], -b2))
        let (f, p) = (d[4].addingProduct(d[2], -a2), d[3].addingProduct(d[1], -a2))
        func end(_ first: Int) -> Float {
            d[first + 4].addingProduct(d[first + 2], -169 / 64).addingProduct(d[first], 225 / 256)
        }
        return [
            end(0), e.addingProduct(o, a), e.addingProduct(o, -a), f.addingProduct(p, b), f.addingProduct(p, -b), end(1)
        ]
    }

    private static func timesA(_ m: [Float]) -> [Float] {
        let (s, t, u, w) = (m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4])
        return [
            m[0] + s + u, (t * a).addingProduct(w, b), (s * a2).addingProduct(u, b2),
            m[5].addingProduct(t, a3).addingProduct(w, b3)
        ]
    }

    private static func timesTransposedA(_ y: [Float]) -> [Float] {
        let (e, o) = (y[0].addingProduct(y[2], a2), y[1].addingProduct(y[3], a2))
        let (f, p) = (y[0].addingProduct(y[2], b2), y[1].addingProduct(y[3], b2))
        return [y[0], e.addingProduct(o, a), e.addingProduct(o, -a), f.addingProduct(p, b), f.addingProduct(p, -b), y[3]]
    }

    private static func timesG(_ g: [Float]) -> [Float] {
        let (e, o) = (g[0].addingProduct(g[2], a2) * n, g[1] * (a * n))
        let (f, p) = (g[0].addingProduct(g[2], b2) * m, g[1] * (b * m))
        return [g[0] * zero, e + o, e - o, f + p, f - p, g[2]]
    }

    private static func timesTransposedG(_ u: [Float]) -> [Float] {
        let (s, t) = ((u[1] + u[2]) * n, (u[1] - u[2]) * (a * n))
        let (v, w) = ((u[3] + u[4]) * m, (u[3] - u[4]) * (b * m))
        return [(s + v).addingProduct(u[0], zero), t + w, u[5].addingProduct(s, a2).addingProduct(v, b2)]
    }

    /// Both sides of a matrix of rows: first its rows or its columns.
    private static func both(
        _ matrix: [[Float]], columnsFirst: Bool, _ function: ([Float]) -> [Float]
    ) -> [[Float]] {
        func turned(_ m: [[Float]]) -> [[Float]] { m[0].indices.map { column in m.map { $0[column] } } }
        return columnsFirst
            ? turned(turned(matrix).map(function)).map(function) : turned(turned(matrix.map(function)).map(function))
    }

    private func read(_ row: Int, _ channel: Int, _ y: Int, _ x: Int) -> Float {
        guard y >= 0, y < height, x >= 0, x < width else { return 0 }
        return image[((row * channels + channel) * height + y) * width + x]
    }

    /// Bᵀ d B of a tile.
    private func input(_ row: Int, _ channel: Int, _ tileRow: Int, _ tileColumn: Int) -> [Float] {
        let d = (0..<6).map { y in
            (0..<6).map { x in read(row, channel, 4 * tileRow + y - top, 4 * tileColumn + x - left) }
        }
        return Self.both(d, columnsFirst: true, Self.timesB).flatMap { $0 }
    }

    func output(bias: [Float]?, rectifies: Bool = false) -> [Float] {
        var result = [Float](repeating: .nan, count: rows * outputs * outputHeight * outputWidth)
        let filters = (0..<outputs).map { output in
            (0..<channels).map { channel in
                let g = (0..<3).map { i in (0..<3).map { j in weight(output, channel, i, j) } }
                return Self.both(g, columnsFirst: false, Self.timesG).flatMap { $0 }
            }
        }
        for row in 0..<rows {
            for tileRow in 0..<tileRows {
                for tileColumn in 0..<tileColumns {
                    let inputs = (0..<channels).map { input(row, $0, tileRow, tileColumn) }
                    for output in 0..<outputs {
                        var sums = [Float](repeating: 0, count: 36)
                        for channel in 0..<channels {
                            for f in 0..<36 { sums[f] = sums[f].addingProduct(filters[output][channel][f], inputs[channel][f]) }
                        }
                        let m = (0..<6).map { Array(sums[6 * $0..<6 * $0 + 6]) }
                        let y = Self.both(m, columnsFirst: false, Self.timesA)
                        for i in 0..<min(4, outputHeight - 4 * tileRow) {
                            for j in 0..<min(4, outputWidth - 4 * tileColumn) {
                                var sum = y[i][j]
                                if let bias { sum += bias[output] }
                                let place = ((row * outputs + output) * outputHeight + 4 * tileRow + i) * outputWidth
                                result[place + 4 * tileColumn + j] = rectifies && sum <= 0 ? 0 : sum
                            }
                        }
                    }
                }
            }
        }
        return result
    }

    /// Of the leaf of the rows `leaf`, for each output and channel the taps.
    func weightGradient(_ gradient: [Float], leaf: Range<Int>) -> [Float] {
        var result: [Float] = []
        let tiles = leaf.flatMap { row in
            (0..<tileRows).flatMap { tileRow in (0..<tileColumns).map { (row, tileRow, $0) } }
        }
        let inputs = (0..<channels).map { channel in tiles.map { input($0.0, channel, $0.1, $0.2) } }
        for output in 0..<outputs {
            let gradients = tiles.map { row, tileRow, tileColumn in
                let y: [[Float]] = (0..<4).map { i in
                    (0..<4).map { j in
                        let (v, u) = (4 * tileRow + i, 4 * tileColumn + j)
                        guard v < outputHeight, u < outputWidth else { return 0 }
                        return gradient[((row * outputs + output) * outputHeight + v) * outputWidth + u]
                    }
                }
                return Self.both(y, columnsFirst: false, Self.timesTransposedA).flatMap { $0 }
            }
            for channel in 0..<channels {
                var sums = [Float](repeating: 0, count: 36)
                for tile in tiles.indices {
                    for f in 0..<36 { sums[f] = sums[f].addingProduct(inputs[channel][tile][f], gradients[tile][f]) }
                }
                let u = (0..<6).map { Array(sums[6 * $0..<6 * $0 + 6]) }
                result += Self.both(u, columnsFirst: true, Self.timesTransposedG).flatMap { $0 }.map { 0 + $0 }
            }
        }
        return result
    }
}

extension PlainConvolution {
    /// The forward direction by tiles.
    var winograd: PlainWinograd {
        PlainWinograd(
            rows: rows, channels: shape.channels, height: shape.height, width: shape.width, top: shape.paddingTop,
            left: shape.paddingLeft, outputs: shape.filters, outputHeight: shape.outputHeight, outputWidth: shape.outputWidth,
            image: input
        ) { [weights, channels = shape.channels] in weights[(($0 * channels + $1) * 3 + $2) * 3 + $3] }
    }

    /// The input gradient by tiles: a convolution of the output gradients with filters turned around.
    var winogradInputGradient: PlainWinograd {
        PlainWinograd(
            rows: rows, channels: shape.filters, height: shape.outputHeight, width: shape.outputWidth,
            top: 2 - shape.paddingTop,
            left: 2 - shape.paddingLeft, outputs: shape.channels, outputHeight: shape.height, outputWidth: shape.width,
            image: outputGradient
        ) { [weights, channels = shape.channels] in weights[(($1 * channels + $0) * 3 + 2 - $2) * 3 + 2 - $3] }
    }
}
