import Kernels
import Storage

/// The most pairs of numbers that `symmetricBeta` looks at. Each is refused with a probability below 1 − π/4, so that all are
/// in one of 10⁴² draws; ½ then.
private let mostPairs: UInt32 = 64

/// How many of the stream's numbers `symmetricBeta` may take.
let betaNumbers = 2 * mostPairs

/// A number from 0 to 1 of the distribution Beta(`alpha`, `alpha`), by functions of our own, so that the bits are the same on every
/// processor.
///
/// Above ½ Ulrich's method without its rejection (Devroye, "Non-uniform random variate generation", 1986, IX.4.2): ½ + ½·cos(π·v)·√(1 −
/// u^(2 / (2·alpha − 1))). Up to ½ Jöhnk's (IX.3.5): x / (x + y) for x = u^(1 / alpha) and y = v^(1 / alpha) whose sum is at most 1, from
/// logarithms, since both may be too small for a Double.
///
/// - Parameter first: of the `betaNumbers` numbers of the stream that it may take.
func symmetricBeta(_ alpha: Double, stream: RandomStream, from first: UInt32, draw: UInt64) -> Double {
    /// Above 0, up to 1.
    func uniform(_ index: UInt32) -> Double { Double((stream.word(first + index, ordinal: draw) >> 11) + 1) * 0x1p-53 }
    if alpha > 0.5 {
        let squared = 1 - power(uniform(0), 2 / (2 * alpha - 1))
        return 0.5 + 0.5 * cosineOfPi(times: uniform(1)) * squared.squareRoot()
    }
    for pair in 0..<mostPairs {
        let x = logarithm(uniform(2 * pair)) / alpha
        let y = logarithm(uniform(2 * pair + 1)) / alpha
        if exponential(x) + exponential(y) <= 1 { return 1 / (1 + exponential(y - x)) }
    }
    return 0.5
}
