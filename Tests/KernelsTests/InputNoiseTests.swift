import Foundation
import Kernels
import Storage
import Testing

@Suite("Noise on inputs")
struct InputNoiseTests {
    private static let stream = RandomStream(seed: 77, purpose: .augmentation, layer: 2)

    /// The noise alone: what is added to zeros.
    private static func noise(_ columns: Int, draw: UInt64, stream: RandomStream = stream, deviation: Float = 1) -> [Float] {
        var row = [Float](repeating: 0, count: columns)
        row.withUnsafeMutableBufferPointer { addNormalNoise(deviation: deviation, stream: stream, draw: draw, to: $0) }
        return row
    }

    /// The noise of 2²⁰ numbers in rows of 1,024.
    private static let sample = (0..<1024).flatMap { noise(1024, draw: UInt64($0)).map { Double($0) } }

    /// Five deviations of a mean over that many numbers, each with the given variance.
    private static func tolerance(variance: Double) -> Double { 5 * (variance / Double(sample.count)).squareRoot() }

    private static func mean(_ value: (Double) -> Double) -> Double {
        sample.reduce(0) { $0 + value($1) } / Double(sample.count)
    }

    @Test("normal noise has the moments of a normal distribution")
    func moments() {
        // The variance of zⁿ is that of the 2n-th moment, 1, 3, 15, 105 for even ones, less the square of the n-th.
        #expect(abs(Self.mean { $0 }) < Self.tolerance(variance: 1))
        #expect(abs(Self.mean { $0 * $0 } - 1) < Self.tolerance(variance: 3 - 1))
        #expect(abs(Self.mean { $0 * $0 * $0 }) < Self.tolerance(variance: 15))
        #expect(abs(Self.mean { pow($0, 4) } - 3) < Self.tolerance(variance: 105 - 9))
        #expect(Self.sample.allSatisfy { abs($0) < 5.7 })
    }

    @Test("normal noise lies as the normal distribution does: Kolmogorov and Smirnov")
    func distribution() {
        let sorted = Self.sample.sorted()
        let count = Double(sorted.count)
        let distance =
            sorted.enumerated().map { index, z in
                let expected = erfc(-z / 2.0.squareRoot()) / 2
                return max(abs(expected - Double(index) / count), abs(Double(index + 1) / count - expected))
            }.max() ?? 1
        // Beyond 1.95/√n by chance once in a thousand seeds.
        #expect(distance < 1.95 / count.squareRoot(), "\(distance)")
    }

    @Test("two numbers that come from one pair, neighbours, and two draws have nothing to do with each other")
    func independence() {
        func expectIndependent(_ other: (Int) -> Int?, _ what: String) {
            var count = 0.0
            var product = 0.0
            var squares = 0.0
            for index in Self.sample.indices {
                guard let place = other(index) else { continue }
                let x = Self.sample[index]
                let y = Self.sample[place]
                (count, product, squares) = (count + 1, product + x * y, squares + x * x * y * y)
            }
            #expect(abs(product / count) < 5 / count.squareRoot(), "\(what)")
            // The variance of x²·y² is 3·3 − 1.
            #expect(abs(squares / count - 1) < 5 * (8 / count).squareRoot(), "\(what)")
        }
        expectIndependent({ $0 % 16 < 8 ? $0 + 8 : nil }, "the two of a pair")
        expectIndependent({ $0 % 2 == 0 ? $0 + 1 : nil }, "neighbours")
        expectIndependent({ $0 / 1024 % 2 == 0 ? $0 + 1024 : nil }, "draws")
    }

    @Test("normal noise is what Box and Muller's formula makes of the stream's numbers")
    func formula() {
        let columns = 67
        for draw in [UInt64(0), 5, 1 << 40] {
            let noise = Self.noise(columns, draw: draw)
            let numbers = (0..<24).flatMap { block -> [UInt32] in
                let four = Self.stream.block(UInt32(block), ordinal: draw)
                return [four.x, four.y, four.z, four.w]
            }
            expectAll(columns, "noise") { column in
                let first = column & ~8
                let direction = numbers[first + 8]
                let u = 1 - Double(numbers[first] >> 9) * 0x1p-23
                let radius = (-2 * log(u)).squareRoot()
                let angle = (Double(direction >> 9) * 0x1p-23 - 0.5) * .pi / 2
                let mirrored = cos(angle) * (direction & 2 == 0 ? 1 : -1)
                let sine = sin(angle)
                let isSine = (column & 8 != 0) != (direction & 1 == 1)
                // A handful of roundings, where the logarithm cancels least.
                return agrees(noise[column], radius * (isSine ? sine : mirrored), within: 16 * unit * max(1, radius))
            }
        }
    }

    @Test("normal noise has these bits on every machine")
    func bits() {
        let found = Self.noise(20, draw: 3).map(\.bitPattern)
        #expect(found == Self.known, "\(found.map { String($0, radix: 16) })")
    }

    private static let known: [UInt32] = [
        0x3eba_20dd, 0x3e58_35df, 0x3ebd_3fe1, 0xbf19_d32e, 0xbf0b_4201, 0xbe91_769e, 0x3f9d_1363,
        0x3f11_9efc, 0xbeac_c220, 0xbfc5_df42, 0xbfba_d8ab, 0x3e7f_c05d, 0xbf1b_8897, 0xbf40_5ef4,
        0x3f40_aec7, 0x3f32_0e80, 0xbf35_9b71, 0x3dfb_9393, 0x3fda_248e, 0x3f19_3744
    ]

