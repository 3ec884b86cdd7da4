import Diagnostics
import Storage

/// How inputs are brought to a common size: value = (x / scale − mean) / std, each one number for all features or one
/// per feature.
package struct Normalization: Hashable, Codable, Sendable {
    package let scale: [Double]
    package let mean: [Double]
    package let std: [Double]

    package init(scale: [Double] = [1], mean: [Double] = [0], std: [Double] = [1]) {
        self.scale = scale
        self.mean = mean
        self.std = std
    }

    /// Inputs as they are.
    package static let none = Normalization()

    /// The normalised value of `number` as feature `feature`.
    func apply(_ number: Double, feature: Int) -> Double {
        (number / Self.entry(scale, feature) - Self.entry(mean, feature)) / Self.entry(std, feature)
    }

    /// The number whose normalised value is `value`.
    func undone(_ value: Double, feature: Int) -> Double {
        (value * Self.entry(std, feature) + Self.entry(mean, feature)) * Self.entry(scale, feature)
    }

    /// Lists of one number for each channel, which is the first of three dimensions or more, as lists of one for each input.
    func expanded(perChannelOf shape: Shape) -> Normalization {
        guard shape.dimensions.count >= 3, let channels = shape.dimensions.first, channels > 1 else { return self }
        func expanded(_ list: [Double]) -> [Double] {
            list.count == channels ? list.flatMap { Array(repeating: $0, count: shape.count / channels) } : list
        }
        return Normalization(scale: expanded(scale), mean: expanded(mean), std: expanded(std))
    }

    /// What is wrong with these numbers for inputs of `width` features; nil if nothing is. `prefix` comes before the
    /// key.
    func problem(width: Int, prefix: String) -> String? {
        for (key, list) in [("scale", scale), ("mean", mean), ("std", std)] {
            guard list.count == 1 || list.count == width else {
                return "\(prefix)\(key): a list of \(list.count); expected one number, or one for each of the "
                    + "\(width) inputs"
            }
            guard list.allSatisfy({ $0.isFinite && (key == "mean" || $0 > 0) }) else {
                return "\(prefix)\(key): expected finite numbers\(key == "mean" ? "" : " greater than 0")"
            }
        }
        return nil
    }

    fileprivate static func entry(_ list: [Double], _ feature: Int) -> Double {
        list.count == 1 ? list[0] : list[feature]
    }
}

extension Normalization {
    /// Mean and population standard deviation of every feature over `rows`; features that never change get std 1.
    ///
    /// `fetch` writes the features of a row. Two passes in Double, rows in order. Features in `untouched` (indicators
    /// of categories) keep mean 0 and std 1.
    init(standardizing width: Int, rows: [Int32], untouched: Set<Int> = [], fetch: (Int, inout [Double]) -> Void) {
        var features = [Double](repeating: 0, count: width)
        var means = features
        var squares = features
        var lowest = [Double](repeating: .infinity, count: width)
        var highest = lowest.map { -$0 }
        for row in rows {
            fetch(Int(row), &features)
            for i in 0..<width {
                means[i] += features[i]
                lowest[i] = min(lowest[i], features[i])
                highest[i] = max(highest[i], features[i])
            }
        }
        for i in 0..<width { means[i] = lowest[i] == highest[i] ? lowest[i] : means[i] / Double(rows.count) }
        for row in rows {
            fetch(Int(row), &features)
            for i in 0..<width {
                let deviation = features[i] - means[i]
                squares[i] += deviation * deviation
            }
        }
        var deviations = squares.map { ($0 / Double(rows.count)).squareRoot() }
        // A deviation of 0 also comes from squares too small for Double.
        for i in 0..<width where lowest[i] == highest[i] || deviations[i] == 0 { deviations[i] = 1 }
        for i in untouched {
            means[i] = 0
            deviations[i] = 1
        }
        self.init(mean: means, std: deviations)
    }
}

/// A normalisation as it is applied while gathering: value = (x − offset) · factor with offset = mean · scale and
/// factor = 1 / (scale · std). Subtracting first keeps the digits of features whose mean is large.
struct Rescaling: Sendable {
    struct Terms<Number: BinaryFloatingPoint & Sendable>: Sendable {
        let offsets: [Number]
        let factors: [Number]
        /// The offset, and the factor, where all features share one.
        let singleOffset: Number?
        let singleFactor: Number?

        init(offsets: [Double], factors: [Double]) {
            self.offsets = offsets.map { Number($0) }
            self.factors = factors.map { Number($0) }
            let shared = offsets.count == 1
            singleOffset = shared ? self.offsets.first : nil
            singleFactor = shared ? self.factors.first : nil
        }
    }

    let floats: Terms<Float>
    let doubles: Terms<Double>

    /// `normalization` has been checked to fit `width` features.
    init(_ normalization: Normalization, width: Int) {
        let shared = [normalization.scale, normalization.mean, normalization.std].allSatisfy { $0.count == 1 }
        let features = 0..<(shared ? 1 : width)
        let offsets = features.map {
            Normalization.entry(normalization.mean, $0) * Normalization.entry(normalization.scale, $0)
        }
        let factors = features.map {
            1 / (Normalization.entry(normalization.scale, $0) * Normalization.entry(normalization.std, $0))
        }
        floats = Terms(offsets: offsets, factors: factors)
        doubles = Terms(offsets: offsets, factors: factors)
    }
}
