import Foundation
import Kernels
import Storage
import Testing

/// The functions of a Double against correctly rounded values (`Tests/References/functions.py`, by mpmath); against a million
/// of each with DTRAIN_FUNCTION_POINTS=FOLDER.
@Suite("Functions of a Double")
struct DoubleFunctionsTests {
    enum Function: String, CaseIterable {
        case exponential
        case logarithm
        case logarithmOfOnePlus = "logarithm-of-one-plus"
        case power
        case cosineOfPi = "cosine-of-pi-times"

        var argumentCount: Int { self == .power ? 2 : 1 }

        func callAsFunction(_ x: [Double]) -> Double {
            switch self {
            case .exponential: x[0].exponential
            case .logarithm: x[0].logarithm
            case .logarithmOfOnePlus: x[0].logarithmOfOnePlus
            case .power: Kernels.power(x[0], x[1])
            case .cosineOfPi: Kernels.cosineOfPi(times: x[0])
            }
        }

        /// The same for four numbers at once, where there is one.
        func inLanes(_ x: SIMD4<Double>) -> SIMD4<Double>? {
            switch self {
            case .exponential: x.exponential
            case .logarithm: x.logarithm
            case .logarithmOfOnePlus: x.logarithmOfOnePlus
            case .power, .cosineOfPi: nil
            }
        }

        /// The points of the reference: arguments, and behind them the value.
        func points() throws -> [[Double]] {
            let folder =
                ProcessInfo.processInfo.environment["DTRAIN_FUNCTION_POINTS"].map { URL(fileURLWithPath: $0) }
                ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("References/functions")
            let data = try Data(contentsOf: folder.appendingPathComponent(rawValue + ".bin"))
            let numbers = data.withUnsafeBytes { bytes in
                (0..<bytes.count / 8).map {
                    Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)))
                }
            }
            let width = argumentCount + 1
            return stride(from: 0, to: numbers.count, by: width).map { Array(numbers[$0..<$0 + width]) }
        }
    }

    @Test("is within 1 ulp of the exact value, and the same number in lanes", arguments: Function.allCases)
    func bounds(function: Function) throws {
        Processor.flushDenormals()
        let points = try function.points()
        #expect(points.count >= 900)
        var largest = (ulps: UInt64(0), at: [Double]())
        var misrounded = 0
        for point in points {
            let value = function(point)
            // Neighbouring numbers have neighbouring patterns. The reference is within half a unit of the exact value.
            let distance = value.bitPattern.distance(to: point[function.argumentCount].bitPattern).magnitude
            if distance > 0 { misrounded += 1 }
            if distance > largest.ulps { largest = (UInt64(distance), point) }
        }
        #expect(largest.ulps <= 1, "\(largest)")
        // Of a million at most 8 in 100 are the other neighbour; were a polynomial a little off, many more would be. So few points
        // as here stray, by four standard deviations at most.
        let share = Double(misrounded) / Double(points.count)
        #expect(share <= 0.08 + 4 * (0.08 / Double(points.count)).squareRoot(), "\(share)")
        for first in stride(from: 0, to: points.count - 3, by: 4) {
            let x = SIMD4<Double>((0..<4).map { points[first + $0][0] })
            guard let values = function.inLanes(x) else { break }
            for lane in 0..<4 { #expect(values[lane].bitPattern == function([x[lane]]).bitPattern, "\(x[lane])") }
        }
    }

    @Test("what isn't an ordinary number goes where it belongs, in lanes too")
    func specialNumbers() {
        let infinity = Double.infinity
        let least = Double.leastNormalMagnitude
        expect(
            .exponential,
            [(0, 1), (-0.0, 1), (infinity, infinity), (-infinity, 0), (-708.4, 0), (709.79, infinity), (-1e300, 0)])
        expect(
            .logarithm,
            [(0, -infinity), (-0.0, -infinity), (infinity, infinity), (1, 0), (least / 4, -infinity), (-least / 4, -infinity)])
        expect(.logarithmOfOnePlus, [(0, 0), (1, 0.6931471805599453), (1e-300, 1e-300)])
        expect(.cosineOfPi, [(0, 1), (0.5, 0), (1, -1), (1.5, 0), (2, 1), (-1, -1), (1e17, 1)])
        for function in Function.allCases where function != .power { #expect(function([.nan]).isNaN, "\(function)") }
        #expect((-1.0).logarithm.isNaN && (-infinity).logarithm.isNaN && cosineOfPi(times: infinity).isNaN)
        for (base, exponent, value) in [
            (0.0, 0.0, 1.0), (0, 1, 0), (0, 2.5, 0), (1, infinity, 1), (infinity, 2, infinity), (0.9, 1e9, 0),
            (1.1, 1e9, infinity), (0.9, 1, 0.9), (2, 10, 1024), (2, 1023, 0x1p1023), (2, -1074, 0), (0.5, infinity, 0),
            (least, 1, least), (least / 4, 0.5, 0), (least / 4, -1, infinity)
        ] { #expect(power(base, exponent) == value, "\(base) to the power of \(exponent)") }
        #expect(power(.nan, 2).isNaN && power(2, .nan).isNaN)
    }

    @Test("the bits are those of earlier builds, also where they are the exact value's other neighbour")
    func pinnedBits() {
        for (x, value) in [(0x1.ff06779a7076p-2, 0x1.9e8bd658e150cp-2), (0x1.ac22398f8cff6p-2, 0x1.65b379db1eacdp-2)] {
            #expect(x.logarithmOfOnePlus == value, "\(x)")
        }
    }

    private func expect(_ function: Function, _ values: [(Double, Double)]) {
        for (x, value) in values {
            #expect(function([x]) == value, "\(function) of \(x)")
            if let lanes = function.inLanes(SIMD4(repeating: x)) {
                #expect(lanes == SIMD4(repeating: value), "\(function) of \(x)")
            }
        }
    }
}