    @Test("a column's noise depends on its place, the draw, the stream, and not on how many columns there are")
    func key() {
        let all = Self.noise(100, draw: 9)
        for columns in 1...99 { #expect(Self.noise(columns, draw: 9) == Array(all.prefix(columns)), "\(columns) columns") }
        #expect(Set(all).count == 100)
        let others =
            [Self.noise(100, draw: 10), Self.noise(100, draw: 9 + 1 << 32)]
            + [
                RandomStream(seed: 78, purpose: .augmentation, layer: 2),
                RandomStream(seed: 77, purpose: .augmentation, layer: 1),
                RandomStream(seed: 77, purpose: .dropout, layer: 2)
            ].map { Self.noise(100, draw: 9, stream: $0) }
        for other in others { #expect(zip(all, other).allSatisfy { $0 != $1 }) }
    }

    @Test(
        "noise is scaled, added with one rounding, and touches nothing beside the row",
        arguments: [1, 7, 8, 9, 15, 16, 17, 33])
    func row(columns: Int) {
        let given = numbers(columns, seed: 4, scale: 3)
        let noise = Self.noise(columns, draw: 21)
        let row = Guarded(given, rows: 1, columns: columns, misalignment: columns % 8)
        addNormalNoise(deviation: 0.3, stream: Self.stream, draw: 21, to: row.view.row(0))
        expectAll(columns, "sum") { row.values[$0] == given[$0].addingProduct(0.3, noise[$0]) }
        #expect(row.guardsHold)
        maskInputs(rate: 0.5, stream: Self.stream, draw: 21, in: row.view.row(0))
        addSaltAndPepper(rate: 0.5, minimum: -1, maximum: 2, stream: Self.stream, draw: 22, to: row.view.row(0))
        #expect(row.guardsHold)
    }

    /// How many of 2²⁰ inputs of 7 an augmentation makes each number.
    private static func counts(_ change: (UInt64, UnsafeMutableBufferPointer<Float>) -> Void) -> [UInt32: Int] {
        var counts: [UInt32: Int] = [:]
        for draw in 0..<1024 {
            var row = [Float](repeating: 7, count: 1024)
            row.withUnsafeMutableBufferPointer { change(UInt64(draw), $0) }
            for value in row { counts[value.bitPattern, default: 0] += 1 }
        }
        return counts
    }

    /// Expects a share of all numbers to have the value, within five deviations of a binomial count.
    private static func expect(
        _ counts: [UInt32: Int], _ value: Float, _ share: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let total = 0x1p20
        let found = Double(counts[value.bitPattern] ?? 0)
        #expect(
            abs(found - share * total) <= 5 * (total * share * (1 - share)).squareRoot(), "\(value): \(found)",
            sourceLocation: sourceLocation)
    }

    @Test("masking sets the given share to 0 and leaves the rest alone", arguments: [0, 0.01, 0.25, 0.9])
    func masking(rate: Double) {
        let counts = Self.counts { maskInputs(rate: rate, stream: Self.stream, draw: $0, in: $1) }
        Self.expect(counts, 0, rate)
        Self.expect(counts, 7, 1 - rate)
        #expect(counts.keys.allSatisfy { [0, 7].contains(Float(bitPattern: $0)) })
        #expect(counts[Float(-0.0).bitPattern] == nil)
    }

    @Test("salt and pepper are as frequent as each other", arguments: [0, 0.01, 0.25, 0.9])
    func saltAndPepper(rate: Double) {
        let counts = Self.counts {
            addSaltAndPepper(rate: rate, minimum: -2, maximum: 3, stream: Self.stream, draw: $0, to: $1)
        }
        Self.expect(counts, -2, rate / 2)
        Self.expect(counts, 3, rate / 2)
        Self.expect(counts, 7, 1 - rate)
    }
}

@Suite("Weights of samples")
struct SampleWeightTests {
    @Test(
        "losses and gradients of a sample's rows are multiplied by its weight; what weighs 0 is 0 whatever it was",
        arguments: [1, 3])
    func weigh(rowsEach: Int) throws {
        let weights: [Float] = [2, 0, 1, 0.3, 0]
        let columns = 11
        let rows = weights.count * rowsEach
        let given = numbers(rows * columns, seed: 3)
        for threads in [1, 2] {
            let gradient = Guarded(given, rows: rows, columns: columns, misalignment: 3)
            let losses = AlignedBuffer<Double>(count: rows)
            for row in 0..<rows { losses[row] = row / rowsEach == 1 ? .nan : Double(row) + 0.1 }
            gradient.view.row(rowsEach)[0] = .infinity
            let workspace = try Workspace(threadCount: threads)
            weights.withUnsafeBufferPointer { workspace.weigh(losses.elements, gradient: gradient.view, by: $0) }
            expectAll(rows, "losses") {
                let weight = Double(weights[$0 / rowsEach])
                return losses[$0] == (weight == 0 ? 0 : (Double($0) + 0.1) * weight)
            }
            expectAll(rows * columns, "gradients") {
                let weight = weights[$0 / columns / rowsEach]
                return gradient.values[$0] == (weight == 0 ? 0 : given[$0] * weight)
            }
            #expect(gradient.guardsHold)
            losses[0] = 5
            weights.withUnsafeBufferPointer { workspace.weigh(losses.elements, gradient: nil, by: $0) }
            #expect(losses[0] == 10)
        }
    }
}
