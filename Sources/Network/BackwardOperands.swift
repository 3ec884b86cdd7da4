/// Which of a layer's input and output its `backward` reads. What nobody reads needn't be kept.
package struct BackwardOperands: OptionSet, Sendable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let input = BackwardOperands(rawValue: 1)
    package static let output = BackwardOperands(rawValue: 2)
    package static let both: BackwardOperands = [.input, .output]
}
