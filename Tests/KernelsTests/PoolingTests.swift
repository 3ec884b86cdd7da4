import Kernels
import Storage
import Testing

@Suite("Pooling, upsampling and padding of images")
struct PoolingTests {
    private static func workspaces() throws -> [Workspace] { [Workspace(), try Workspace(threadCount: 3)] }

    private struct Window {
        let kernel: (height: Int, width: Int)
        let stride: (height: Int, width: Int)
        let padding: (height: Int, width: Int)
    }

    private static let windows = [
        Window(kernel: (2, 2), stride: (2, 2), padding: (0, 0)), Window(kernel: (3, 3), stride: (2, 2), padding: (1, 1)),
        Window(kernel: (3, 3), stride: (1, 1), padding: (1, 1)), Window(kernel: (2, 5), stride: (3, 1), padding: (1, 2)),
        Window(kernel: (1, 1), stride: (1, 3), padding: (0, 0)), Window(kernel: (4, 3), stride: (4, 5), padding: (2, 0))
    ]

    private static let sizes = [(5, 5), (4, 3), (7, 18), (12, 35), (9, 16), (24, 24)]

    private static func shapes() throws -> [PoolingShape] {
        try windows.flatMap { window in
            try sizes.filter {
                window.kernel.height <= $0.0 + 2 * window.padding.height
                    && window.kernel.width <= $0.1 + 2 * window.padding.width
            }
            .map {
                try PoolingShape(
                    channels: 3, height: $0.0, width: $0.1, kernel: window.kernel, stride: window.stride,
                    padding: window.padding)
            }
        }
    }

    /// The places of the image that a window sees, in order, as (row, channel, y, x) are counted.
    private static func places(_ shape: PoolingShape, _ index: Int) -> [Int] {
        let x = index % shape.outputWidth
        let y = index / shape.outputWidth % shape.outputHeight
        let plane = index / (shape.outputWidth * shape.outputHeight)
        var result: [Int] = []
        for v in y * shape.strideHeight - shape.paddingHeight..<y * shape.strideHeight - shape.paddingHeight
            + shape.kernelHeight
        {
            for u in x * shape.strideWidth - shape.paddingWidth..<x * shape.strideWidth - shape.paddingWidth + shape.kernelWidth
            where v >= 0 && v < shape.height && u >= 0 && u < shape.width {
                result.append((plane * shape.height + v) * shape.width + u)
            }
        }
        return result
    }

    @Test(
        "the maximum of each window, rectified or not, its gradient to the first one that is it; NaN comes through",
        arguments: [false, true])
    func maxima(rectifies: Bool) throws {
        for shape in try Self.shapes() {
            // Few values, so that there are ties.
            var x = numbers(2 * shape.inputCount, seed: 5).map { ($0 * 3).rounded() }
            x[x.count / 3] = .nan
            let g = numbers(2 * shape.outputCount, seed: 6)
            var expected: [Float] = []
            var gradient = [Float](repeating: 0, count: x.count)
            for index in 0..<2 * shape.outputCount {
                let places = Self.places(shape, index)
                let isNaN = places.contains { x[$0].isNaN }
                let largest = isNaN ? Float.nan : places.map { x[$0] }.max() ?? .nan
                expected.append(rectifies && largest <= 0 ? 0 : largest)
                if rectifies && largest <= 0 { continue }
                if let first = places.first(where: { x[$0] == largest || x[$0].isNaN }) { gradient[first] += g[index] }
            }
            for workspace in try Self.workspaces() {
                let input = Guarded(x, rows: 2, columns: shape.inputCount, misalignment: 1, gap: 3)
                let output = Guarded(rows: 2, columns: shape.outputCount, misalignment: 2, gap: 1)
                let outputGradient = Guarded(g, rows: 2, columns: shape.outputCount, misalignment: 3)
                let inputGradient = Guarded(rows: 2, columns: shape.inputCount, misalignment: 5, gap: 2)
                workspace.maxPool(input.readOnly, shape: shape, rectifies: rectifies, into: output.view)
                workspace.maxPoolGradient(
                    outputGradient.readOnly, input: input.readOnly, output: output.readOnly, shape: shape,
                    rectified: rectifies, into: inputGradient.view)
                let (y, d) = (output.values, inputGradient.values)
                expectAll(y.count, "\(shape)") { y[$0] == expected[$0] || y[$0].isNaN && expected[$0].isNaN }
                expectAll(d.count, "gradient, \(shape)") { d[$0] == gradient[$0] }
                #expect(output.guardsHold && inputGradient.guardsHold, "\(shape)")
            }
        }
    }

