import Diagnostics
import Files

/// Turns texts into tokens, one after the other.
struct TextEncoder {
    private let rule: TokenRule
    private let path: String
    /// More tokens of a text than this are counted, but not kept.
    private let most: Int
    private var index: TokenIndex
    private var tokens: [Int32] = []
    private var starts = [0]
    private(set) var fullLengths: [Int32] = []
    /// Bytes of text since memory was last asked for.
    private var unaskedBytes = 0

    /// - Parameter path: the file that the texts come from, for messages.
    init(_ rule: TokenRule, index: TokenIndex, most: Int, path: String) {
        self.rule = rule
        self.index = index
        self.most = most
        self.path = path
    }

    /// Adds a text; how many tokens it has.
    mutating func add(_ text: String) throws -> Int {
        try requireMemory(forText: text.utf8.count)
        let text = rule.lowercases ? text.lowercased() : text
        var count = 0
        switch rule.kind {
        case .bytes:
            count = text.utf8.count
            for byte in text.utf8.prefix(most) { tokens.append(Int32(byte) + TokenRule.firstByte) }
        case .characters:
            for character in text.unicodeScalars {
                if count < most { tokens.append(index.token(of: character)) }
                count += 1
            }
        case .words:
            TokenRule.forEachWord(in: text) { word in
                if count < most { tokens.append(index.token(of: word)) }
                count += 1
            }
        }
        starts.append(tokens.count)
        fullLengths.append(Int32(clamping: count))
        return count
    }

    /// Asks now and then whether there is memory for as much again as is held already, since lists grow by doubling, and for what
    /// the texts since then can come to: a copy in small letters, and a token for each byte.
    private mutating func requireMemory(forText byteCount: Int) throws {
        unaskedBytes += byteCount
        guard unaskedBytes >= 16 << 20 else { return }
        guard index.foundCount <= TokenIndex.mostWords else {
            throw Failure(
                .badData,
                "\(path): more than \(TokenIndex.mostWords) different words; use a part of the table, or data.tokens: characters"
            )
        }
        let taken = tokens.count * MemoryLayout<Int32>.stride + index.byteCount
        guard let free = SystemMemory.availableByteCount(), free / 2 < taken + 6 * unaskedBytes else {
            unaskedBytes = 0
            return
        }
        throw Failure(
            .systemRefused,
            "\(path): after \(fullLengths.count) texts only \(free >> 20) MiB of memory are left; "
                + "use a part of the table, or more memory")
    }

    /// What was read with the tokens of a given vocabulary.
    func sequences(_ vocabulary: TextVocabulary, length: Int) -> TokenSequences {
        TokenSequences(vocabulary, length: length, tokens: tokens, starts: starts, fullLengths: fullLengths)
    }

    /// What was read, with the vocabulary of what `rows` of it have within their first `length` tokens.
    ///
    /// - Parameter vocabularyCount: the most words or characters to be kept.
    consuming func learning(
        from rows: [Int32], vocabularyCount: Int, length: Int
    ) -> (vocabulary: TextVocabulary, sequences: TokenSequences) {
        if rule.kind == .bytes { return (.bytes, sequences(.bytes, length: length)) }
        var counts = [Int](repeating: 0, count: Int(tokens.max() ?? 0) + 1)
        for row in rows {
            let start = starts[Int(row)]
            for token in tokens[start..<min(starts[Int(row) + 1], start + length)] { counts[Int(token)] += 1 }
        }
        let (vocabulary, renumbered) = index.vocabulary(rule.kind, counts: counts, most: vocabularyCount)
        for place in tokens.indices { tokens[place] = renumbered[Int(tokens[place])] }
        return (vocabulary, sequences(vocabulary, length: length))
    }
}
