import Kernels
import Storage
import Testing

@Suite("Convolutions by tiles")
struct WinogradTests {
    /// The method's error stays below (chain + 40) · u · |Aᵀ|[Σ (|G||g||Gᵀ|) · (|Bᵀ||d||B|)]|A|: every number passes through so many
    /// rounded operations at most (12 in each of two transformations of the image and of the filter, 10 in each of two of the sums), and
    /// absolute values of all matrices bound what they do to it. Likewise for the weight gradient.
    private static let (p, q) = (5.0 / 8, 3.0 / 2)
    private static let n = 1 / (2 * p * p * (p * p - q * q))
    private static let m = 1 / (2 * q * q * (q * q - p * p))
    private static let b: [[Double]] = [
        [p * p * q * q, 0, -p * p - q * q, 0, 1, 0], [0, -p * q * q, -q * q, p, 1, 0], [0, p * q * q, -q * q, -p, 1, 0],
        [0, -p * p * q, -p * p, q, 1, 0], [0, p * p * q, -p * p, -q, 1, 0], [0, p * p * q * q, 0, -p * p - q * q, 0, 1]
    ]
    private static let g: [[Double]] = [
        [1 / (p * p * q * q), 0, 0], [n, n * p, n * p * p], [n, -n * p, n * p * p], [m, m * q, m * q * q],
        [m, -m * q, m * q * q], [0, 0, 1]
    ]
    private static let a: [[Double]] = [
        [1, 1, 1, 1, 1, 0], [0, p, -p, q, -q, 0], [0, p * p, p * p, q * q, q * q, 0],
        [0, p * p * p, -p * p * p, q * q * q, -q * q * q, 1]
    ]

    private static func turned(_ m: [[Double]]) -> [[Double]] { m[0].indices.map { column in m.map { $0[column] } } }

    private static func product(_ x: [[Double]], _ y: [[Double]]) -> [[Double]] {
        x.map { row in y[0].indices.map { column in row.indices.reduce(0) { $0 + row[$1] * y[$1][column] } } }
    }

    /// |m| x |mᵀ|.
    private static func bounded(_ m: [[Double]], _ x: [[Double]]) -> [[Double]] {
        let m = m.map { $0.map(abs) }
        return product(product(m, x), turned(m))
    }

    private static func shape(_ channels: Int, _ side: Int, _ filters: Int) throws -> ConvolutionShape {
        try ConvolutionShape(
            channels: channels, height: side, width: side, filters: filters, kernel: (3, 3), padding: (1, 1, 1, 1))
    }

    @Test("outputs and weight gradients are as near the exact ones as the method's bound says", arguments: [8, 64, 512])
    func error(channels: Int) throws {
        let shape = try Self.shape(channels, 8, 8)
        #expect(shape.isWinograd)
        let plain = PlainConvolution(shape, rows: 2)
        let workspace = Workspace()
        let input = Guarded(plain.input, rows: 2, columns: shape.inputCount)
        let weights = Guarded(plain.weights, rows: 1, columns: shape.weightCount)
        let output = Guarded(rows: 2, columns: shape.outputCount)
        workspace.convolution(input.readOnly, weights.readOnly, bias: nil, shape: shape, into: output.view)
        let unit = Double(Float.ulpOfOne) / 2
        func read(_ row: Int, _ channel: Int, _ y: Int, _ x: Int) -> Double {
            y < 0 || x < 0 || y > 7 || x > 7 ? 0 : Double(plain.input[((row * channels + channel) * 8 + y) * 8 + x])
        }
        func tile(_ row: Int, _ channel: Int, _ y: Int, _ x: Int) -> [[Double]] {
            (0..<6).map { i in (0..<6).map { j in abs(read(row, channel, y + i - 1, x + j - 1)) } }
        }
        for filter in [0, 7] {
            for (row, y, x) in [(0, 0, 0), (1, 4, 4)] {
                var frequencies = [[Double]](repeating: [Double](repeating: 0, count: 6), count: 6)
                for channel in 0..<channels {
                    let taps = (0..<3).map { i in
                        (0..<3).map { j in abs(Double(plain.weights[(filter * channels + channel) * 9 + 3 * i + j])) }
                    }
                    let (u, v) = (Self.bounded(Self.g, taps), Self.bounded(Self.b, tile(row, channel, y, x)))
                    for i in 0..<6 { for j in 0..<6 { frequencies[i][j] += u[i][j] * v[i][j] } }
                }
                let bound = Self.bounded(Self.a, frequencies)
                for i in 0..<4 {
                    for j in 0..<4 {
                        var exact = 0.0
                        for channel in 0..<channels {
                            for tap in 0..<9 {
                                exact +=
                                    read(row, channel, y + i + tap / 3 - 1, x + j + tap % 3 - 1)
                                    * Double(plain.weights[(filter * channels + channel) * 9 + tap])
                            }
                        }
                        let value = Double(output.view.base[row * output.view.stride + (filter * 8 + y + i) * 8 + x + j])
                        let most = Double(channels + 40) * unit * bound[i][j]
                        #expect(abs(value - exact) <= most, "\(value) for \(exact), allowed \(most)")
                    }
                }
            }
        }
    }

    @Test("the errors are of the size that ARCHITECTURE.md says: one to four times the direct chain's, root mean square")
    func sizeOfError() throws {
        for channels in [16, 64] {
            let shape = try Self.shape(channels, 16, 16)
            let plain = PlainConvolution(shape, rows: 1)
            let direct = plain.directOutput(bias: nil)
            let tiled = plain.output(bias: nil)
            var squares = (direct: 0.0, tiled: 0.0)
            for index in direct.indices {
                let (filter, y, x) = (index / 256, index / 16 % 16, index % 16)
                var exact = 0.0
                for channel in 0..<channels {
                    for tap in 0..<9 {
                        let (v, u) = (y + tap / 3 - 1, x + tap % 3 - 1)
                        if v >= 0, u >= 0, v < 16, u < 16 {
                            exact +=
                                Double(plain.input[(channel * 16 + v) * 16 + u])
                                * Double(plain.weights[(filter * channels + channel) * 9 + tap])
                        }
                    }
                }
                squares.direct += (Double(direct[index]) - exact) * (Double(direct[index]) - exact)
                squares.tiled += (Double(tiled[index]) - exact) * (Double(tiled[index]) - exact)
            }
            let ratio = (squares.tiled / squares.direct).squareRoot()
            #expect(ratio > 1 && ratio < 4, "\(ratio)")
        }
    }

    @Test("which shapes are computed so")
    func shapes() throws {
        func isTiled(_ channels: Int, _ side: Int, _ filters: Int, kernel: Int = 3, stride: Int = 1, groups: Int = 1) throws
            -> Bool
        {
            try ConvolutionShape(
                channels: channels, height: side, width: side, filters: filters, kernel: (kernel, kernel),
                stride: (stride, stride), padding: (1, 1, 1, 1), groups: groups
            ).isWinograd
        }
        #expect(try isTiled(8, 4, 8) && isTiled(512, 7, 512) && isTiled(64, 224, 64))
        #expect(try !isTiled(3, 32, 16) && !isTiled(16, 32, 1) && !isTiled(64, 1, 64) && !isTiled(64, 5, 64))
        #expect(try !isTiled(16, 32, 16, kernel: 5) && !isTiled(16, 32, 16, stride: 2) && !isTiled(16, 32, 16, groups: 2))
    }
}
