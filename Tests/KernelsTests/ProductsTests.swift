import COpenBLAS
import Kernels
import Storage
import Testing

@Suite("Matrix products")
struct ProductsTests {
    private struct Sizes: CustomTestStringConvertible {
        let rows: Int, depth: Int, columns: Int
        var testDescription: String { "\(rows)×\(depth)×\(columns)" }
    }

    private static func sizes() -> [Sizes] {
        var result: [Sizes] = []
        for size in oddSizes {
            result += [
                Sizes(rows: size, depth: 9, columns: 7), Sizes(rows: 5, depth: size, columns: 4),
                Sizes(rows: 7, depth: 10, columns: size), Sizes(rows: size, depth: size, columns: size)
            ]
        }
        return result
    }

    /// A chain of k fused multiply-adds is within k roundings of Σ|a·b|, the bias adds one, products of roundings less
    /// than another.
    private static func tolerance(_ terms: Int, _ magnitude: Double) -> Double { Double(terms + 2) * unit * magnitude }

    /// Both builds of the loops where the processor has the wide one.
    private static let widths: [VectorWidth] = VectorWidth.widest == .wide ? [.narrow, .wide] : [.narrow]

    private enum Product: CaseIterable { case inner, innerWithoutBias, inputGradient, weightGradient }

    /// Runs a product on `a` and `b`, and the plain loop; NaN, infinities and guards included.
    private static func check(_ product: Product, _ s: Sizes, spoil: Float?, misalignment: Int) {
        for width in widths { check(product, s, spoil: spoil, misalignment: misalignment, Workspace(vectors: width)) }
    }

    private static func check(_ product: Product, _ s: Sizes, spoil: Float?, misalignment: Int, _ workspace: Workspace) {
        // Rows × columns of both operands, and of the result, and how an element of the result is summed.
        let (aRows, aColumns, bRows, bColumns, rows, columns): (Int, Int, Int, Int, Int, Int) =
            switch product {
            case .inner, .innerWithoutBias: (s.rows, s.depth, s.columns, s.depth, s.rows, s.columns)
            case .inputGradient: (s.rows, s.depth, s.depth, s.columns, s.rows, s.columns)
            case .weightGradient: (s.depth, s.rows, s.depth, s.columns, s.rows, s.columns)
            }
        var a = numbers(aRows * aColumns, seed: 1)
        var b = numbers(bRows * bColumns, seed: 2)
        let bias = numbers(columns, seed: 3)
        if let spoil {
            a[a.count / 2] = spoil
            b[b.count / 3] = spoil
        }
        let left = Guarded(a, rows: aRows, columns: aColumns, misalignment: misalignment)
        let right = Guarded(b, rows: bRows, columns: bColumns, misalignment: (misalignment + 1) % 8)
        let biases = Guarded(bias, rows: 1, columns: columns, misalignment: (misalignment + 2) % 8)
        let result = Guarded(rows: rows, columns: columns, misalignment: (misalignment + 3) % 8)
        switch product {
        case .inner: workspace.innerProducts(left.readOnly, right.readOnly, bias: biases.readOnly, into: result.view)
        case .innerWithoutBias: workspace.innerProducts(left.readOnly, right.readOnly, bias: nil, into: result.view)
        case .inputGradient: workspace.inputGradient(left.readOnly, right.readOnly, into: result.view)
        case .weightGradient:
            workspace.weightGradient(left.readOnly, right.readOnly, leafRows: s.depth, into: result.view)
        }
        let values = result.values
        expectAll(rows * columns, "\(product) \(s.testDescription)") { index in
            let row = index / columns
            let column = index % columns
            var sum = product == .inner ? Double(bias[column]) : 0
            var magnitude = abs(sum)
            for k in 0..<s.depth {
                let (x, y): (Float, Float) =
                    switch product {
                    case .inner, .innerWithoutBias: (a[row * s.depth + k], b[column * s.depth + k])
                    case .inputGradient: (a[row * s.depth + k], b[k * columns + column])
                    case .weightGradient: (a[k * rows + row], b[k * columns + column])
                    }
                sum += Double(x) * Double(y)
                magnitude += abs(Double(x) * Double(y))
            }
            return agrees(values[index], sum, within: tolerance(s.depth, magnitude))
        }
        #expect(result.guardsHold && left.guardsHold && right.guardsHold, "\(product) \(s.testDescription)")
    }

