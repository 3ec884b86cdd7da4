import Storage

/// What metrics need to know beside outputs and targets where outputs are logits of classes: which rows count, and for
/// `bits_per_byte` what they stand for.
package struct Likelihoods: Sendable {
    /// The class whose rows don't count, for no metric.
    let ignoredClass: Int?
    /// How many bytes of text each class stands for; nil where that isn't known.
    let byteCounts: [Int]?

    package init(ignoredClass: Int? = nil, byteCounts: [Int]? = nil) {
        self.ignoredClass = ignoredClass
        self.byteCounts = byteCounts
    }
}

/// Its statistics, in this order.
enum LikelihoodSum {
    /// Of the cross entropies of rows that count, in nats.
    static let crossEntropy = 0
    static let rows = 1
    /// What the true classes stand for.
    static let bytes = 2
    static let count = 3
}
