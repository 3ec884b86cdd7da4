// Functions of a Double by our own polynomials, so that their bits depend on neither C library nor processor: minimax fits made
// for these ranges, error bounds held against correctly rounded values in DoubleFunctionsTests. Denormal numbers count as zero,
// whatever the thread's mode is.

/// One Double, or several side by side with the same bits each: functions are written once for both.
package protocol RealNumbers {
    associatedtype Mask
    init(repeating number: Double)
    static func + (left: Self, right: Self) -> Self
    static func - (left: Self, right: Self) -> Self
    static func * (left: Self, right: Self) -> Self
    static func / (left: Self, right: Self) -> Self
    /// self + left · right, rounded once.
    func addingProduct(_ left: Self, _ right: Self) -> Self
    /// False for NaN.
    func isBelow(_ other: Self) -> Mask
    func replacing(with other: Self, where mask: Mask) -> Self
    /// Times 2ⁿ for n within ±1,024, which stands in the low bits of `power`, a whole number added to 1.5·2⁵².
    func scaled(by power: Self) -> Self
    /// x = 2ⁿ·m with m from √½ to √2, for normal numbers above 0.
    var significandAndExponent: (m: Self, n: Self) { get }
}

/// What a whole number is added to, so that it stands in the low bits of the pattern; rounds to it, too.
private let magic = 0x1.8p52

extension Double: RealNumbers {
    @inline(__always)
    package init(repeating number: Double) { self = number }

    @inline(__always)
    package func isBelow(_ other: Double) -> Bool { self < other }

    @inline(__always)
    package func replacing(with other: Double, where mask: Bool) -> Double { mask ? other : self }

    @inline(__always)
    package func scaled(by power: Double) -> Double {
        let whole = Int64(bitPattern: power.bitPattern) &- Int64(bitPattern: magic.bitPattern)
        // Half of it twice, so that neither factor leaves the exponent's range.
        let half = whole &>> 1
        return self * Double(bitPattern: UInt64(bitPattern: (half &+ 1023) &<< 52))
            * Double(bitPattern: UInt64(bitPattern: (whole &- half &+ 1023) &<< 52))
    }

    @inline(__always)
    package var significandAndExponent: (m: Double, n: Double) {
        let bits = Int64(bitPattern: bitPattern)
        let n = (bits &- 0x3fe6_a09e_667f_3bcd) &>> 52
        let exponent = Double(bitPattern: UInt64(bitPattern: n &+ Int64(bitPattern: magic.bitPattern))) - magic
        return (Double(bitPattern: UInt64(bitPattern: bits &- n &<< 52)), exponent)
    }
}

extension SIMD4<Double>: RealNumbers {
    @inline(__always)
    package func isBelow(_ other: Self) -> SIMDMask<SIMD4<Int64>> { self .< other }

    @inline(__always)
    package func scaled(by power: Self) -> Self {
        let whole = SIMD4<Int64>(bitPattern: power) &- Int64(bitPattern: magic.bitPattern)
        let half = whole &>> 1
        return self * Self(bitPattern: (half &+ 1023) &<< 52) * Self(bitPattern: (whole &- half &+ 1023) &<< 52)
    }

    @inline(__always)
    package var significandAndExponent: (m: Self, n: Self) {
        let bits = SIMD4<Int64>(bitPattern: self)
        let n = (bits &- 0x3fe6_a09e_667f_3bcd) &>> 52
        let exponent = Self(bitPattern: n &+ Int64(bitPattern: magic.bitPattern)) - Self(repeating: magic)
        return (Self(bitPattern: bits &- n &<< 52), exponent)
    }

    @inline(__always)
    fileprivate init(bitPattern bits: SIMD4<Int64>) { self = unsafeBitCast(bits, to: Self.self) }
}

extension SIMD4<Int64> {
    @inline(__always)
    fileprivate init(bitPattern numbers: SIMD4<Double>) { self = unsafeBitCast(numbers, to: Self.self) }
}

/// ln 2 in two parts. The first has 11 zeros at its end, so that a whole exponent times it is exact.
private let ln2 = (high: 0x1.62e42fefa3800p-1, low: 0x1.ef35793c76730p-45)

extension RealNumbers {
    /// The polynomial with these coefficients, the one of the highest power first.
    @inline(__always)
    fileprivate func polynomial(_ coefficients: Double...) -> Self {
        var sum = Self(repeating: coefficients[0])
        for coefficient in coefficients.dropFirst() { sum = Self(repeating: coefficient).addingProduct(sum, self) }
        return sum
    }
}