    @Test("equal the plain loop at odd sizes, misaligned, and write nothing outside")
    func plainLoop() {
        for (index, size) in Self.sizes().enumerated() {
            for product in Product.allCases { Self.check(product, size, spoil: nil, misalignment: index % 8) }
        }
    }

    @Test(
        "carry NaN and infinities exactly where the plain loop does",
        arguments: [Float.nan, .infinity, -.infinity])
    func specialNumbers(spoil: Float) {
        for (index, size) in Self.sizes().enumerated() {
            for product in Product.allCases { Self.check(product, size, spoil: spoil, misalignment: index % 8) }
        }
    }

    /// Rows, inputs, outputs and rows of a leaf: around tiles and strips, and beyond every block of the loops (256 rows,
    /// a depth of 832 and of 384, 192 units, 192 and 1024 columns), packed and in place, with rows at powers of two.
    private static let shapes: [[Int]] = [
        [1, 1, 1, 1], [3, 5, 2, 2], [16, 33, 12, 16], [17, 31, 13, 5], [32, 784, 128, 32], [33, 50, 25, 8],
        [31, 801, 200, 31], [45, 1700, 193, 16], [300, 40, 70, 32], [257, 17, 11, 256], [20, 530, 600, 7],
        [140, 1060, 520, 32], [5, 1030, 1025, 2], [64, 256, 257, 1], [7, 100, 300, 7],
        [70, 256, 140, 16], [66, 128, 384, 64], [130, 1024, 128, 40], [35, 2048, 200, 33]
    ]

    /// Numbers between the rows of the operands: none, a few, and so many that rows lie at multiples of 128.
    private static func gaps(_ columns: Int) -> [Int] { [0, 5, 128 - columns % 128] }

