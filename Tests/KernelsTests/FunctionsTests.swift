import Foundation
import Kernels
import Storage
import Testing

/// Error bounds of the vectorised functions over all exponents and both signs, against Double.
@Suite("Functions of one number")
struct FunctionsTests {
    /// Every 1,009th bit pattern of Float32 between the bounds, so all exponents and varied significands, in eights.
    private static func sweep(_ body: (_ x: SIMD8<Float>) -> Void) {
        var pattern: UInt64 = 0
        while pattern + 7 * 1009 <= UInt64(UInt32.max) {
            var x = SIMD8<Float>()
            for lane in 0..<8 { x[lane] = Float(bitPattern: UInt32(truncatingIfNeeded: pattern + UInt64(lane) * 1009)) }
            body(x)
            pattern += 8 * 1009
        }
    }

    /// The largest error in units of the last place of the exact result, over finite x in `range` whose result is
    /// normal.
    private static func largestError(
        in range: ClosedRange<Float>, _ function: (SIMD8<Float>) -> SIMD8<Float>,
        _ exact: (Double) -> Double
    ) -> (ulps: Double, at: Float) {
        var largest = (ulps: 0.0, at: Float(0))
        sweep { x in
            let y = function(x)
            for lane in 0..<8 where x[lane].isFinite && !x[lane].isSubnormal && range.contains(x[lane]) {
                let expected = exact(Double(x[lane]))
                let rounded = Float(expected)
                guard rounded.isNormal || expected == 0 else { continue }
                // Not `Float.ulp`, which may be denormal and is flushed then.
                let ulp =
                    rounded == 0
                    ? 0x1p-126
                    : Double(sign: .plus, exponent: Int(rounded.exponent) - 23, significand: 1)
                let ulps = abs(Double(y[lane]) - expected) / ulp
                if !(ulps <= largest.ulps) { largest = (ulps.isNaN ? .infinity : ulps, x[lane]) }
            }
        }
        return largest
    }

    @Test("the exponential is within 1 ulp")
    func exponential() {
        Processor.flushDenormals()
        let error = Self.largestError(in: -87.33...88.722, { $0.exponential }, exp)
        #expect(error.ulps < 1, "\(error)")
        let limits = SIMD8<Float>(.infinity, -.infinity, .nan, 0, -0.0, 1e-40, 200, -200).exponential
        #expect(limits[0] == .infinity && limits[1] == 0 && limits[2].isNaN && limits[6] == .infinity && limits[7] == 0)
        #expect(limits[3] == 1 && limits[4] == 1 && limits[5] == 1)
        let edges = SIMD8<Float>(88.73, -87.5, 89, -88, 3e38, -3e38, 88.72, -87.33).exponential
        #expect(edges[0] == .infinity && edges[2] == .infinity && edges[4] == .infinity && edges[5] == 0)
        #expect(edges[1] < .leastNormalMagnitude && edges[3] < .leastNormalMagnitude)
        #expect(edges[6].isFinite && edges[7] >= .leastNormalMagnitude)
    }

    @Test("eˣ − 1 for x ≤ 0 is within 4 ulp")
    func exponentialMinusOne() {
        Processor.flushDenormals()
        let error = Self.largestError(in: -Float.greatestFiniteMagnitude...0, { $0.exponentialMinusOne }, expm1)
        #expect(error.ulps < 4, "\(error)")
        let limits = SIMD8<Float>(-.infinity, .nan, 0, -0.0, -200, -1e-40, -1e-30, -1).exponentialMinusOne
        #expect(limits[0] == -1 && limits[1].isNaN && limits[2] == 0 && limits[3] == 0 && limits[4] == -1)
        #expect(limits[5] <= 0 && limits[5] >= -1e-40 && limits[6] == -1e-30)
    }

    @Test("the logarithm is within 3 ulp, or a rounding of the part that the exponent gives")
    func logarithm() {
        let near = Self.largestError(in: 0.70710677...1.4142135, { $0.logarithm }, log)
        #expect(near.ulps < 3, "\(near)")
        Self.sweep { x in
            let y = x.logarithm
            for lane in 0..<8 where x[lane].isNormal && x[lane] > 0 {
                let expected = log(Double(x[lane]))
                #expect(abs(Double(y[lane]) - expected) <= 3 * 0x1p-24 * max(abs(expected), log(2.0)), "\(x[lane])")
            }
        }
        #expect(SIMD8<Float>(repeating: 1).logarithm == SIMD8(repeating: 0))
    }

