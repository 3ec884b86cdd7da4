import CProcessor

/// Counter-based random numbers: a pure function of what they are for. Neither the order of calls nor the rank can show.
///
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is the seed; the
/// counter holds the purpose, the layer, an ordinal (a sample's draw, an epoch) and the index of a block of four.
package struct RandomStream: Sendable {
    /// What numbers are for. Different purposes never share a counter.
    package enum Purpose: UInt32, Sendable {
        case initialization = 1
        case shuffle, dropout, split, gradientCheck, augmentation, partners, generation
        /// What a trial of a sweep gets; the layer tells parameters apart, the ordinal is the trial.
        case trials
        /// The order of windows on tokens (layer 0), and where the first one begins (layer 1).
        case windows = 32
    }

    private let key: SIMD2<UInt32>
    private let tag: UInt32

    /// `layer` tells streams of one purpose apart; below 2²⁴.
    package init(seed: UInt64, purpose: Purpose, layer: Int = 0) {
        precondition(layer >= 0 && layer < 1 << 24, "layer \(layer)")
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        tag = purpose.rawValue << 24 | UInt32(layer)
    }

    /// A number from 0 to below 1: 53 random bits.
    package func unit(ordinal: UInt64) -> Double { Double(word(0, ordinal: ordinal) >> 11) * 0x1p-53 }

    /// Four independent uniform 32-bit numbers.
    @inline(__always)
    package func block(_ index: UInt32, ordinal: UInt64) -> SIMD4<UInt32> {
        Self.philox(
            SIMD4(index, UInt32(truncatingIfNeeded: ordinal), UInt32(truncatingIfNeeded: ordinal >> 32), tag),
            key: key)
    }

    /// Writes the 32 numbers of the eight blocks from `index` on, in order: the same as eight times `block`.
    @inline(__always)
    package func eightBlocks(_ index: UInt32, ordinal: UInt64, into numbers: UnsafeMutableBufferPointer<UInt32>) {
        guard let base = numbers.baseAddress, numbers.count >= 8 * SIMD4<UInt32>.scalarCount else {
            preconditionFailure("eight blocks into \(numbers.count) numbers")
        }
        dtrain_philox(index, UInt(ordinal), tag, key.x, key.y, base)
    }

    /// Philox4x32-10: ten rounds over a counter. Equal to the known-answer vectors of the authors' Random123 library.
    @inline(__always)
    package static func philox(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var c0 = counter.x
        var c1 = counter.y
        var c2 = counter.z
        var c3 = counter.w
        var k0 = key.x
        var k1 = key.y
        for _ in 0..<10 {
            let p = UInt64(c0) &* 0xD251_1F53
            let q = UInt64(c2) &* 0xCD9E_8D57
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: q >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: q),
                UInt32(truncatingIfNeeded: p >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return SIMD4(c0, c1, c2, c3)
    }

    /// One uniform 64-bit number.
    package func word(_ index: UInt32, ordinal: UInt64) -> UInt64 {
        let block = block(index, ordinal: ordinal)
        return UInt64(block.x) << 32 | UInt64(block.y)
    }

    /// A uniform whole number below `bound`, without bias worth naming: 64 random bits times the bound, upper half.
    package func integer(below bound: Int, _ index: UInt32, ordinal: UInt64) -> Int {
        precondition(bound > 0, "a number below \(bound)")
        return Int(word(index, ordinal: ordinal).multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A permutation of 0 ..< count (Fisher–Yates), the same for the same stream and ordinal.
    package func permutation(count: Int, ordinal: UInt64) -> [Int32] {
        precondition(count >= 0 && count <= Int(Int32.max), "a permutation of \(count)")
        var order = [Int32](repeating: 0, count: count)
        order.withUnsafeMutableBufferPointer { permute($0, ordinal: ordinal) }
        return order
    }

    /// Writes the same permutation of 0 ..< count into `order`.
    package func permute(_ order: UnsafeMutableBufferPointer<Int32>, ordinal: UInt64) {
        for index in order.indices { order[index] = Int32(index) }
        var last = order.count - 1
        while last > 0 {
            order.swapAt(last, integer(below: last + 1, UInt32(last), ordinal: ordinal))
            last -= 1
        }
    }
}
