/// Finds added tokens in text: of those that begin at the first place where one does, the longest.
struct AddedWords: Sendable {
    /// Those that are looked for first, and those that are looked for in what is left.
    let plain: ByteTrie
    let normalized: ByteTrie
    let tokens: [Tokenizer.AddedToken]
    /// The bytes of the longest.
    let longest: Int

    init(_ tokens: [Tokenizer.AddedToken]) {
        self.tokens = tokens
        plain = ByteTrie(tokens.indices.filter { !tokens[$0].isNormalized }.map { (tokens[$0].content, Int32($0)) })
        normalized = ByteTrie(tokens.indices.filter { tokens[$0].isNormalized }.map { (tokens[$0].content, Int32($0)) })
        longest = tokens.map(\.content.count).max() ?? 0
    }
}

/// Words by their bytes.
struct ByteTrie: Sendable {
    /// The node behind a node (upper bits) and a byte; the first is 0.
    private var next: PairTable
    /// The word that ends at each node; −1 where none does.
    private var words: [Int32] = [-1]
    /// Whether a word begins with each byte.
    private var begins = [Bool](repeating: false, count: 256)
    let isEmpty: Bool

    init(_ entries: [(bytes: [UInt8], word: Int32)]) {
        isEmpty = entries.isEmpty
        next = PairTable(capacity: entries.reduce(0) { $0 + $1.bytes.count })
        for entry in entries {
            var node: Int32 = 0
            for byte in entry.bytes {
                let key = PairTable.key(node, Int32(byte))
                if let known = next[key] {
                    node = known
                } else {
                    next.set(key, Int32(words.count))
                    node = Int32(words.count)
                    words.append(-1)
                }
            }
            words[Int(node)] = entry.word
            begins[Int(entry.bytes[0])] = true
        }
    }

    /// The first place from which on a word stands, the longest that does, and its end; nil where there is none.
    func find(in text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> (word: Int32, range: Range<Int>)? {
        guard !isEmpty else { return nil }
        return begins.withUnsafeBufferPointer { begins in
            for place in start..<max(start, end) where begins[Int(text[place])] {
                var node: Int32 = 0
                var found: (word: Int32, range: Range<Int>)?
                for position in place..<end {
                    guard let following = next[PairTable.key(node, Int32(text[position]))] else { break }
                    node = following
                    if words[Int(node)] >= 0 { found = (words[Int(node)], place..<position + 1) }
                }
                if let found { return found }
            }
            return nil
        }
    }
}
