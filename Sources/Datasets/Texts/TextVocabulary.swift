/// The words or characters that have tokens of their own, in the order of these, from `TokenRule.first` on.
package enum TextVocabulary: Hashable, Codable, Sendable {
    /// Different under canonical equivalence, as strings of Swift are: é is one word however it is composed.
    case words([String])
    /// Code points.
    case characters([UInt32])
    /// All of them, in their order.
    case bytes

    /// More entries than this are refused: all of them are kept in every checkpoint.
    static let mostEntries = 1 << 20

    /// How many entries it has.
    package var count: Int {
        switch self {
        case .words(let words): words.count
        case .characters(let characters): characters.count
        case .bytes: TokenRule.byteKinds - 1
        }
    }

    /// How many different tokens there are: padding, what is unknown, and the entries.
    package var kinds: Int {
        if case .bytes = self { TokenRule.byteKinds } else { count + Int(TokenRule.first) }
    }

    /// Calls `body` with what each token stands for, in their order; not with bytes.
    func forEachEntry(_ body: (String) throws -> Void) rethrows {
        switch self {
        case .words(let words): for word in words { try body(word) }
        case .characters(let characters): for character in characters { try body(String(character)) }
        case .bytes: break
        }
    }

    /// What is wrong with one from a file, whose texts are cut into tokens of `kind`; nil if nothing is.
    func problem(_ kind: TokenRule.Kind) -> String? {
        switch (self, kind) {
        case (.words(let words), .words):
            guard (1...Self.mostEntries).contains(words.count), !words.contains(""), Set(words).count == words.count else {
                return "texts.vocabulary: words"
            }
        case (.characters(let characters), .characters):
            guard (1...Self.mostEntries).contains(characters.count), Set(characters).count == characters.count,
                characters.allSatisfy({ Unicode.Scalar($0) != nil })
            else { return "texts.vocabulary: characters" }
        case (.bytes, .bytes): break
        default: return "texts.vocabulary: not of \(kind.rawValue)"
        }
        return nil
    }
}

/// The tokens of words and characters.
struct TokenIndex {
    private var words: [String: Int32] = [:]
    private var characters: [UInt32: Int32] = [:]
    /// Those that were met, in the order of their first places; empty where a vocabulary is given.
    private var foundWords: [String] = []
    private var foundCharacters: [UInt32] = []
    /// Whether what is new gets the next token.
    private let isOpen: Bool

    /// Learns every word or character that it meets.
    init() { isOpen = true }

    /// Knows the entries of a vocabulary; all else is unknown.
    init(_ vocabulary: TextVocabulary) {
        isOpen = false
        switch vocabulary {
        case .words(let known): words = Self.places(known)
        case .characters(let known): characters = Self.places(known)
        case .bytes: break
        }
    }

    private static func places<Entry: Hashable>(_ entries: [Entry]) -> [Entry: Int32] {
        Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1, Int32($0) + TokenRule.first) })
    }

    /// More different words than this are refused: a token is 32 bits.
    static let mostWords = 1 << 28

    /// How many words or characters were met.
    var foundCount: Int { foundWords.count + foundCharacters.count }

    /// About the bytes that it takes.
    var byteCount: Int { foundWords.count * 160 + foundCharacters.count * 32 }

    mutating func token(of word: Substring) -> Int32 {
        let word = String(word)
        if let token = words[word] { return token }
        guard isOpen else { return TokenRule.unknown }
        let token = Int32(foundWords.count) + TokenRule.first
        words[word] = token
        foundWords.append(word)
        return token
    }

    mutating func token(of character: Unicode.Scalar) -> Int32 {
        if let token = characters[character.value] { return token }
        guard isOpen else { return TokenRule.unknown }
        let token = Int32(foundCharacters.count) + TokenRule.first
        characters[character.value] = token
        foundCharacters.append(character.value)
        return token
    }

    /// The vocabulary of what was met, at most `most` entries: the most frequent first, those that are as frequent in the order
    /// of their code points; and the token in it of every token so far.
    ///
    /// - Parameter counts: how often each token occurs in the training data; what doesn't is left out.
    func vocabulary(_ kind: TokenRule.Kind, counts: [Int], most: Int) -> (TextVocabulary, tokens: [Int32]) {
        switch kind {
        case .bytes: return (.bytes, (0..<Int32(TokenRule.byteKinds)).map { $0 })
        case .words:
            let (chosen, tokens) = Self.choose(foundWords, counts, most)
            return (.words(chosen), tokens)
        case .characters:
            let (chosen, tokens) = Self.choose(foundCharacters, counts, most)
            return (.characters(chosen), tokens)
        }
    }

    private static func choose<Entry: Comparable>(_ found: [Entry], _ counts: [Int], _ most: Int) -> ([Entry], [Int32]) {
        let first = Int(TokenRule.first)
        let order = found.indices.filter { counts[$0 + first] > 0 }.sorted { one, other in
            let (a, b) = (counts[one + first], counts[other + first])
            return a == b ? found[one] < found[other] : a > b
        }.prefix(most)
        var tokens = [Int32](repeating: TokenRule.unknown, count: found.count + first)
        tokens[Int(TokenRule.padding)] = TokenRule.padding
        for (place, entry) in order.enumerated() { tokens[entry + first] = Int32(place) + TokenRule.first }
        return (order.map { found[$0] }, tokens)
    }
}
