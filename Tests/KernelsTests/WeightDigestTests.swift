import Kernels
import Storage
import Testing

@Suite("The digest of weights")
struct WeightDigestTests {
    /// Patterns of bits, among them those of NaN and infinity.
    private static func patterns(_ count: Int, seed: UInt64) -> [UInt32] {
        let stream = RandomStream(seed: seed, purpose: .gradientCheck)
        return (0..<count).map { UInt32(truncatingIfNeeded: stream.word(1, ordinal: UInt64($0))) }
    }

    private static func buffer(_ count: Int, seed: UInt64) -> Guarded {
        let buffer = Guarded(rows: 1, columns: count, misalignment: Int(seed % 8))
        for (index, bits) in patterns(count, seed: seed).enumerated() { buffer.view.elements[index] = Float(bitPattern: bits) }
        return buffer
    }

    private static func flip(_ bit: Int, in buffer: Guarded) {
        let elements = buffer.view.elements
        elements[bit / 32] = Float(bitPattern: elements[bit / 32].bitPattern ^ 1 << UInt32(bit % 32))
    }

    @Test("is the sum that its comment defines, at odd sizes and misaligned", arguments: [0] + oddSizes + [1000])
    func definition(count: Int) {
        let buffer = Self.buffer(count, seed: UInt64(count))
        var sum: UInt64 = 0
        for (index, bits) in buffer.bits.enumerated() { sum &+= UInt64(bits) &* UInt64(2 * index + 1) }
        #expect(weightDigest(buffer.readOnly) == sum &* 0x9E37_79B9_7F4A_7C15)
        #expect(buffer.guardsHold)
    }

    @Test("shows every flip of one bit and every flip of two, whatever the bits are", arguments: [1, 3, 9, 25])
    func everyFlip(count: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        let buffer = Self.buffer(count, seed: seed)
        let bits = 32 * count
        let before = weightDigest(buffer.readOnly)
        var missed: [(Int, Int?)] = []
        for first in 0..<bits {
            Self.flip(first, in: buffer)
            if weightDigest(buffer.readOnly) == before { missed.append((first, nil)) }
            for second in first + 1..<bits {
                Self.flip(second, in: buffer)
                if weightDigest(buffer.readOnly) == before { missed.append((first, second)) }
                Self.flip(second, in: buffer)
            }
            Self.flip(first, in: buffer)
        }
        #expect(missed.isEmpty, "seed \(seed): \(missed.count) missed, first the bits \(missed.prefix(5))")
        #expect(weightDigest(buffer.readOnly) == before)
    }

    @Test("shows two flips far from each other, also of the same bit: signs above all")
    func distantFlips() {
        let seed = UInt64.random(in: 0...UInt64.max)
        let count = 70_001
        let buffer = Self.buffer(count, seed: seed)
        let before = weightDigest(buffer.readOnly)
        let stream = RandomStream(seed: seed, purpose: .split)
        var missed: [(Int, Int)] = []
        for pair in 0..<2000 {
            let ordinal = UInt64(pair)
            let first = stream.integer(below: 32 * count, 0, ordinal: ordinal)
            var second = stream.integer(below: 32 * count, 1, ordinal: ordinal)
            // Every other pair is of the same bit, half of these of the sign, and half of all eight elements' lanes alike.
            if pair % 2 == 0 { second = second / 32 * 32 + first % 32 }
            let bits = pair % 4 == 0 ? [first | 31, second | 31] : [first, second]
            guard bits[0] != bits[1] else { continue }
            for bit in bits { Self.flip(bit, in: buffer) }
            if weightDigest(buffer.readOnly) == before { missed.append((bits[0], bits[1])) }
            for bit in bits { Self.flip(bit, in: buffer) }
        }
        #expect(missed.isEmpty, "seed \(seed): \(missed.count) missed, first the bits \(missed.prefix(5))")
    }

    @Test("shows that two elements have changed places, and a whole one that has changed")
    func otherChanges() {
        let seed = UInt64.random(in: 0...UInt64.max)
        let buffer = Self.buffer(100, seed: seed)
        let before = weightDigest(buffer.readOnly)
        let elements = buffer.view.elements
        for (first, second) in [(0, 8), (3, 99), (40, 41)] {
            elements.swapAt(first, second)
            #expect(weightDigest(buffer.readOnly) != before, "seed \(seed), elements \(first) and \(second)")
            elements.swapAt(first, second)
        }
        for (index, bits) in Self.patterns(100, seed: seed ^ 1).enumerated() where bits != buffer.bits[index] {
            let old = elements[index]
            elements[index] = Float(bitPattern: bits)
            #expect(weightDigest(buffer.readOnly) != before, "seed \(seed), element \(index)")
            elements[index] = old
        }
    }
}
