import Foundation
import Kernels
import Storage
import Testing

@Suite("Kernels over elements")
struct ElementwiseTests {
    private struct Case: Sendable {
        let activation: Activation
        /// What it computes, and its derivative, in Double; limits at infinities.
        let value: @Sendable (Double) -> Double
        let slope: @Sendable (Double) -> Double

        var name: String { "\(activation)" }
    }

    @Sendable private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    @Sendable private static func normal(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
    @Sendable private static func gate(_ x: Double) -> Double {
        sigmoid(2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))
    }

    private static let cases = [
        Case(activation: .relu, value: { $0 > 0 ? $0 : $0.isNaN ? $0 : 0 }, slope: { $0 > 0 || $0.isNaN ? 1 : 0 }),
        Case(
            activation: .leakyReLU(slope: 0.25), value: { $0 > 0 ? $0 : 0.25 * $0 },
            slope: { $0 > 0 || $0.isNaN ? 1 : 0.25 }),
        Case(
            activation: .elu(alpha: 0.75), value: { $0 > 0 ? $0 : 0.75 * expm1($0) },
            slope: { $0 > 0 || $0.isNaN ? 1 : 0.75 * exp($0) }),
        Case(activation: .sigmoid, value: sigmoid, slope: { sigmoid($0) * (1 - sigmoid($0)) }),
        Case(activation: .tanh, value: { tanh($0) }, slope: { 1 - tanh($0) * tanh($0) }),
        Case(
            activation: .gelu, value: { $0 == -.infinity ? 0 : $0 * normal($0) },
            slope: {
                $0.isInfinite
                    ? ($0 > 0 ? 1 : 0)
                    : normal($0) + $0 * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot()
            }),
        Case(
            activation: .geluTanh, value: { $0 == -.infinity ? 0 : $0 * gate($0) },
            slope: { x in
                if x.isInfinite { return x > 0 ? 1 : 0 }
                return gate(x) + x * gate(x) * (1 - gate(x)) * 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
            }),
        Case(
            activation: .silu, value: { $0 == -.infinity ? 0 : $0 * sigmoid($0) },
            slope: { $0.isInfinite ? ($0 > 0 ? 1 : 0) : sigmoid($0) * (1 + $0 * (1 - sigmoid($0))) })
    ]

