import Kernels
import Storage
import Testing

@Suite("Products in 8 bits")
struct EightBitProductsTests {
    private static var widths: [VectorWidth] { VectorWidth.widest == .wide ? [.narrow, .wide] : [.narrow] }

    /// A row of inputs in 8 bits, as the definition has it.
    private struct Rounded {
        let scale: Float
        let numbers: [Int]

        init(_ row: [Float]) {
            let largest = row.map(abs).max() ?? 0
            scale = largest / 127
            let inverse = 127 / largest
            numbers = row.map { Int((0x1.8p23 as Float).addingProduct($0, inverse) - 0x1.8p23) }
        }
    }

    private func wholeNumbers(_ count: Int) -> [Int8] { numbers(count, seed: 7, scale: 127).map { Int8($0.rounded()) } }

    @Test(
        "are the exact sums of whole numbers, scaled, at any width of vectors, any threads, from rows that lie apart too",
        arguments: [1, 2, 3, 8, 9, 21], [1, 3, 32, 33, 70])
    func products(rows: Int, units: Int) throws {
        for depth in [1, 5, 64, 301] {
            let input = numbers(rows * depth, seed: 1), scales = numbers(units, seed: 2).map { abs($0) / 100 + 0.001 }
            let values = wholeNumbers(units * depth), bias = numbers(units, seed: 3)
            let source = Guarded(input, rows: rows, columns: depth, misalignment: 1, gap: 3)
            let weights = AlignedBuffer<Float>(count: units * depth, repeating: .nan)
            let weight = weights.matrix(rows: units, columns: depth).readOnly
            for (hasBias, activation) in [(true, nil), (false, Activation.relu)] {
                let expected = (0..<rows).flatMap { row in
                    let rounded = Rounded(Array(input[row * depth..<(row + 1) * depth]))
                    return (0..<units).map { unit in
                        let sum = (0..<depth).reduce(0) { $0 + rounded.numbers[$1] * Int(values[unit * depth + $1]) }
                        let result = (hasBias ? bias[unit] : 0).addingProduct(Float(sum), rounded.scale * scales[unit])
                        return activation == .relu && result <= 0 ? 0 : result
                    }
                }
                for workspace in Self.widths.map({ Workspace(vectors: $0) }) + [try Workspace(threadCount: 3)] {
                    #expect(workspace.computeInEightBits(weight, values: values, scales: scales))
                    let result = Guarded(rows: rows, columns: units, misalignment: 2, gap: 5)
                    let added = Guarded(bias, rows: 1, columns: units)
                    workspace.innerProducts(
                        source.readOnly, weight, bias: hasBias ? added.readOnly : nil, activation: activation, into: result.view
                    )
                    #expect(result.values == expected && result.guardsHold, "depth \(depth), \(activation as Any)")
                }
            }
        }
    }

    @Test("a row with numbers that aren't finite has no results, one of zeros the bias, and neighbours don't notice")
    func notFinite() {
        var input = numbers(4 * 9, seed: 1)
        input[9 + 4] = .infinity
        input[18 + 8] = .nan
        for index in 27..<36 { input[index] = 0 }
        let source = Guarded(input, rows: 4, columns: 9)
        let weights = AlignedBuffer<Float>(count: 18)
        let weight = weights.matrix(rows: 2, columns: 9).readOnly
        let bias = Guarded([3, 4], rows: 1, columns: 2)
        for width in Self.widths {
            let workspace = Workspace(vectors: width)
            #expect(workspace.computeInEightBits(weight, values: wholeNumbers(18), scales: [1, 1]))
            let result = Guarded(rows: 4, columns: 2)
            workspace.innerProducts(source.readOnly, weight, bias: bias.readOnly, into: result.view)
            let values = result.values
            #expect(values[..<2].allSatisfy(\.isFinite) && values[2..<6].allSatisfy(\.isNaN) && values[6...] == [3, 4])
        }
    }

    @Test("sums that 32 bits can't hold stay in Float32")
    func deep() {
        let depth = 140_000
        let weights = AlignedBuffer<Float>(count: depth, repeating: 1)
        let weight = weights.matrix(rows: 1, columns: depth).readOnly
        let workspace = Workspace()
        #expect(!workspace.computeInEightBits(weight, values: [Int8](repeating: 1, count: depth), scales: [1]))
        let result = Guarded(rows: 1, columns: 1)
        workspace.innerProducts(weight, weight, bias: nil, into: result.view)
        #expect(result.values == [Float(depth)])
    }

    @Test("the longest sums of the largest numbers are exact")
    func largest() {
        let depth = 1 << 17
        let input = AlignedBuffer<Float>(count: depth, repeating: -1)
        let weights = AlignedBuffer<Float>(count: depth)
        let weight = weights.matrix(rows: 1, columns: depth).readOnly
        for (width, value) in Self.widths.flatMap({ width in [Int8(127), -127].map { (width, $0) } }) {
            let workspace = Workspace(vectors: width)
            #expect(workspace.computeInEightBits(weight, values: [Int8](repeating: value, count: depth), scales: [1]))
            let result = Guarded(rows: 1, columns: 1)
            workspace.innerProducts(input.matrix(rows: 1, columns: depth).readOnly, weight, bias: nil, into: result.view)
            #expect(result.values == [Float(-127 * Int(value) * depth) * (1 / 127)])
        }
    }

