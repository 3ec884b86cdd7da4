import Foundation

/// From numbers to places along an axis, and the numbers that are written at it.
package struct Scale: Sendable, Equatable {
    package let low: Double
    package let high: Double
    package let isLogarithmic: Bool

    /// Around the finite ones of these numbers, and a little beyond.
    ///
    /// - Parameters:
    ///   - prefersLogarithm: where all are above 0 and they lie more than `leastRatio` times apart.
    package init(
        around numbers: some Sequence<Double>, prefersLogarithm: Bool = false, padding: Double = 0.05, leastRatio: Double = 50
    ) {
        var low = Double.infinity
        var high = -Double.infinity
        for number in numbers where number.isFinite {
            low = min(low, number)
            high = max(high, number)
        }
        if low > high { (low, high) = (0, 1) }
        // Of smaller numbers a processor that flushes denormals, as training has it, makes zeros, which have no logarithm.
        let least = Double.leastNormalMagnitude
        isLogarithmic = prefersLogarithm && low >= least && high / low > leastRatio
        if isLogarithmic {
            let share = (high / low).squareRoot().squareRoot().squareRoot().squareRoot()
            (self.low, self.high) = (max(low / share, least), min(high * share, .greatestFiniteMagnitude))
            return
        }
        if low == high {
            let room = low == 0 ? 1 : low.magnitude * 0.1
            (self.low, self.high) = (low - room, high + room)
            return
        }
        let room = (high - low) * padding
        (self.low, self.high) = room.isFinite ? (low - room, high + room) : (low, high)
    }

    /// Where a number lies, from 0 at the low end to 1; nil for what isn't finite, and on a logarithmic axis for what isn't above 0.
    package func place(_ number: Double) -> Double? {
        guard number.isFinite else { return nil }
        if isLogarithmic {
            guard number > 0 else { return nil }
            return finite((Foundation.log(number) - Foundation.log(low)) / (Foundation.log(high) - Foundation.log(low)))
        }
        // Halves, so that the difference of two huge numbers is one.
        return finite((number / 2 - low / 2) / (high / 2 - low / 2))
    }

    private func finite(_ place: Double) -> Double? { place.isFinite ? place : nil }

    /// About `count` round numbers within the axis, ascending.
    package func ticks(_ count: Int = 5) -> [Double] {
        if isLogarithmic {
            let first = Int(Foundation.log10(low).rounded(.down))
            let last = Int(Foundation.log10(high).rounded(.up))
            let stepSize = max(1, (last - first) / max(1, count))
            let factors: [Double] = last - first <= 2 ? [1, 2, 5] : [1]
            return stride(from: first, through: last, by: stepSize).flatMap { power in
                factors.map { $0 * Foundation.pow(10, Double(power)) }
            }.filter { $0 >= low && $0 <= high }
        }
        let rough = (high - low) / Double(max(1, count))
        guard rough.isFinite, rough > 0 else { return [] }
        let power = Foundation.pow(10, Foundation.log10(rough).rounded(.down))
        let step = ([1, 2, 2.5, 5].first { $0 * power >= rough * 0.999 } ?? 10) * power
        guard step > 0, step.isFinite else { return [] }
        let first = (low / step).rounded(.up)
        // An axis of huge numbers that hardly differ has no round numbers in it.
        guard first.magnitude < 1e15 else { return [] }
        return (0...2 * count + 2).map { (first + Double($0)) * step }.filter { $0 <= high + step * 1e-9 }
    }

    /// A number at an axis, short: `0.25`, `1,500`, `20k`, `1e-05`.
    package static func label(_ number: Double) -> String {
        let size = number.magnitude
        if size == 0 { return "0" }
        if size < 1e-3 || size >= 1e12 {
            var text = String(format: "%.1e", number)
            if let zero = text.range(of: ".0e") { text.replaceSubrange(zero, with: "e") }
            return text
        }
        for (unit, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= unit * (unit == 1e3 ? 10 : 1) {
            return short(number / unit) + letter
        }
        return short(number)
    }

    /// At most six decimals, none of them zeros at the end.
    private static func short(_ number: Double) -> String {
        var text = String(format: "%.6f", number)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text == "-0" ? "0" : text
    }
}
