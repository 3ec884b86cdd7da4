// Functions of the numbers of a vector. This file is linked into `Kernels` too, where a vector is `Vector`: formulas and bits are
// the same whatever its width. The polynomials are minimax fits made for these ranges; FunctionsTests check the bounds over all
// exponents.

import CProcessor

extension Lanes {
    /// As many Int32.
    fileprivate typealias Integers = Lanes.MaskStorage

    @inline(__always)
    fileprivate var integers: Integers { unsafeBitCast(self, to: Integers.self) }

    @inline(__always)
    fileprivate init(_ integers: Integers) { self = unsafeBitCast(integers, to: Lanes.self) }

    /// `self + a·b`, rounded once.
    @inline(__always)
    fileprivate func plus(_ a: Lanes, times b: Lanes) -> Lanes {
        #if WIDE
            dtrain_adding_product16(self, a, b)
        #else
            dtrain_adding_product(self, a, b)
        #endif
    }

    /// `other` where `a` < `b`, `self` elsewhere.
    @inline(__always)
    fileprivate func choosing(_ other: Lanes, whereBelow a: Lanes, _ b: Lanes) -> Lanes {
        #if WIDE
            dtrain_where_below16(a, b, other, self)
        #else
            dtrain_where_below(a, b, other, self)
        #endif
    }
}

extension Lanes {
    /// 0 in the lanes where `other` isn't above 0.
    @inline(__always)
    func zeroed(where other: Lanes) -> Lanes { Lanes().choosing(self, whereBelow: Lanes(), other) }
}

@inline(__always)
private func constant(_ number: Float) -> Lanes { Lanes(repeating: number) }

/// eˣ, within 1 ulp; 0 below −87.33 (no denormals), infinite above 88.7228, NaN stays NaN.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ = 1 + r + r²·P(r); 2ⁿ through the exponent bits.
@inline(__always)
func exponential(of number: Lanes) -> Lanes {
    let lowest = constant(-87.33)
    let highest = constant(88.722_8)
    // Comparisons put NaN aside: it fails both and passes through the arithmetic.
    let x = number.choosing(lowest, whereBelow: number, lowest).choosing(highest, whereBelow: highest, number)
    // Adding 1.5·2²³ rounds to a whole number and leaves it in the low bits of the pattern.
    let magic = constant(12_582_912)
    let shifted = magic.plus(x, times: constant(1.442_695_04))
    let n = shifted - magic
    let r = constant(0).plus(n, times: constant(-0.693_359_375)) + x
    let remainder = r.plus(n, times: constant(2.121_944_4e-4))
    var p = constant(1.395_049_183e-3)
    p = constant(8.368_889_352e-3).plus(p, times: remainder)
    p = constant(4.166_620_579e-2).plus(p, times: remainder)
    p = constant(0.166_665_188_4).plus(p, times: remainder)
    p = constant(0.500_000_009_5).plus(p, times: remainder)
    let value = constant(1) + remainder.plus(p, times: remainder * remainder)
    // n is within ±128: half of it twice, so that neither factor leaves the exponent's range.
    let whole = shifted.integers &- magic.integers
    let half = whole &>> 1
    let scale = Lanes((half &+ 127) &<< 23)
    let rest = Lanes((whole &- half &+ 127) &<< 23)
    let result = value * scale * rest
    return result.choosing(constant(0), whereBelow: number, lowest)
        .choosing(constant(.infinity), whereBelow: highest, number)
}

/// 1 / (1 + e⁻ˣ), within 3 ulp for x ≥ −87; 0 below −88.7228.
@inline(__always)
func sigmoid(of x: Lanes) -> Lanes { 1 / (1 + exponential(of: -x)) }

/// tanh x, within 2 ulp: an odd polynomial for |x| < 0.625, 1 − 2/(e²ˣ + 1) beyond.
@inline(__always)
func hyperbolicTangent(of x: Lanes) -> Lanes {
    let size = Lanes(x.integers & 0x7fff_ffff)
    let square = x * x
    var p = constant(-5.717_045_059e-3)
    p = constant(2.065_058_73e-2).plus(p, times: square)
    p = constant(-5.374_349_808e-2).plus(p, times: square)
    p = constant(0.133_314_912_9).plus(p, times: square)
    p = constant(-0.333_332_839_3).plus(p, times: square)
    let small = size.plus(p * square, times: size)
    let large = 1 - 2 / (exponential(of: size + size) + 1)
    // The sign goes back on as a bit: tanh is odd to the last one, and −0 stays −0.
    let sign = x.integers & Lanes.Integers(repeating: .min)
    // NaN is no small one, and comes through either.
    return Lanes(large.choosing(small, whereBelow: size, constant(0.625)).integers | sign)
}
