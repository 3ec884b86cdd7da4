// Vectorised functions of one number; those that gates are made of stand in GateFunctions.swift, for vectors of any width. The
// polynomials are minimax fits made for these ranges; the error bounds are
// checked against Double over all exponents in FunctionsTests.

extension Vector {
    /// eˣ, within 1 ulp; 0 below −87.33 (no denormals), infinite above 88.7228, NaN stays NaN.
    @inline(__always)
    package var exponential: Vector { Kernels.exponential(of: self) }

    /// eˣ − 1 for x ≤ 0, within 4 ulp: a polynomial near 0, where the difference would cancel.
    @inline(__always)
    package var exponentialMinusOne: Vector {
        var p = Vector(repeating: 1.0 / 5040)
        p = Vector(repeating: 1.0 / 720).adding(p, times: self)
        p = Vector(repeating: 1.0 / 120).adding(p, times: self)
        p = Vector(repeating: 1.0 / 24).adding(p, times: self)
        p = Vector(repeating: 1.0 / 6).adding(p, times: self)
        p = Vector(repeating: 0.5).adding(p, times: self)
        let small = adding(p * self, times: self)
        return (exponential - 1).replacing(with: small, where: magnitude .< 0.35)
    }

    /// 1 / (1 + e⁻ˣ), within 3 ulp for x ≥ −87; 0 below −88.7228.
    @inline(__always)
    package var sigmoid: Vector { Kernels.sigmoid(of: self) }

    /// The sigmoid and its derivative σ·(1 − σ), without the cancellation of 1 − σ where σ is near 1.
    @inline(__always)
    package var sigmoidAndSlope: (value: Vector, slope: Vector) {
        let e = (-magnitude).exponential
        let upper = 1 / (1 + e)
        let lower = e * upper
        return (upper.replacing(with: lower, where: self .< 0), upper * lower)
    }

    /// tanh x, within 2 ulp.
    @inline(__always)
    package var hyperbolicTangent: Vector { Kernels.hyperbolicTangent(of: self) }

    /// ln x for normal numbers above 0, within 3 ulp, or 2⁻²⁴ of the part that the exponent gives.
    ///
    /// x = 2ⁿ·m with m from √½ to √2; ln m = 2·artanh s with s = (m − 1)/(m + 1), whose series is at its end after s⁹.
    @inline(__always)
    package var logarithm: Vector {
        let bits = SIMD8<Int32>(bitPattern: self)
        let exponent = (bits &- 0x3f35_04f3) &>> 23
        let m = Vector(bitPattern: bits &- exponent &<< 23)
        // A whole number in the low bits of 1.5·2²³.
        let n = Vector(bitPattern: exponent &+ 0x4b40_0000) - 12_582_912
        let s = (m - 1) / (m + 1)
        let square = s * s
        var p = Vector(repeating: 1.0 / 9)
        p = Vector(repeating: 1.0 / 7).adding(p, times: square)
        p = Vector(repeating: 1.0 / 5).adding(p, times: square)
        p = Vector(repeating: 1.0 / 3).adding(p, times: square)
        let part = (s + s).adding(p * square, times: s + s)
        let rest = part.adding(n, times: Vector(repeating: -2.121_944_4e-4))
        return rest.adding(n, times: Vector(repeating: 0.693_359_375))
    }

    /// cos x and sin x for |x| ≤ π/4, within 2 ulp: their series.
    @inline(__always)
    package var cosineAndSine: (cosine: Vector, sine: Vector) {
        let square = self * self
        var c = Vector(repeating: -1.0 / 3_628_800)
        c = Vector(repeating: 1.0 / 40_320).adding(c, times: square)
        c = Vector(repeating: -1.0 / 720).adding(c, times: square)
        c = Vector(repeating: 1.0 / 24).adding(c, times: square)
        c = Vector(repeating: -0.5).adding(c, times: square)
        var s = Vector(repeating: 1.0 / 362_880)
        s = Vector(repeating: -1.0 / 5040).adding(s, times: square)
        s = Vector(repeating: 1.0 / 120).adding(s, times: square)
        s = Vector(repeating: -1.0 / 6).adding(s, times: square)
        return (Vector(repeating: 1).adding(c, times: square), adding(s * square, times: self))
    }

    /// The standard normal distribution Φ(x), absolute error below 2⁻²², and its density at x, below 2⁻²³.
    ///
    /// Φ(−|x|) = e^(−x²/2)·t·P(t) with t = 1/(1 + 0.35·|x|); no cancellation in either tail.
    @inline(__always)
    package var normalDistribution: (cumulative: Vector, density: Vector) {
        let bell = (self * self * -0.5).exponential
        let t = 1 / Vector(repeating: 1).adding(magnitude, times: Vector(repeating: 0.35))
        var p = Vector(repeating: -2.914_591_881e-2)
        p = Vector(repeating: 0.143_971_641).adding(p, times: t)
        p = Vector(repeating: -0.255_714_135_6).adding(p, times: t)
        p = Vector(repeating: 0.159_174_024).adding(p, times: t)
        p = Vector(repeating: -2.310_974_143e-2).adding(p, times: t)
        p = Vector(repeating: 0.105_507_964_8).adding(p, times: t)
        p = Vector(repeating: 0.119_832_877_4).adding(p, times: t)
        p = Vector(repeating: 0.139_861_868_4).adding(p, times: t)
        p = Vector(repeating: 0.139_621_404_4).adding(p, times: t)
        let tail = bell * (p * t)
        return (tail.replacing(with: 1 - tail, where: self .> 0), bell * 0.398_942_280_4)
    }

    /// |x|.
    @inline(__always)
    var magnitude: Vector {
        Vector(bitPattern: SIMD8<UInt32>(bitPattern: self) & 0x7fff_ffff)
    }
}

extension SIMD8<Float> {
    @inline(__always)
    init(bitPattern bits: SIMD8<Int32>) { self = unsafeBitCast(bits, to: SIMD8<Float>.self) }
    @inline(__always)
    init(bitPattern bits: SIMD8<UInt32>) { self = unsafeBitCast(bits, to: SIMD8<Float>.self) }
}

extension SIMD8<Int32> {
    @inline(__always)
    init(bitPattern vector: SIMD8<Float>) { self = unsafeBitCast(vector, to: SIMD8<Int32>.self) }
}

extension SIMD8<UInt32> {
    @inline(__always)
    init(bitPattern vector: SIMD8<Float>) { self = unsafeBitCast(vector, to: SIMD8<UInt32>.self) }
}