    @Test("the mean of each window, padding counted or not, and its gradient", arguments: [true, false])
    func means(countsPadding: Bool) throws {
        for shape in try Self.shapes() {
            let x = numbers(2 * shape.inputCount, seed: 7)
            let g = numbers(2 * shape.outputCount, seed: 8)
            var expected: [Double] = []
            var gradient = [Double](repeating: 0, count: x.count)
            for index in 0..<2 * shape.outputCount {
                let places = Self.places(shape, index)
                let count = Double(countsPadding ? shape.kernelHeight * shape.kernelWidth : places.count)
                expected.append(places.reduce(0) { $0 + Double(x[$1]) } / count)
                for place in places { gradient[place] += Double(g[index]) / count }
            }
            var bits: [[UInt32]] = []
            for workspace in try Self.workspaces() {
                let input = Guarded(x, rows: 2, columns: shape.inputCount, misalignment: 1, gap: 3)
                let output = Guarded(rows: 2, columns: shape.outputCount, misalignment: 2, gap: 1)
                let outputGradient = Guarded(g, rows: 2, columns: shape.outputCount, misalignment: 3)
                let inputGradient = Guarded(rows: 2, columns: shape.inputCount, misalignment: 5, gap: 2)
                workspace.averagePool(input.readOnly, shape: shape, countsPadding: countsPadding, into: output.view)
                workspace.averagePoolGradient(
                    outputGradient.readOnly, shape: shape, countsPadding: countsPadding, into: inputGradient.view)
                let (y, d) = (output.values, inputGradient.values)
                // At most 20 numbers of at most 1 are added.
                expectAll(y.count, "\(shape)") { agrees(y[$0], expected[$0], within: 40 * unit) }
                expectAll(d.count, "gradient, \(shape)") { agrees(d[$0], gradient[$0], within: 400 * unit) }
                #expect(output.guardsHold && inputGradient.guardsHold, "\(shape)")
                bits.append(output.bits + inputGradient.bits)
            }
            #expect(bits.allSatisfy { $0 == bits[0] }, "\(shape)")
        }
    }

    @Test("over whole planes", arguments: [1, 7, 8, 9, 40, 49])
    func wholePlanes(area: Int) throws {
        let channels = 3
        let x = numbers(2 * channels * area, seed: 9).map { ($0 * 4).rounded() }
        let g = numbers(2 * channels, seed: 10)
        for workspace in try Self.workspaces() {
            let input = Guarded(x, rows: 2, columns: channels * area, misalignment: 1, gap: 3)
            let outputGradient = Guarded(g, rows: 2, columns: channels, misalignment: 3)
            let mean = Guarded(rows: 2, columns: channels, misalignment: 2, gap: 1)
            let maximum = Guarded(rows: 2, columns: channels, misalignment: 2, gap: 1)
            let meanGradient = Guarded(rows: 2, columns: channels * area, misalignment: 5, gap: 2)
            let maximumGradient = Guarded(rows: 2, columns: channels * area, misalignment: 5, gap: 2)
            workspace.globalAveragePool(input.readOnly, channels: channels, into: mean.view)
            workspace.globalMaxPool(input.readOnly, channels: channels, into: maximum.view)
            workspace.globalAveragePoolGradient(outputGradient.readOnly, channels: channels, into: meanGradient.view)
            workspace.globalMaxPoolGradient(
                outputGradient.readOnly, input: input.readOnly, output: maximum.readOnly, channels: channels,
                into: maximumGradient.view)
            for plane in 0..<2 * channels {
                let numbers = x[plane * area..<(plane + 1) * area]
                let largest = numbers.max() ?? .nan
                #expect(mean.values[plane] == Float(numbers.reduce(0) { $0 + Double($1) } / Double(area)))
                #expect(maximum.values[plane] == largest)
                let first = numbers.firstIndex(of: largest)
                expectAll(area, "plane \(plane)") { place in
                    meanGradient.values[plane * area + place] == g[plane] / Float(area)
                        && maximumGradient.values[plane * area + place] == (plane * area + place == first ? g[plane] : 0)
                }
            }
            #expect(mean.guardsHold && maximum.guardsHold && meanGradient.guardsHold && maximumGradient.guardsHold)
        }
    }

