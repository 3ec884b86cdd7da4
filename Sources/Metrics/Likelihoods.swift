import Storage

/// What metrics of probabilities (`perplexity`, `bits_per_byte`) need to know beside outputs and targets.
package struct Likelihoods: Sendable {
    /// The class whose rows don't count.
    let ignoredClass: Int?
    /// How many bytes of text each class stands for; nil where classes are no tokens.
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
