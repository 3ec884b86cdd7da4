/// Texts as tokens, one behind the other and each as long as it is: a sample is filled up with padding when it is gathered, so
/// that memory doesn't grow with the longest text.
struct TokenSequences: Sendable {
    /// What the tokens stand for.
    let vocabulary: TextVocabulary
    /// How many tokens a sample has room for; those of a text behind are never seen.
    let length: Int
    private let tokens: [Int32]
    /// Where each text begins, and where the last one ends. Invariant: ascending, from 0 to the number of tokens.
    private let starts: [Int]
    /// How many tokens each text has, those that weren't kept included.
    let fullLengths: [Int32]

    var count: Int { fullLengths.count }

    init(_ vocabulary: TextVocabulary, length: Int, tokens: [Int32], starts: [Int], fullLengths: [Int32]) {
        precondition(
            starts.count == fullLengths.count + 1 && starts.first == 0 && starts.last == tokens.count,
            "\(starts.count) places of \(fullLengths.count) texts in \(tokens.count) tokens")
        self.vocabulary = vocabulary
        self.length = length
        self.tokens = tokens
        self.starts = starts
        self.fullLengths = fullLengths
    }

    /// The tokens of a text that a sample has room for.
    @inline(__always)
    func tokens(of text: Int) -> ArraySlice<Int32> {
        let start = starts[text]
        return tokens[start..<min(starts[text + 1], start + length)]
    }

    /// The memory that it takes, each part with what tells it from the same memory elsewhere.
    func forEachAllocation(_ body: (_ base: UnsafeRawPointer?, _ byteCount: Int) -> Void) {
        tokens.withUnsafeBytes { body($0.baseAddress, $0.count) }
        starts.withUnsafeBytes { body($0.baseAddress, $0.count) }
        fullLengths.withUnsafeBytes { body($0.baseAddress, $0.count) }
    }
}