    @Test(
        "every element is one chain of fused multiply-adds in ascending order, bit for bit, at any width and stride",
        arguments: shapes)
    func chains(shape: [Int]) throws {
        let (rows, inputs, outputs, leafRows) = (shape[0], shape[1], shape[2], shape[3])
        let x = numbers(rows * inputs, seed: 21)
        let w = numbers(outputs * inputs, seed: 22)
        let b = numbers(outputs, seed: 23)
        let g = numbers(rows * outputs, seed: 24)
        let bias = Guarded(b, rows: 1, columns: outputs, misalignment: 3)
        /// The chain over `range` of element (row, column); both operands are given by strides.
        func chain(
            _ range: Range<Int>, _ left: [Float], _ leftStart: Int, _ leftStep: Int, _ right: [Float],
            _ rightStart: Int, _ rightStep: Int
        ) -> Float {
            var sum: Float = 0
            for k in range { sum = sum.addingProduct(left[leftStart + k * leftStep], right[rightStart + k * rightStep]) }
            return sum
        }
        let outputBits = (0..<rows * outputs).map { index -> UInt32 in
            let row = index / outputs
            let unit = index % outputs
            return (chain(0..<inputs, x, row * inputs, 1, w, unit * inputs, 1) + b[unit]).bitPattern
        }
        let inputBits = (0..<rows * inputs).map { index -> UInt32 in
            chain(0..<outputs, g, index / inputs * outputs, 1, w, index % inputs, inputs).bitPattern
        }
        let weightBits = (0..<outputs * inputs).map { index -> UInt32 in
            let leaves = stride(from: 0, to: rows, by: leafRows).map { first in
                chain(first..<min(first + leafRows, rows), g, index / inputs, outputs, x, index % inputs, inputs)
            }
            return treeSum(leaves) { $0 + $1 }?.bitPattern ?? 0
        }
        for (width, gap) in Self.widths.flatMap({ width in (0..<3).map { (width, $0) } }) {
            let inputGap = Self.gaps(inputs)[gap]
            let outputGap = Self.gaps(outputs)[gap]
            let input = Guarded(x, rows: rows, columns: inputs, misalignment: 1, gap: inputGap)
            let weights = Guarded(w, rows: outputs, columns: inputs, misalignment: 2, gap: inputGap)
            let gradient = Guarded(g, rows: rows, columns: outputs, misalignment: 4, gap: outputGap)
            for threadCount in [1, 2] {
                let workspace = try Workspace(threadCount: threadCount, vectors: width)
                let y = Guarded(rows: rows, columns: outputs, misalignment: 5, gap: outputGap)
                let dx = Guarded(rows: rows, columns: inputs, misalignment: 6, gap: inputGap)
                let dw = Guarded(rows: outputs, columns: inputs, misalignment: 7, gap: inputGap)
                workspace.innerProducts(input.readOnly, weights.readOnly, bias: bias.readOnly, into: y.view)
                workspace.inputGradient(gradient.readOnly, weights.readOnly, into: dx.view)
                workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: leafRows, into: dw.view)
                for (what, bits, expected) in [
                    ("outputs", y.bits, outputBits), ("input gradient", dx.bits, inputBits),
                    ("weight gradient", dw.bits, weightBits)
                ] {
                    expectAll(expected.count, "\(what), \(width), \(threadCount) threads, gap \(gap)") {
                        bits[$0] == expected[$0]
                    }
                }
                #expect(y.guardsHold && dx.guardsHold && dw.guardsHold)
            }
        }
    }

    @Test(
        "a leaf that is computed in pieces has the bits of one computed at once",
        arguments: [
            [7, 5, 3, 1], [32, 40, 16, 5], [33, 50, 25, 32], [140, 256, 520, 17], [64, 100, 70, 63], [31, 1060, 130, 16]
        ])
    func pieces(shape: [Int]) throws {
        let (rows, inputs, outputs, piece) = (shape[0], shape[1], shape[2], shape[3])
        let input = Guarded(numbers(rows * inputs, seed: 51), rows: rows, columns: inputs, gap: 3)
        let gradient = Guarded(numbers(rows * outputs, seed: 52), rows: rows, columns: outputs, gap: 9)
        for width in Self.widths {
            for threadCount in [1, 2] {
                let workspace = try Workspace(threadCount: threadCount, vectors: width)
                func sums(_ rowsAtOnce: Int) -> [[UInt32]] {
                    let weights = Guarded(rows: outputs, columns: inputs, misalignment: 1)
                    let biases = Guarded(rows: 1, columns: outputs, misalignment: 2)
                    for first in stride(from: 0, to: rows, by: rowsAtOnce) {
                        let range = first..<min(first + rowsAtOnce, rows)
                        workspace.weightGradient(
                            gradient.readOnly[rows: range], input.readOnly[rows: range], leafRows: rows, continues: first > 0,
                            into: weights.view)
                        workspace.columnSums(
                            gradient.readOnly[rows: range], leafRows: rows, continues: first > 0, into: biases.view)
                    }
                    #expect(weights.guardsHold && biases.guardsHold)
                    return [weights.bits, biases.bits]
                }
                #expect(sums(piece) == sums(rows), "\(width), \(threadCount) threads")
                #expect(input.guardsHold && gradient.guardsHold)
            }
        }
    }

    @Test("a piece without rows leaves the sums of a leaf as they are", arguments: [3, 33, 64])
    func emptyPiece(columns: Int) {
        let gradient = Guarded(numbers(4 * columns, seed: 53), rows: 4, columns: columns)
        let sums = Guarded(numbers(columns, seed: 54), rows: 1, columns: columns)
        let before = sums.bits
        Workspace().columnSums(gradient.readOnly[rows: 0..<0], leafRows: 4, continues: true, into: sums.view)
        #expect(sums.bits == before && sums.guardsHold && gradient.guardsHold)
    }

    @Test("a weight gradient has the same bits past the caches, whole or in part, and what it keeps lies where it says")
    func streaming() {
        for width in Self.widths {
            let workspace = Workspace(vectors: width)
            // With whole cache lines, with half ones, with neither; in place and packed.
            for (rows, inputs, outputs) in [(33, 784, 128), (9, 40, 25), (5, 33, 14), (12, 64, 600)] {
                let input = Guarded(numbers(rows * inputs, seed: 41), rows: rows, columns: inputs)
                let gradient = Guarded(numbers(rows * outputs, seed: 42), rows: rows, columns: outputs)
                func bits(_ cached: Range<Int>, offset: Int) -> [UInt32] {
                    let count = outputs * inputs
                    let buffer = AlignedBuffer<Float>(count: count + 32, repeating: 7)
                    let view = MutableMatrixView(
                        base: buffer.base + 16 + offset, rows: outputs, columns: inputs, cached: cached)
                    workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: 8, into: view)
                    Processor.finishStreaming()
                    #expect((0..<16 + offset).allSatisfy { buffer[$0] == 7 })
                    #expect((16 + offset + count..<buffer.count).allSatisfy { buffer[$0] == 7 })
                    return view.elements.map(\.bitPattern)
                }
                let expected = bits(0..<Int.max, offset: 0)
                for cached in [0..<0, 5 * inputs..<6 * inputs, 17..<outputs * inputs / 2, inputs..<Int.max] {
                    for offset in [0, 8, 3] { #expect(bits(cached, offset: offset) == expected, "\(cached), \(offset)") }
                }
            }
        }
    }

    @Test("an activation with the product has the bits of one behind it", arguments: [Activation.relu, .sigmoid, .tanh])
    func activations(activation: Activation) {
        for width in Self.widths {
            let workspace = Workspace(vectors: width)
            for (rows, inputs, outputs) in [(1, 3, 1), (13, 40, 37), (33, 20, 200)] {
                var numbers = numbers(rows * inputs, seed: 31, scale: 4)
                numbers[0] = .nan
                numbers[numbers.count - 1] = -.infinity
                let input = Guarded(numbers, rows: rows, columns: inputs)
                let weights = Guarded(KernelsTests.numbers(outputs * inputs, seed: 32), rows: outputs, columns: inputs)
                let bias = Guarded(KernelsTests.numbers(outputs, seed: 33), rows: 1, columns: outputs)
                let fused = Guarded(rows: rows, columns: outputs)
                let plain = Guarded(rows: rows, columns: outputs)
                workspace.innerProducts(
                    input.readOnly, weights.readOnly, bias: bias.readOnly, activation: activation,
                    into: fused.view)
                workspace.innerProducts(input.readOnly, weights.readOnly, bias: bias.readOnly, into: plain.view)
                workspace.activate(activation, plain.readOnly, into: plain.view)
                #expect(fused.bits == plain.bits && fused.guardsHold)
            }
        }
    }

    @Test("a row has the same bits however many rows go through at once")
    func rowIndependence() {
        let workspace = Workspace()
        for (depth, columns) in [(7, 5), (33, 17), (64, 10), (100, 31), (900, 300)] {
            let rows = 32
            let input = Guarded(numbers(rows * depth, seed: 4), rows: rows, columns: depth)
            let weights = Guarded(numbers(columns * depth, seed: 5), rows: columns, columns: depth)
            let bias = Guarded(numbers(columns, seed: 6), rows: 1, columns: columns)
            let whole = Guarded(rows: rows, columns: columns)
            workspace.innerProducts(input.readOnly, weights.readOnly, bias: bias.readOnly, into: whole.view)
            let gradient = Guarded(numbers(rows * columns, seed: 7), rows: rows, columns: columns)
            let wholeBack = Guarded(rows: rows, columns: depth)
            workspace.inputGradient(gradient.readOnly, weights.readOnly, into: wholeBack.view)
            for part in [1, 2, 3, 4, 5, 7, 8, 13, 16, 31] {
                let split = Guarded(rows: rows, columns: columns)
                let splitBack = Guarded(rows: rows, columns: depth)
                for first in stride(from: 0, to: rows, by: part) {
                    let range = first..<min(first + part, rows)
                    workspace.innerProducts(
                        input.readOnly[rows: range], weights.readOnly, bias: bias.readOnly,
                        into: split.view[rows: range])
                    workspace.inputGradient(
                        gradient.readOnly[rows: range], weights.readOnly,
                        into: splitBack.view[rows: range])
                }
                #expect(split.bits == whole.bits, "\(depth) → \(columns) in parts of \(part)")
                #expect(splitBack.bits == wholeBack.bits, "\(depth) → \(columns) in parts of \(part)")
            }
        }
    }

    @Test("1, 2 and 3 threads give the same bits")
    func threads() throws {
        Processor.flushDenormals()
        for (rows, inputs, outputs, leafRows) in [(32, 100, 40, 8), (9, 17, 5, 4), (64, 784, 33, 32), (3, 1, 1, 2)] {
            let input = Guarded(numbers(rows * inputs, seed: 8), rows: rows, columns: inputs)
            let weights = Guarded(numbers(outputs * inputs, seed: 9), rows: outputs, columns: inputs)
            let gradient = Guarded(numbers(rows * outputs, seed: 10), rows: rows, columns: outputs)
            func results(_ threadCount: Int) throws -> [[UInt32]] {
                let workspace = try Workspace(threadCount: threadCount)
                let y = Guarded(rows: rows, columns: outputs)
                let dx = Guarded(rows: rows, columns: inputs)
                let dw = Guarded(rows: outputs, columns: inputs)
                let db = Guarded(rows: 1, columns: outputs)
                let a = Guarded(rows: rows, columns: inputs)
                workspace.innerProducts(input.readOnly, weights.readOnly, bias: nil, into: y.view)
                workspace.inputGradient(gradient.readOnly, weights.readOnly, into: dx.view)
                workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: leafRows, into: dw.view)
                workspace.columnSums(gradient.readOnly, leafRows: leafRows, into: db.view)
                workspace.activate(.gelu, input.readOnly, into: a.view)
                return [y.bits, dx.bits, dw.bits, db.bits, a.bits]
            }
            let one = try results(1)
            for threadCount in 2...3 { #expect(try results(threadCount) == one, "\(threadCount) threads") }
        }
    }

    @Test("agree with OpenBLAS at larger shapes", arguments: [(32, 784, 128), (65, 33, 129), (128, 128, 10)])
    func openBLAS(rows: Int, inputs: Int, outputs: Int) {
        let workspace = Workspace()
        let input = Guarded(numbers(rows * inputs, seed: 11), rows: rows, columns: inputs)
        let weights = Guarded(numbers(outputs * inputs, seed: 12), rows: outputs, columns: inputs)
        let gradient = Guarded(numbers(rows * outputs, seed: 13), rows: rows, columns: outputs)
        let own = Guarded(rows: rows, columns: outputs)
        let ownInput = Guarded(rows: rows, columns: inputs)
        let ownWeights = Guarded(rows: outputs, columns: inputs)
        workspace.innerProducts(input.readOnly, weights.readOnly, bias: nil, into: own.view)
        workspace.inputGradient(gradient.readOnly, weights.readOnly, into: ownInput.view)
        workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: rows, into: ownWeights.view)
        func multiply(
            _ transposeA: CBLAS_TRANSPOSE, _ transposeB: CBLAS_TRANSPOSE, _ a: MatrixView, _ b: MatrixView,
            _ m: Int, _ n: Int, _ k: Int
        ) -> [Float] {
            let result = Guarded(rows: m, columns: n)
            cblas_sgemm(
                CblasRowMajor, transposeA, transposeB, Int32(m), Int32(n), Int32(k), 1, a.base,
                Int32(a.columns), b.base, Int32(b.columns), 0, result.view.base, Int32(n))
            return result.values
        }
        // Both are within the bound of the exact sum; |operands| ≤ 1, so Σ|a·b| ≤ k.
        for (mine, theirs, k) in [
            (
                own.values,
                multiply(CblasNoTrans, CblasTrans, input.readOnly, weights.readOnly, rows, outputs, inputs), inputs
            ),
            (
                ownInput.values,
                multiply(CblasNoTrans, CblasNoTrans, gradient.readOnly, weights.readOnly, rows, inputs, outputs), outputs
            ),
            (
                ownWeights.values,
                multiply(CblasTrans, CblasNoTrans, gradient.readOnly, input.readOnly, outputs, inputs, rows), rows
            )
        ] {
            expectAll(mine.count, "against OpenBLAS") { index in
                abs(Double(mine[index]) - Double(theirs[index])) <= 2 * Self.tolerance(k, Double(k))
            }
        }
    }
}
