import Storage

/// The dimensions of a sample or of a parameter: `[28, 28]`, or `[]` for a single number. Images are [channels, height, width],
/// sequences [steps, features].
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
    /// The dimensions, the outermost first.
    public let dimensions: [Int]

    /// The shape of these dimensions.
    public init(_ dimensions: [Int]) { self.dimensions = dimensions }

    /// The shape of these dimensions.
    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// How many numbers it holds. Traps where they can't be counted.
    public var count: Int { dimensions.reduce(1, *) }

    /// The dimensions in brackets.
    public var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }

    init(_ shape: Storage.Shape) { self.init(shape.dimensions) }
}