    @Test("larger images are what PyTorch's definition says, and the gradient is the transpose")
    func larger() throws {
        for (height, width, outputHeight, outputWidth) in [
            (4, 5, 8, 10), (3, 2, 7, 9), (5, 6, 4, 3), (1, 1, 3, 2), (6, 7, 18, 7)
        ] {
            for mode in [UpsamplingShape.Mode.nearest, .bilinear] {
                let shape = try UpsamplingShape(
                    mode: mode, channels: 2, height: height, width: width, outputHeight: outputHeight, outputWidth: outputWidth)
                let x = numbers(2 * shape.inputCount, seed: 11)
                let g = numbers(2 * shape.outputCount, seed: 12)
                /// The neighbours of a place and their shares.
                func parts(_ place: Int, _ input: Int, _ output: Int) -> [(Int, Double)] {
                    let scale = Double(input) / Double(output)
                    if mode == .nearest { return [(min(input - 1, Int(Double(place) * scale + 1e-9)), 1)] }
                    let exact = max(0, (Double(place) + 0.5) * scale - 0.5)
                    let first = min(input - 1, Int(exact))
                    return [(first, 1 - (exact - Double(first))), (min(input - 1, first + 1), exact - Double(first))]
                }
                var expected: [Double] = []
                var gradient = [Double](repeating: 0, count: x.count)
                for index in g.indices {
                    let plane = index / (outputWidth * outputHeight)
                    var sum = 0.0
                    for (v, a) in parts(index / outputWidth % outputHeight, height, outputHeight) {
                        for (u, b) in parts(index % outputWidth, width, outputWidth) {
                            let place = (plane * height + v) * width + u
                            sum += a * b * Double(x[place])
                            gradient[place] += a * b * Double(g[index])
                        }
                    }
                    expected.append(sum)
                }
                for workspace in try Self.workspaces() {
                    let input = Guarded(x, rows: 2, columns: shape.inputCount, misalignment: 1, gap: 3)
                    let output = Guarded(rows: 2, columns: shape.outputCount, misalignment: 2, gap: 1)
                    let outputGradient = Guarded(g, rows: 2, columns: shape.outputCount, misalignment: 3)
                    let inputGradient = Guarded(rows: 2, columns: shape.inputCount, misalignment: 5, gap: 2)
                    workspace.upsample(input.readOnly, shape: shape, into: output.view)
                    workspace.upsampleGradient(outputGradient.readOnly, shape: shape, into: inputGradient.view)
                    let (y, d) = (output.values, inputGradient.values)
                    // Places below 32 in Float: shares within 64 units, four of them; sums of at most 50.
                    expectAll(y.count, "\(shape)") { agrees(y[$0], expected[$0], within: 300 * unit) }
                    expectAll(d.count, "gradient, \(shape)") { agrees(d[$0], gradient[$0], within: 6000 * unit) }
                    #expect(output.guardsHold && inputGradient.guardsHold, "\(shape)")
                }
            }
        }
    }

    @Test("zeros around images, and what lies inside them")
    func zeros() throws {
        for padding in [(top: 1, bottom: 2, left: 3, right: 0), (0, 0, 0, 0), (2, 0, 0, 4)] {
            let (height, width) = (4, 5)
            let (tall, wide) = (height + padding.0 + padding.1, width + padding.2 + padding.3)
            let x = numbers(2 * 3 * height * width, seed: 13)
            for workspace in try Self.workspaces() {
                let input = Guarded(x, rows: 2, columns: 3 * height * width, misalignment: 1, gap: 3)
                let output = Guarded(rows: 2, columns: 3 * tall * wide, misalignment: 2, gap: 1)
                let back = Guarded(rows: 2, columns: 3 * height * width, misalignment: 5, gap: 2)
                workspace.zeroPad(
                    input.readOnly, channels: 3, height: height, width: width, padding: padding, into: output.view)
                workspace.zeroPadGradient(
                    output.readOnly, channels: 3, height: height, width: width, padding: padding, into: back.view)
                let y = output.values
                expectAll(y.count, "\(padding)") { index in
                    let v = index / wide % tall - padding.0
                    let u = index % wide - padding.2
                    let isInside = v >= 0 && v < height && u >= 0 && u < width
                    return y[index] == (isInside ? x[(index / (tall * wide) * height + v) * width + u] : 0)
                }
                #expect(back.values == x && output.guardsHold && back.guardsHold)
            }
        }
    }
}
