import Diagnostics

/// A byte-level tokenizer: text becomes tokens by byte-pair encoding (Sennrich et al., 2016; over bytes: Radford et al., 2019), as the
/// file `tokenizer.json` of Hugging Face's `tokenizers` says, token for token. Never changes, so that any number of threads may use it.
///
/// What stands in the file beside that, templates with tokens that begin and end a text among them (`post_processor`), isn't applied.
package final class Tokenizer: Sendable {
    /// The most tokens.
    package static let mostTokens = 1 << 20
    /// The most bytes of a token.
    package static let longestToken = 1 << 16

    /// How many tokens there are; they have the numbers from 0 on.
    package let count: Int
    /// SHA-256 of the file that it comes from, in hexadecimal digits.
    package let digest: String
    package let pattern: WordPattern
    /// How many merges there are.
    package var mergeCount: Int { products.count }
    /// Whether a space is put in front of a text, and behind each added token, where none stands.
    package let addsPrefixSpace: Bool
    /// Whether a word that is a token is one, whatever its merges are.
    let ignoresMerges: Bool

    /// What tokens stand for, one behind the other, and where each begins and the last one ends.
    private let contents: [UInt8]
    private let starts: [Int]
    /// The token of each byte; −1 where there is none.
    let byteTokens: [Int32]
    /// The place of a merge among all, by the pair that it joins, and the token that it makes.
    let ranks: PairTable
    let products: [Int32]
    let added: [AddedToken]
    let addedWords: AddedWords
    private let special: Set<Int32>
    /// Words that are tokens, where merges are ignored.
    let words: [[UInt8]: Int32]

    /// - Precondition: `parts` fit each other, as `TokenizerFile` makes sure.
    init(_ parts: Parts, digest: String) {
        count = parts.tokens.count
        self.digest = digest
        pattern = parts.pattern
        addsPrefixSpace = parts.addsPrefixSpace
        ignoresMerges = parts.ignoresMerges
        var contents: [UInt8] = []
        var starts = [0]
        var byteTokens = [Int32](repeating: -1, count: 256)
        var words: [[UInt8]: Int32] = [:]
        for (index, token) in parts.tokens.enumerated() {
            contents += token.bytes
            starts.append(contents.count)
            guard token.isOfBytes else { continue }
            if token.bytes.count == 1 { byteTokens[Int(token.bytes[0])] = Int32(index) }
            if parts.ignoresMerges { words[token.bytes] = Int32(index) }
        }
        var ranks = PairTable(capacity: parts.merges.count)
        for (rank, merge) in parts.merges.enumerated() { ranks.set(PairTable.key(merge.left, merge.right), Int32(rank)) }
        self.contents = contents
        self.starts = starts
        self.byteTokens = byteTokens
        self.words = words
        self.ranks = ranks
        products = parts.merges.map(\.product)
        added = parts.added
        addedWords = AddedWords(parts.added)
        special = Set(parts.added.filter(\.isSpecial).map(\.id))
    }

    /// What a tokenizer is made of.
    struct Parts {
        var pattern = WordPattern.gpt2
        var addsPrefixSpace = false
        var ignoresMerges = false
        /// In the order of their numbers. Those that don't consist of characters that stand for bytes are found as added tokens only.
        var tokens: [(bytes: [UInt8], isOfBytes: Bool)] = []
        /// In the order of their ranks.
        var merges: [(left: Int32, right: Int32, product: Int32)] = []
        var added: [AddedToken] = []

        init() {}
    }

    /// A token that is found in a text before that is cut into words.
    struct AddedToken: Equatable {
        var id: Int32
        var content: [UInt8]
        var isSpecial = true
        /// Whether it takes the white space in front of it, or behind.
        var stripsLeft = false
        var stripsRight = false
        /// Whether it is looked for after those that aren't.
        var isNormalized = false
    }

    /// The bytes of a token.
    /// - Precondition: there is such a token.
    package func bytes(of token: Int32) -> ArraySlice<UInt8> {
        precondition(token >= 0 && Int(token) < count, "token \(token) of \(count)")
        return contents[starts[Int(token)]..<starts[Int(token) + 1]]
    }

    /// Whether a token is special: no text, but a mark between texts.
    package func isSpecial(_ token: Int32) -> Bool { special.contains(token) }

    /// The number of an added token, such as `<|endoftext|>`; nil where there is none of that name.
    package func addedToken(_ name: String) -> Int32? {
        let bytes = Array(name.utf8)
        return added.first { $0.content == bytes }?.id
    }

    /// The tokens of a text.
    /// - Throws: 65 for a word that is too long, or a byte without a token.
    package func encode(_ text: String) throws -> [Int32] {
        var encoder = TokenEncoder(self, name: "the text")
        try Array(text.utf8).withUnsafeBytes { try encoder.add($0) }
        return try encoder.finish()
    }

    /// The text of tokens; bytes that are no UTF-8 become U+FFFD.
    package func decode(_ tokens: some Sequence<Int32>) -> String {
        String(decoding: tokens.flatMap { bytes(of: $0) }, as: UTF8.self)
    }
}
