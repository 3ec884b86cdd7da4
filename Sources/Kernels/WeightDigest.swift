import CProcessor
import Storage

/// A 64-bit digest of the bits of all elements, at the speed of memory, that shows every flip of one bit and every flip of
/// two, wherever they are.
///
/// It is Σ wᵢ·(2i + 1) mod 2⁶⁴, with the bits of element i as the whole number wᵢ < 2³². Flipping bit a of element i
/// changes that by ±2ᵃ·(2i + 1), which isn't 0 mod 2⁶⁴, because a < 32 and 2i + 1 is odd. Flipping bit b ≥ a of element j as
/// well changes it by ±2ᵃ·((2i + 1) ± 2ᵇ⁻ᵃ·(2j + 1)). With b > a the bracket is odd, so the same holds. With b = a, i and j
/// differ, and the bracket is the sum or the difference of two different odd numbers below 2³²: not 0, below 2³³ in size,
/// and so 2ᵃ times that isn't 0 mod 2⁶⁴ either.
///
/// Other changes go unnoticed with a probability of at most 2⁻³², if the bits of one of the changed elements are random: of
/// its 2³² values only one gives the sum of before. More than 2³¹ elements are taken in parts, whose sums are chained; of
/// two flips in different parts all but one in 2⁶⁴ show.
package func weightDigest(_ weights: MatrixView) -> UInt64 {
    var digest: UInt64 = 0
    for first in stride(from: 0, to: weights.count, by: partLength) {
        let sum = weightedSum(weights.base + first, count: min(partLength, weights.count - first))
        // The factor is odd, so different sums stay different.
        digest = (digest ^ sum) &* 0x9E37_79B9_7F4A_7C15
    }
    return digest
}

/// As many elements as have different factors below 2³².
private var partLength: Int { 1 << 31 }

/// Σ wᵢ·(2i + 1) mod 2⁶⁴.
@inline(never)
private func weightedSum(_ elements: UnsafePointer<Float>, count: Int) -> UInt64 {
    var factors = SIMD8<UInt32>(1, 3, 5, 7, 9, 11, 13, 15)
    var even = SIMD4<UInt>()
    var odd = SIMD4<UInt>()
    @inline(__always) func add(_ vector: Vector) {
        let words = SIMD8<UInt32>(bitPattern: vector)
        even &+= dtrain_even_products(words, factors)
        odd &+= dtrain_odd_products(words, factors)
        factors &+= 16
    }
    let whole = count & ~7
    var index = 0
    while index < whole {
        add(.load(elements + index))
        index &+= 8
    }
    // The zeros behind the last element add nothing.
    if index < count { add(.load(elements + index, count: count &- index)) }
    return UInt64((even &+ odd).wrappedSum())
}