    @Test("cosine and sine are within 2 ulp up to 45 degrees")
    func cosineAndSine() {
        Processor.flushDenormals()
        let range = -Float.pi / 4...Float.pi / 4
        for error in [
            Self.largestError(in: range, { $0.cosineAndSine.cosine }, cos),
            Self.largestError(in: range, { $0.cosineAndSine.sine }, sin)
        ] { #expect(error.ulps < 2, "\(error)") }
    }

    @Test("the sigmoid is within 3 ulp")
    func sigmoid() {
        Processor.flushDenormals()
        let error = Self.largestError(in: -87...Float.greatestFiniteMagnitude, { $0.sigmoid }) { 1 / (1 + exp(-$0)) }
        #expect(error.ulps < 3, "\(error)")
        let limits = SIMD8<Float>(.infinity, -.infinity, .nan, 0, -0.0, 200, -200, 1e-40).sigmoid
        #expect(limits[0] == 1 && limits[1] == 0 && limits[2].isNaN && limits[5] == 1 && limits[6] == 0)
        #expect(limits[3] == 0.5 && limits[4] == 0.5 && limits[7] == 0.5)
    }

    @Test("the sigmoid's derivative is within 6 ulp also where the sigmoid is near 1")
    func sigmoidSlope() {
        Processor.flushDenormals()
        let error = Self.largestError(in: -87...87, { $0.sigmoidAndSlope.slope }) { x in
            let e = exp(-abs(x))
            return e / ((1 + e) * (1 + e))
        }
        #expect(error.ulps < 6, "\(error)")
        let value = Self.largestError(in: -87...87, { $0.sigmoidAndSlope.value }) { 1 / (1 + exp(-$0)) }
        #expect(value.ulps < 4, "\(value)")
        let limits = SIMD8<Float>(.infinity, -.infinity, .nan, 0, -0.0, 200, -200, 1e-40).sigmoidAndSlope
        #expect(limits.value[0] == 1 && limits.value[1] == 0 && limits.value[2].isNaN && limits.value[3] == 0.5)
        #expect(limits.slope[0] == 0 && limits.slope[1] == 0 && limits.slope[2].isNaN && limits.slope[3] == 0.25)
    }

    @Test("tanh is within 2 ulp, and odd to the last bit")
    func hyperbolicTangent() {
        Processor.flushDenormals()
        let error = Self.largestError(
            in: -Float.greatestFiniteMagnitude...Float.greatestFiniteMagnitude,
            { $0.hyperbolicTangent }, tanh)
        #expect(error.ulps < 2, "\(error)")
        let limits = SIMD8<Float>(.infinity, -.infinity, .nan, 0, -0.0, 20, -20, 3e38).hyperbolicTangent
        #expect(limits[0] == 1 && limits[1] == -1 && limits[2].isNaN && limits[5] == 1 && limits[6] == -1)
        #expect(limits[3].bitPattern == Float(0).bitPattern && limits[4].bitPattern == Float(-0.0).bitPattern)
        #expect(limits[7] == 1)
        var odd = true
        Self.sweep { x in
            let y = x.hyperbolicTangent
            let z = (0 - x).hyperbolicTangent
            for lane in 0..<8 where x[lane].isFinite && x[lane] != 0 { odd = odd && y[lane] == -z[lane] }
        }
        #expect(odd)
    }

    @Test("Φ is within 2⁻²² and its density within 2⁻²³")
    func normalDistribution() {
        Processor.flushDenormals()
        var largest = (cumulative: 0.0, density: 0.0)
        Self.sweep { x in
            let y = x.normalDistribution
            for lane in 0..<8 where x[lane].isFinite {
                let exact = Double(x[lane])
                largest.cumulative = max(
                    largest.cumulative,
                    abs(Double(y.cumulative[lane]) - 0.5 * erfc(-exact / 2.0.squareRoot())))
                let density = exp(-exact * exact / 2) / (2 * Double.pi).squareRoot()
                largest.density = max(largest.density, abs(Double(y.density[lane]) - density))
                if y.cumulative[lane].isNaN || y.density[lane].isNaN { largest.cumulative = .infinity }
            }
        }
        #expect(largest.cumulative < 0x1p-22 && largest.density < 0x1p-23, "\(largest)")
        let limits = SIMD8<Float>(.infinity, -.infinity, .nan, 0, -0.0, 40, -40, 1e-40).normalDistribution
        let phi = limits.cumulative
        #expect(phi[0] == 1 && phi[1] == 0 && phi[2].isNaN && phi[5] == 1 && phi[6] == 0)
        for lane in [3, 4, 7] { #expect(abs(phi[lane] - 0.5) <= 0x1p-24) }
        #expect(limits.density[0] == 0 && limits.density[1] == 0 && limits.density[2].isNaN)
    }

    @Test("an element has the same bits in every lane")
    func lanes() {
        Self.sweep { x in
            var turned = x
            for lane in 0..<8 { turned[lane] = x[(lane + 3) % 8] }
            let y = x.exponential
            let z = turned.exponential
            for lane in 0..<8 where z[lane].bitPattern != y[(lane + 3) % 8].bitPattern && !x[(lane + 3) % 8].isNaN {
                Issue.record("\(turned[lane]) in lane \(lane)")
            }
        }
    }
}
