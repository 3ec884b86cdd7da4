import Storage
import Testing

@Suite("Random numbers")
struct RandomStreamTests {
    /// The published vectors of Random123 (kat_vectors, `philox4x32 10`).
    @Test(
        "Philox gives the published known answers",
        arguments: [
            (
                SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
                SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
            ),
            (
                SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
                SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
            ),
            (
                SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
                SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
            )
        ])
    func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
        #expect(RandomStream.philox(counter, key: key) == expected)
    }

    @Test(
        "eight blocks at once are the eight blocks one by one, also where a counter's halves are full",
        arguments: [
            (UInt32(0), UInt64(0)), (5, 4_294_967_295), (8, 4_294_967_296), (4_294_967_280, .max),
            (77, 0x8000_0000_8000_0000)
        ])
    func eightBlocks(index: UInt32, ordinal: UInt64) {
        let stream = RandomStream(seed: 0xfeed_beef_8765_4321, purpose: .dropout, layer: 3)
        let numbers = AlignedBuffer<UInt32>(count: 40, repeating: 9)
        // Four bytes off any vector's alignment, and eight guards.
        stream.eightBlocks(index, ordinal: ordinal, into: UnsafeMutableBufferPointer(start: numbers.base + 1, count: 32))
        let expected = (0..<8).flatMap { block -> [UInt32] in
            let four = stream.block(index + UInt32(block), ordinal: ordinal)
            return [four.x, four.y, four.z, four.w]
        }
        #expect(Array(numbers.elements) == [9] + expected + [UInt32](repeating: 9, count: 7))
    }

    @Test("seed, purpose, layer, ordinal and index each lead to other numbers")
    func everyPartOfTheKeyCounts() {
        let base = RandomStream(seed: 1, purpose: .dropout, layer: 2)
        let blocks = [
            base.block(3, ordinal: 4), base.block(4, ordinal: 4), base.block(3, ordinal: 5),
            base.block(3, ordinal: 4 + 1 << 32),
            RandomStream(seed: 2, purpose: .dropout, layer: 2).block(3, ordinal: 4),
            RandomStream(seed: 1 + 1 << 32, purpose: .dropout, layer: 2).block(3, ordinal: 4),
            RandomStream(seed: 1, purpose: .shuffle, layer: 2).block(3, ordinal: 4),
            RandomStream(seed: 1, purpose: .dropout, layer: 3).block(3, ordinal: 4)
        ]
        #expect(Set(blocks).count == blocks.count)
        #expect(RandomStream(seed: 1, purpose: .dropout, layer: 2).block(3, ordinal: 4) == blocks[0])
    }

    @Test("numbers below a bound are uniform")
    func uniformity() {
        let stream = RandomStream(seed: 7, purpose: .split)
        let draws = 70_000
        let bound = 7
        var counts = [Int](repeating: 0, count: bound)
        var sum = 0.0
        for ordinal in 0..<draws {
            counts[stream.integer(below: bound, 0, ordinal: UInt64(ordinal))] += 1
            sum += Double(stream.word(1, ordinal: UInt64(ordinal))) * 0x1p-64
        }
        // Chi-squared with 6 degrees of freedom is above 33 once in 10⁵ times; the mean's deviation is 1/√12n.
        let expected = Double(draws) / Double(bound)
        let chiSquared = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(chiSquared < 33)
        #expect(abs(sum / Double(draws) - 0.5) < 5 / (12 * Double(draws)).squareRoot())
    }

    @Test(
        "a permutation holds every index once and differs by epoch and seed",
        arguments: [0, 1, 2, 3, 10, 1000])
    func permutations(count: Int) {
        let stream = RandomStream(seed: 3, purpose: .shuffle)
        let first = stream.permutation(count: count, ordinal: 0)
        #expect(first.sorted() == (0..<Int32(count)).map { $0 })
        #expect(stream.permutation(count: count, ordinal: 0) == first)
        if count >= 10 {
            #expect(stream.permutation(count: count, ordinal: 1) != first)
            #expect(RandomStream(seed: 4, purpose: .shuffle).permutation(count: count, ordinal: 0) != first)
        }
    }

    @Test("each of the six orders of three comes equally often")
    func permutationsAreFair() {
        let stream = RandomStream(seed: 5, purpose: .shuffle)
        var counts: [[Int32]: Int] = [:]
        for ordinal in 0..<12_000 { counts[stream.permutation(count: 3, ordinal: UInt64(ordinal)), default: 0] += 1 }
        // Chi-squared with 5 degrees of freedom is above 31 once in 10⁵ times.
        #expect(counts.count == 6)
        #expect(counts.values.reduce(0.0) { $0 + (Double($1) - 2000) * (Double($1) - 2000) / 2000 } < 31)
    }
}