extension RealNumbers {
    /// eˣ, within 1 ulp; 0 below −708.39 (no denormals), infinite above 709.78, NaN stays NaN.
    @inline(__always)
    package var exponential: Self { Kernels.exponential(self, rest: Self(repeating: 0)) }

    /// ln x, within 1 ulp; −∞ for 0, NaN below.
    @inline(__always)
    package var logarithm: Self {
        let (m, n) = significandAndExponent
        let least = Self(repeating: .leastNormalMagnitude)
        // The difference is 0, or NaN for what isn't finite.
        return (Kernels.logarithm(of: m - Self(repeating: 1), exponent: n, rest: Self(repeating: 0)) + (self - self))
            .replacing(with: self, where: Self(repeating: .greatestFiniteMagnitude).isBelow(self))
            .replacing(with: Self(repeating: -.infinity), where: isBelow(least))
            .replacing(with: Self(repeating: .nan), where: isBelow(Self(repeating: 0) - least))
    }

    /// ln(1 + x) for x from 0 to 1, within 1 ulp.
    @inline(__always)
    package var logarithmOfOnePlus: Self {
        let zero = Self(repeating: 0)
        let one = Self(repeating: 1)
        let sum = one + self
        let lost = self - (sum - one)
        let isLarge = Self(repeating: 0x1.6a09e667f3bcdp0).isBelow(sum)
        return Kernels.logarithm(
            of: replacing(with: sum * Self(repeating: 0.5) - one, where: isLarge),
            exponent: zero.replacing(with: one, where: isLarge), rest: zero.replacing(with: lost / sum, where: isLarge))
    }
}

/// eˣ, within 1 ulp; 0 below −708.39 (no denormals), infinite above 709.78, NaN stays NaN.
package func exponential(_ x: Double) -> Double { x.exponential }

/// ln x, within 1 ulp; −∞ for 0, NaN below.
package func logarithm(_ x: Double) -> Double { x.logarithm }

/// e to the power of `x` + `rest`, where `rest` is about a unit of x's last place at most.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ = 1 + r + r²·P(r); 2ⁿ through the exponent bits.
@inline(__always)
private func exponential<Numbers: RealNumbers>(_ x: Numbers, rest: Numbers) -> Numbers {
    let lowest = Numbers(repeating: -708.39)
    let highest = Numbers(repeating: 709.782_712_893_384)
    // Comparisons put NaN aside: it fails both and passes through the arithmetic.
    let isLow = x.isBelow(lowest)
    let isHigh = highest.isBelow(x)
    let y = x.replacing(with: lowest, where: isLow).replacing(with: highest, where: isHigh)
    let shifted = Numbers(repeating: magic).addingProduct(y, Numbers(repeating: 0x1.71547652b82fep0))
    let n = shifted - Numbers(repeating: magic)
    let high = y.addingProduct(n, Numbers(repeating: -ln2.high))
    let low = n * Numbers(repeating: ln2.low) - rest
    let r = high - low
    let lost = (high - r) - low
    let p = r.polynomial(
        0x1.1f73098d6f55bp-29, 0x1.af4df4742f519p-26, 0x1.27e4db6168470p-22, 0x1.71de022c50cbap-19, 0x1.a01a01a6d97cdp-16,
        0x1.a01a01abe9a79p-13, 0x1.6c16c16c162d2p-10, 0x1.11111111100d9p-7, 0x1.5555555555556p-5, 0x1.5555555555557p-3, 0.5)
    let value = Numbers(repeating: 1) + (r + lost.addingProduct(r * r, p))
    return value.scaled(by: shifted).replacing(with: Numbers(repeating: 0), where: isLow)
        .replacing(with: Numbers(repeating: .infinity), where: isHigh)
}

/// n·ln 2 + ln(1 + f) + rest, f from √½ − 1 to √2 − 1.
///
/// ln(1 + f) = 2·artanh s with s = f/(2 + f) is 2s + s·R, and 2s = f − f²/2 + s·f²/2, of which f is exact.
@inline(__always)
private func logarithm<Numbers: RealNumbers>(of f: Numbers, exponent n: Numbers, rest: Numbers) -> Numbers {
    let s = f / (Numbers(repeating: 2) + f)
    let z = s * s
    let p = z.polynomial(
        0x1.0c04595972ab8p-3, 0x1.0fbe83c2cbcf3p-3, 0x1.3b1c360763b8ap-3, 0x1.745cf901605f7p-3, 0x1.c71c720160b47p-3,
        0x1.2492492476c87p-2, 0x1.9999999999a38p-2, 0x1.5555555555555p-1)
    let half = Numbers(repeating: 0.5) * f * f
    let low = rest.addingProduct(n, Numbers(repeating: ln2.low)).addingProduct(s, half + z * p)
    return n * Numbers(repeating: ln2.high) - ((half - low) - f)
}

