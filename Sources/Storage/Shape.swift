/// The shape of one sample: `[784]`, `[28, 28]`, or `[]` for a single number.
package struct Shape: Hashable, Sendable, CustomStringConvertible {
    package let dimensions: [Int]
    /// How many numbers a sample holds.
    package let count: Int

    /// Traps on negative dimensions and on a product that doesn't fit; shapes from files are checked before.
    package init(_ dimensions: [Int]) {
        precondition(dimensions.allSatisfy { $0 >= 0 }, "a shape of \(dimensions) has a negative dimension")
        self.dimensions = dimensions
        count = dimensions.reduce(1, *)
    }

    package var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }
}
