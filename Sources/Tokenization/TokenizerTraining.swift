import Files

/// Learns a vocabulary from the words of texts: again and again the pair of neighbouring tokens that occurs most often becomes a token
/// (Sennrich et al., 2016). The same tokens and merges, in the same order, as `tokenizers`' `BpeTrainer` with the alphabet of all
/// bytes: of pairs that occur equally often the one with the lower numbers comes first.
package struct TokenizerTraining {
    private var parts = Tokenizer.Parts()
    /// The tokens by what stands for their bytes.
    private var ids: [[UInt8]: Int32] = [:]
    /// The tokens of all words, one behind the other; each word has fewer and fewer of its places.
    private var symbols: [Int32] = []
    private var words: [(start: Int, count: Int, occurrences: Int)] = []
    private var counts: [UInt64: Int] = [:]
    private var queue = PairQueue()

    /// Trains a tokenizer.
    ///
    /// - Parameters:
    ///   - size: the tokens that are wanted, `specialTokens` and the 256 bytes included; fewer where no pair is left.
    ///   - leastFrequency: pairs that occur less often are never joined.
    ///   - specialTokens: have the first numbers.
    /// - Precondition: no special token is twice in the list, or a single character.
    /// - Returns: the tokenizer, and the `tokenizer.json` that it is read from.
    package static func train(
        _ counts: WordCounts, size: Int, leastFrequency: Int, specialTokens: [String]
    ) throws -> (tokenizer: Tokenizer, file: [UInt8]) {
        var training = Self(counts, specialTokens)
        training.learn(size: size, leastFrequency: leastFrequency)
        let file = Tokenizer.file(training.parts)
        return (Tokenizer(training.parts, digest: try SHA256.hexadecimal(of: file)), file)
    }

    private init(_ counts: WordCounts, _ specialTokens: [String]) {
        for name in specialTokens {
            let content = Array(name.utf8)
            if let bytes = ByteAlphabet.bytes(of: content) { ids[bytes] = Int32(parts.tokens.count) }
            parts.added.append(Tokenizer.AddedToken(id: Int32(parts.tokens.count), content: content))
            parts.tokens.append((content, false))
        }
        var byteTokens = [Int32](repeating: 0, count: 256)
        for byte in ByteAlphabet.sorted {
            byteTokens[Int(byte)] = Int32(parts.tokens.count)
            ids[[byte]] = Int32(parts.tokens.count)
            parts.tokens.append(([byte], true))
        }
        symbols = counts.contents.map { byteTokens[Int($0)] }
        words = counts.words.map { ($0.start, $0.count, $0.occurrences) }
        countPairs()
    }

    private mutating func countPairs() {
        var places: [UInt64: [Int32]] = [:]
        for (index, word) in words.enumerated() {
            for place in word.start..<word.start + word.count - 1 {
                let pair = PairTable.key(symbols[place], symbols[place + 1])
                counts[pair, default: 0] += word.occurrences
                Self.add(Int32(index), to: &places[pair, default: []])
            }
        }
        offer(places)
    }

    /// Words come in their order, so one that is there already is the last.
    private static func add(_ word: Int32, to words: inout [Int32]) {
        if words.last != word { words.append(word) }
    }

    private mutating func offer(_ places: [UInt64: [Int32]]) {
        for (pair, words) in places {
            guard let count = counts[pair], count > 0 else { continue }
            queue.add(PairQueue.Entry(pair: pair, count: count, words: words))
        }
    }

    private mutating func learn(size: Int, leastFrequency: Int) {
        while parts.tokens.count < size, var best = queue.next() {
            let count = counts[best.pair] ?? 0
            guard best.count == count else {
                best.count = count
                queue.add(best)
                continue
            }
            guard count >= max(1, leastFrequency) else { return }
            let (left, right) = (Int32(truncatingIfNeeded: best.pair >> 32), Int32(truncatingIfNeeded: best.pair))
            let bytes = name(of: left) + name(of: right)
            let product = ids[bytes] ?? Int32(parts.tokens.count)
            if product == parts.tokens.count {
                ids[bytes] = product
                parts.tokens.append((bytes, true))
            }
            parts.merges.append((left, right, product))
            var places: [UInt64: [Int32]] = [:]
            for word in best.words { merge(left, right, into: product, Int(word), &places) }
            offer(places)
        }
    }

    private func name(of token: Int32) -> [UInt8] { parts.tokens[Int(token)].bytes }

    /// Joins the pair wherever it stands in a word, from left to right, and counts the pairs that come and go.
    private mutating func merge(
        _ left: Int32, _ right: Int32, into product: Int32, _ index: Int, _ places: inout [UInt64: [Int32]]
    ) {
        let word = words[index]
        let end = word.start + word.count
        var (read, write) = (word.start, word.start)
        while read < end {
            guard symbols[read] == left, read + 1 < end, symbols[read + 1] == right else {
                symbols[write] = symbols[read]
                (read, write) = (read + 1, write + 1)
                continue
            }
            if write > word.start {
                let before = symbols[write - 1]
                counts[PairTable.key(before, left), default: 0] -= word.occurrences
                count(before, product, index, &places)
            }
            if read + 2 < end {
                let behind = symbols[read + 2]
                counts[PairTable.key(right, behind), default: 0] -= word.occurrences
                count(product, behind, index, &places)
            }
            symbols[write] = product
            (read, write) = (read + 2, write + 1)
        }
        words[index].count = write - word.start
    }

    private mutating func count(_ left: Int32, _ right: Int32, _ index: Int, _ places: inout [UInt64: [Int32]]) {
        let pair = PairTable.key(left, right)
        counts[pair, default: 0] += words[index].occurrences
        Self.add(Int32(index), to: &places[pair, default: []])
    }
}

/// Pairs and the words that they are in, the most frequent first.
private struct PairQueue {
    struct Entry {
        let pair: UInt64
        var count: Int
        let words: [Int32]

        /// Whether it comes before another one.
        func precedes(_ other: Entry) -> Bool { count == other.count ? pair < other.pair : count > other.count }
    }

    private var entries: [Entry] = []

    mutating func add(_ entry: Entry) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0, entries[index].precedes(entries[(index - 1) / 2]) {
            entries.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func next() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < entries.count else { return first }
            if child + 1 < entries.count, entries[child + 1].precedes(entries[child]) { child += 1 }
            guard entries[child].precedes(entries[index]) else { return first }
            entries.swapAt(index, child)
            index = child
        }
    }
}
