/// The numbers that an option takes, and how a message says so.
package struct Bounds: Sendable, CustomStringConvertible {
    package let description: String
    let lower: Double
    let upper: Double
    let includesLower: Bool
    let includesUpper: Bool

    /// Every finite number.
    package static let any = Bounds("of any size", -.infinity, .infinity)
    /// Greater than 0.
    package static let positive = Bounds("greater than 0", 0, .infinity, includesLower: false)
    /// 0 or more.
    package static let nonNegative = Bounds("of 0 or more", 0, .infinity)
    /// From 0 to below 1: rates and decay factors.
    package static let fraction = Bounds("from 0 to below 1", 0, 1, includesUpper: false)

    /// From `range.lowerBound` to `range.upperBound`, both included.
    package static func range(_ range: ClosedRange<Double>) -> Bounds {
        Bounds("from \(range.lowerBound) to \(range.upperBound)", range.lowerBound, range.upperBound)
    }

    private init(
        _ description: String, _ lower: Double, _ upper: Double, includesLower: Bool = true,
        includesUpper: Bool = true
    ) {
        self.description = description
        self.lower = lower
        self.upper = upper
        self.includesLower = includesLower
        self.includesUpper = includesUpper
    }

    func contains(_ number: Double) -> Bool {
        (number > lower || includesLower && number == lower) && (number < upper || includesUpper && number == upper)
    }
}