/// `base` to the power of `exponent`, within 1 ulp, for a base that isn't negative; 0⁰ is 1.
///
/// e to the power of exponent·ln base, with the logarithm to some 65 bits.
package func power(_ base: Double, _ exponent: Double) -> Double {
    precondition(!(base < 0), "\(base) to the power of \(exponent)")
    if base == 1 || exponent == 0 { return 1 }
    if exponent == 1 { return base }
    guard base >= .leastNormalMagnitude, base < .infinity, exponent.isFinite else {
        return (exponent * base.logarithm).exponential
    }
    let (m, n) = base.significandAndExponent
    let f = m - 1
    let sum = 2 + f
    let sumRest = f - (sum - 2)
    let s = f / sum
    // What the quotient has lost.
    let sRest = (f.addingProduct(-s, sum) - s * sumRest) / sum
    let square = s * s
    let squareRest = (-square).addingProduct(s, s) + 2 * s * sRest
    let cube = s * square
    let cubeRest = (-cube).addingProduct(s, square) + s * squareRest + sRest * square
    // ⅔ in two parts.
    let twoThirds = (high: 0x1.5555555555555p-1, low: 0x1.5555555555555p-55)
    let third = cube * twoThirds.high
    let thirdRest = (-third).addingProduct(cube, twoThirds.high) + cube * twoThirds.low + cubeRest * twoThirds.high
    let q = square.polynomial(
        0x1.e02e6fff27908p-4, 0x1.df7cc8e5fa539p-4, 0x1.1118c7e4b0917p-3, 0x1.3b1395d2190c1p-3, 0x1.745d177a96056p-3,
        0x1.c71c71c6eaa10p-3, 0x1.2492492492521p-2, 0x1.999999999999ap-2)
    // From the largest part to the smallest, each sum with what it lost.
    let exact = n * ln2.high
    let first = exact + 2 * s
    let firstRest = (exact - first) + 2 * s
    let second = first + third
    let secondRest = (first - second) + third
    let rest = ((firstRest + secondRest) + (2 * sRest + thirdRest)) + (n * ln2.low + cube * square * q)
    let high = second + rest
    let low = (second - high) + rest
    let product = exponent * high
    guard product.isFinite else { return product.exponential }
    return exponential(product, rest: (-product).addingProduct(exponent, high) + exponent * low)
}

/// cos(π·x), within 1 ulp. Reductions are exact, so that ½ gives 0 and 1 gives −1.
package func cosineOfPi(times x: Double) -> Double {
    let turned = x.magnitude.truncatingRemainder(dividingBy: 2)
    let mirrored = turned > 1 ? 2 - turned : turned
    let isObtuse = mirrored > 0.5
    let r = isObtuse ? 1 - mirrored : mirrored
    let value = r <= 0.25 ? cosineOfPi(timesSmall: r) : sineOfPi(timesSmall: 0.5 - r)
    return isObtuse ? -value : value
}

/// cos(π·r) for r from 0 to ¼: 1 − π²/2·r² + r⁴·C(r²).
private func cosineOfPi(timesSmall r: Double) -> Double {
    let z = r * r
    let zRest = (-z).addingProduct(r, r)
    let c = z.polynomial(
        -0x1.b2f3eb054afcdp-14, 0x1.f9ce245cada0bp-10, -0x1.a6d1eef479be1p-6, 0x1.e1f5068688d5bp-3, -0x1.55d3c7e3cb241p0,
        0x1.03c1f081b5ac0p2)
    // −π²/2 in two parts.
    let factor = (high: -0x1.3bd3cc9be45dep2, low: -0x1.692b71366cc04p-52)
    let product = z * factor.high
    let rest = (-product).addingProduct(z, factor.high) + zRest * factor.high + z * factor.low
    return 1 + (product + rest.addingProduct(z * z, c))
}

/// sin(π·r) for r from 0 to ¼: π·r + r³·S(r²).
private func sineOfPi(timesSmall r: Double) -> Double {
    let s = (r * r).polynomial(
        -0x1.6cc577dadd922p-16, 0x1.e8f036bcd3237p-12, -0x1.e3074d2614b2dp-8, 0x1.50783486facaap-4, -0x1.32d2cce62b872p-1,
        0x1.466bc6775aae1p1, -0x1.4abbce625be53p2)
    let pi = (high: 0x1.921fb54442d18p1, low: 0x1.1a62633145c07p-53)
    let product = r * pi.high
    let rest = (-product).addingProduct(r, pi.high) + r * pi.low
    return product + rest.addingProduct(r * (r * r), s)
}