    private static let shapes: [ConvolutionShape] = {
        func shape(
            _ channels: Int, _ size: (Int, Int), _ filters: Int, _ kernel: (Int, Int), stride: (Int, Int) = (1, 1),
            padding: (Int, Int, Int, Int) = (0, 0, 0, 0), dilation: (Int, Int) = (1, 1)
        ) -> ConvolutionShape? {
            try? ConvolutionShape(
                channels: channels, height: size.0, width: size.1, filters: filters, kernel: kernel, stride: stride,
                padding: padding, dilation: dilation)
        }
        return [
            shape(1, (5, 7), 3, (3, 3)), shape(3, (8, 6), 5, (3, 2), padding: (1, 2, 0, 3)),
            shape(9, (6, 6), 40, (3, 3), padding: (1, 1, 1, 1)), shape(4, (9, 11), 33, (5, 3), stride: (2, 3)),
            shape(6, (10, 9), 8, (3, 3), padding: (2, 2, 2, 2), dilation: (2, 2)), shape(8, (4, 4), 7, (4, 4)),
            shape(5, (1, 12), 6, (1, 4), padding: (0, 0, 3, 0), dilation: (1, 1)), shape(16, (7, 7), 12, (1, 1))
        ].compactMap { $0 }
    }()

    @Test(
        "convolutions are within what rounding an image to 8 bits makes, with the same bits whatever computes them",
        arguments: shapes)
    func convolutions(_ shape: ConvolutionShape) throws {
        let rows = 3
        let scales = numbers(shape.filters, seed: 2).map { abs($0) / 100 + 0.001 }
        let values = wholeNumbers(shape.weightCount)
        let weights = AlignedBuffer<Float>(count: shape.weightCount)
        for (index, value) in values.enumerated() { weights[index] = Float(value) * scales[index / shape.filterCount] }
        let weight = weights.matrix(rows: 1, columns: shape.weightCount).readOnly
        let input = numbers(rows * shape.inputCount, seed: 1)
        let source = Guarded(input, rows: rows, columns: shape.inputCount, gap: 3)
        let bias = Guarded(numbers(shape.filters, seed: 3), rows: 1, columns: shape.filters)
        let plain = Guarded(rows: rows, columns: shape.outputCount)
        Workspace().convolution(source.readOnly, weight, bias: bias.readOnly, shape: shape, into: plain.view)
        var first: [UInt32]?
        for workspace in Self.widths.map({ Workspace(vectors: $0) }) + [try Workspace(threadCount: 2)] {
            #expect(workspace.computeInEightBits(weight, values: values, scales: scales, convolution: shape))
            let result = Guarded(rows: rows, columns: shape.outputCount, gap: 4)
            workspace.convolution(source.readOnly, weight, bias: bias.readOnly, shape: shape, into: result.view)
            #expect(result.guardsHold && first ?? result.bits == result.bits)
            first = result.bits
            let found = result.values, exact = plain.values
            let places = shape.outputHeight * shape.outputWidth
            expectAll(found.count, "\(shape)") { index in
                let filter = index % shape.outputCount / places, row = index / shape.outputCount
                // Half a step for each input of the window; rounding the sums themselves is far less.
                let step = (input[row * shape.inputCount..<(row + 1) * shape.inputCount].map(abs).max() ?? 0) / 127
                let sizes = (0..<shape.filterCount).reduce(Float(0)) { $0 + abs(weights[filter * shape.filterCount + $1]) }
                return abs(found[index] - exact[index]) <= sizes * (step * 0.5001 + 1e-5)
            }
            #expect(found != exact)
            // A sample by itself has the same bits.
            let alone = Guarded(rows: 1, columns: shape.outputCount)
            workspace.convolution(
                source.readOnly[rows: 1..<2], weight, bias: bias.readOnly, shape: shape, activation: .relu, into: alone.view)
            #expect(alone.values == found[shape.outputCount..<2 * shape.outputCount].map { $0 > 0 ? $0 : 0 })
        }
    }

    @Test("convolutions in groups stay in Float32")
    func groups() throws {
        let shape = try ConvolutionShape(channels: 4, height: 5, width: 5, filters: 4, kernel: (3, 3), groups: 2)
        let weights = AlignedBuffer<Float>(count: shape.weightCount, repeating: 1)
        #expect(
            !Workspace().computeInEightBits(
                weights.matrix(rows: 1, columns: shape.weightCount).readOnly,
                values: [Int8](repeating: 1, count: shape.weightCount), scales: [1, 1, 1, 1], convolution: shape))
    }
}