    /// Ordinary numbers with every special one between them.
    private static func inputs(_ count: Int) -> [Float] {
        let special: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, 100, -100, 1e30, -1e30, 1e-30, -1e-30, 14.5, -14.5,
            88.73, -88.73, 95, -95, 0.625, -0.625, 0.35, -0.35
        ]
        var values = numbers(count, seed: 20, scale: 6)
        for index in stride(from: 0, to: count, by: 2) where count > 1 {
            values[index] = special[index / 2 % special.count]
        }
        return values
    }

    @Test("activations and their derivatives equal the definitions at odd sizes, special numbers included")
    func activations() {
        Processor.flushDenormals()
        for count in oddSizes {
            for (number, test) in Self.cases.enumerated() {
                let workspace = Workspace()
                let values = Self.inputs(count)
                let gradients = numbers(count, seed: 21)
                let x = Guarded(values, rows: 1, columns: count, misalignment: number)
                let y = Guarded(rows: 1, columns: count, misalignment: (number + 3) % 8)
                workspace.activate(test.activation, x.readOnly, into: y.view)
                let d = Guarded(gradients, rows: 1, columns: count, misalignment: (number + 5) % 8)
                let dx = Guarded(rows: 1, columns: count, misalignment: (number + 6) % 8)
                workspace.activationGradient(
                    test.activation, d.readOnly,
                    saved: test.activation.needsOutput ? y.readOnly : x.readOnly, into: dx.view)
                expectAll(count, "\(test.name) of \(count)") { index in
                    let expected = test.value(Double(values[index]))
                    return agrees(y.values[index], expected, within: 8 * unit * max(1, abs(expected)))
                }
                expectAll(count, "\(test.name)′ of \(count)") { index in
                    // Where the value is NaN or infinite the gradient is what the chain of the plain loop makes of it.
                    let slope = test.slope(Double(values[index]))
                    return agrees(dx.values[index], slope * Double(gradients[index]), within: 16 * unit)
                }
                #expect(y.guardsHold && dx.guardsHold, "\(test.name) of \(count)")
            }
        }
    }

    @Test("an element has the same bits in the body of a loop and in its tail")
    func bodyAndTail() {
        let workspace = Workspace()
        let values = numbers(64, seed: 22, scale: 8)
        let x = Guarded(values, rows: 1, columns: 64)
        for test in Self.cases {
            let whole = Guarded(rows: 1, columns: 64)
            workspace.activate(test.activation, x.readOnly, into: whole.view)
            for count in 1...17 {
                let part = Guarded(Array(values[..<count]), rows: 1, columns: count)
                let y = Guarded(rows: 1, columns: count)
                workspace.activate(test.activation, part.readOnly, into: y.view)
                #expect(y.bits == Array(whole.bits[..<count]), "\(test.name), \(count)")
            }
        }
    }

    @Test("sums and products of elements are exact and stay inside", arguments: oddSizes)
    func sumsAndProducts(count: Int) {
        let workspace = Workspace()
        let a = Self.inputs(count)
        let b = numbers(count, seed: 23)
        let left = Guarded(a, rows: 1, columns: count, misalignment: 1)
        let right = Guarded(b, rows: 1, columns: count, misalignment: 2)
        let sum = Guarded(rows: 1, columns: count, misalignment: 3)
        let product = Guarded(rows: 1, columns: count, misalignment: 4)
        workspace.add(left.readOnly, right.readOnly, into: sum.view)
        workspace.multiply(left.readOnly, right.readOnly, into: product.view)
        expectAll(count, "sums and products") { index in
            let (s, p) = (a[index] + b[index], a[index] * b[index])
            return s.isNaN
                ? sum.values[index].isNaN && product.values[index].isNaN
                : sum.values[index] == s && product.values[index] == p
        }
        #expect(sum.guardsHold && product.guardsHold)
    }

    @Test("softmax and its gradient equal the definitions", arguments: oddSizes)
    func softmax(columns: Int) {
        Processor.flushDenormals()
        let rows = 3
        let workspace = Workspace()
        var values = numbers(rows * columns, seed: 24, scale: 10)
        for index in 2 * columns..<3 * columns { values[index] += 1000 }
        let gradients = numbers(rows * columns, seed: 25)
        let x = Guarded(values, rows: rows, columns: columns, misalignment: 1, gap: 1)
        let y = Guarded(rows: rows, columns: columns, misalignment: 2, gap: 2)
        workspace.softmax(x.readOnly, into: y.view)
        let g = Guarded(gradients, rows: rows, columns: columns, misalignment: 3, gap: 3)
        let dx = Guarded(rows: rows, columns: columns, misalignment: 4, gap: 4)
        workspace.softmaxGradient(g.readOnly, output: y.readOnly, into: dx.view)
        for row in 0..<rows {
            let range = row * columns..<(row + 1) * columns
            let maximum = values[range].max() ?? 0
            let e = range.map { exp(Double(values[$0]) - Double(maximum)) }
            let sum = e.reduce(0, +)
            let p = e.map { $0 / sum }
            let dot = zip(p, range).reduce(0.0) { $0 + $1.0 * Double(gradients[$1.1]) }
            // The shift rounds |x − max| ≤ 20 once, which the exponential turns into 20 roundings of the result.
            let tolerance = Double(columns + 32) * unit
            expectAll(columns, "softmax, row \(row)") { column in
                agrees(y.values[row * columns + column], p[column], within: tolerance * max(p[column], 1e-30))
                    && agrees(
                        dx.values[row * columns + column],
                        p[column] * (Double(gradients[row * columns + column]) - dot), within: 3 * tolerance)
            }
        }
        #expect(y.guardsHold && dx.guardsHold)
    }

    @Test("a NaN or +∞ makes its row of softmax NaN, and no other", arguments: [1, 5, 8, 19])
    func softmaxOfSpecialNumbers(columns: Int) {
        var values = numbers(4 * columns, seed: 26)
        values[columns + columns / 2] = .nan
        values[2 * columns] = .infinity
        if columns > 1 { values[4 * columns - 1] = -.infinity }
        let x = Guarded(values, rows: 4, columns: columns)
        let y = Guarded(rows: 4, columns: columns)
        Workspace().softmax(x.readOnly, into: y.view)
        expectAll(4 * columns, "softmax") { index in
            y.values[index].isNaN == (index / columns == 1 || index / columns == 2)
        }
        if columns > 1 { #expect(y.values[4 * columns - 1] == 0) }
    }

    @Test("cross entropy far from 0 keeps its digits: logits count by their distance")
    func crossEntropyIsShifted() {
        let workspace = Workspace()
        let near: [Float] = [0, -0.5, -2, -0.25, -1]
        let far = near.map { $0 + 4096 }
        let q = Guarded([0.25, 0.25, 0.125, 0.125, 0.25], rows: 1, columns: 5)
        var losses: [[Double]] = []
        for logits in [near, far] {
            let x = Guarded(logits, rows: 1, columns: 5)
            let values = AlignedBuffer<Double>(count: 2)
            let index = AlignedBuffer<Int32>(count: 1, repeating: 2)
            workspace.crossEntropy(
                x.readOnly, q.readOnly, labelSmoothing: 0.1,
                losses: UnsafeMutableBufferPointer(start: values.base, count: 1), gradient: nil)
            workspace.crossEntropy(
                x.readOnly, ClassView(base: index.base, count: 1), labelSmoothing: 0.1,
                losses: UnsafeMutableBufferPointer(start: values.base + 1, count: 1), gradient: nil)
            losses.append([values[0], values[1]])
        }
        #expect(losses[0] == losses[1])
    }

    @Test("rows of losses and masks have the same bits however they are split")
    func rowsAreIndependent() throws {
        let workspace = Workspace()
        let threaded = try Workspace(threadCount: 3)
        let rows = 13
        let columns = 11
        let x = Guarded(numbers(rows * columns, seed: 27, scale: 5), rows: rows, columns: columns)
        let t = Guarded(numbers(rows * columns, seed: 28).map { abs($0) }, rows: rows, columns: columns)
        let stream = RandomStream(seed: 9, purpose: .dropout, layer: 1)
        func all(_ part: Int, _ workspace: Workspace) -> [[UInt64]] {
            var result: [[UInt64]] = []
            let losses = AlignedBuffer<Double>(count: rows)
            let gradient = Guarded(rows: rows, columns: columns)
            func each(_ body: (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void) {
                for first in stride(from: 0, to: rows, by: part) {
                    let range = first..<min(first + part, rows)
                    body(range, UnsafeMutableBufferPointer(start: losses.base + first, count: range.count))
                }
                result.append(losses.elements.map(\.bitPattern))
                result.append(gradient.bits.map { UInt64($0) })
                #expect(gradient.guardsHold)
            }
            for loss in [ElementLoss.squaredError, .absoluteError, .huber(delta: 0.5), .binaryCrossEntropy] {
                each {
                    workspace.elementLoss(
                        loss, x.readOnly[rows: $0], t.readOnly[rows: $0], losses: $1,
                        gradient: gradient.view[rows: $0])
                }
            }
            each {
                workspace.crossEntropy(
                    x.readOnly[rows: $0], t.readOnly[rows: $0], labelSmoothing: 0.1, losses: $1,
                    gradient: gradient.view[rows: $0])
            }
            each {
                workspace.softmax(x.readOnly[rows: $0], into: gradient.view[rows: $0])
                _ = $1
            }
            each { range, _ in
                workspace.dropoutMask(
                    rate: 0.4, stream: stream, firstDraw: 100 + UInt64(range.lowerBound),
                    into: gradient.view[rows: range])
            }
            return result
        }
        let whole = all(rows, workspace)
        for part in [1, 2, 5, 12] { #expect(all(part, workspace) == whole, "parts of \(part)") }
        #expect(all(rows, threaded) == whole, "three threads")
    }

    @Test("column c of a dropout mask is number c of the sample's draw against the rate", arguments: oddSizes + [300])
    func dropoutMask(columns: Int) {
        let rows = 3
        let rate = 0.3
        let firstDraw: UInt64 = (1 << 32) - 2
        let stream = RandomStream(seed: 11, purpose: .dropout, layer: 5)
        let mask = Guarded(rows: rows, columns: columns, misalignment: columns % 8, gap: columns % 5)
        Workspace().dropoutMask(rate: rate, stream: stream, firstDraw: firstDraw, into: mask.view)
        expectAll(rows * columns, "mask") { index in
            let (row, column) = index.quotientAndRemainder(dividingBy: columns)
            let number = stream.block(UInt32(column / 4), ordinal: firstDraw + UInt64(row))[column % 4]
            return mask.values[index] == (number < UInt32(rate * 0x1p32) ? 0 : Float(1 / (1 - rate)))
        }
        #expect(mask.guardsHold)
    }

    @Test("a workspace makes denormal numbers count as zero")
    func denormals() {
        let workspace = Workspace()
        let x = Guarded([.leastNormalMagnitude, 3 * .leastNormalMagnitude], rows: 1, columns: 2)
        let half = Guarded([0.5, 0.5], rows: 1, columns: 2)
        let y = Guarded(rows: 1, columns: 2)
        workspace.multiply(x.readOnly, half.readOnly, into: y.view)
        #expect(y.values == [0, 1.5 * .leastNormalMagnitude])
    }

    @Test("element losses carry NaN and infinities")
    func lossesOfSpecialNumbers() {
        let workspace = Workspace()
        for loss in [ElementLoss.squaredError, .absoluteError, .huber(delta: 1), .binaryCrossEntropy] {
            let x = Guarded([.nan, 1, .infinity, -.infinity], rows: 4, columns: 1)
            let t = Guarded([0.5, 0.5, 0.5, 0.5], rows: 4, columns: 1)
            let losses = AlignedBuffer<Double>(count: 4)
            let gradient = Guarded(rows: 4, columns: 1)
            workspace.elementLoss(loss, x.readOnly, t.readOnly, losses: losses.elements, gradient: gradient.view)
            #expect(losses[0].isNaN && gradient.values[0].isNaN, "\(loss)")
            #expect(losses[1].isFinite && gradient.values[1].isFinite, "\(loss)")
            #expect(!losses[2].isFinite && !losses[3].isFinite, "\(loss)")
        }
    }

    @Test("rows without elements have a loss of 0", arguments: [1, 3])
    func lossesOfNothing(threads: Int) throws {
        let nothing = Guarded(rows: 5, columns: 0)
        let losses = AlignedBuffer<Double>(count: 5, repeating: 7)
        try Workspace(threadCount: threads).elementLoss(
            .squaredError, nothing.readOnly, nothing.readOnly, losses: losses.elements, gradient: nil)
        #expect(losses.elements.allSatisfy { $0 == 0 })
    }
}
