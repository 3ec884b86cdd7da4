/// Turns words into tokens: the merges of byte-pair encoding, and a cache of words that were met.
struct WordMerger {
    private let tokenizer: Tokenizer
    /// The tokens of the word, −1 where one was merged into that before; and which comes before and behind each.
    private var symbols: [Int32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    /// Merges that may be next, the least first: rank (upper bits) and place of the left token.
    private var heap: [UInt64] = []
    private var cache = WordCache()

    init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// Appends the tokens of a word; false where one of its bytes has none.
    mutating func encode(_ word: UnsafePointer<UInt8>, _ count: Int, into tokens: inout [Int32]) throws -> Bool {
        if count == 1 {
            let token = tokenizer.byteTokens[Int(word[0])]
            tokens.append(token)
            return token >= 0
        }
        let hash = WordCache.hash(word, count)
        if cache.append(word, count, hash, to: &tokens) { return true }
        let first = tokens.count
        if tokenizer.ignoresMerges, count <= Tokenizer.longestToken,
            let token = tokenizer.words[Array(UnsafeBufferPointer(start: word, count: count))]
        {
            tokens.append(token)
        } else {
            guard start(word, count) else { return false }
            merge(count)
            for index in 0..<count where symbols[index] >= 0 { tokens.append(symbols[index]) }
        }
        cache.add(word, count, hash, tokens[first...])
        return true
    }

    private mutating func start(_ word: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        if symbols.count < count {
            symbols = [Int32](repeating: 0, count: count + count / 2)
            previous = symbols
            next = symbols
        }
        for index in 0..<count {
            let token = tokenizer.byteTokens[Int(word[index])]
            guard token >= 0 else { return false }
            symbols[index] = token
            previous[index] = Int32(index - 1)
            next[index] = Int32(index + 1)
        }
        return true
    }

    /// Merges the first `count` symbols in the order of ranks, of equal ones from left to right. What is in the heap may have passed
    /// meanwhile: it is done only if it still makes the same token.
    private mutating func merge(_ count: Int) {
        heap.removeAll(keepingCapacity: true)
        for index in 0..<count - 1 { offer(index, index + 1) }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
        while let least = heap.first {
            let last = heap.removeLast()
            if !heap.isEmpty {
                heap[0] = last
                sink(0)
            }
            let place = Int(least & 0xFFFF_FFFF)
            let product = tokenizer.products[Int(least >> 32)]
            guard symbols[place] >= 0 else { continue }
            let right = Int(next[place])
            guard right < count, let rank = tokenizer.ranks[PairTable.key(symbols[place], symbols[right])],
                tokenizer.products[Int(rank)] == product
            else { continue }
            symbols[place] = product
            symbols[right] = -1
            let following = Int(next[right])
            next[place] = Int32(following)
            if previous[place] >= 0, offer(Int(previous[place]), place) { rise() }
            if following < count {
                previous[following] = Int32(place)
                if offer(place, following) { rise() }
            }
        }
    }

    /// Puts what merges two symbols at the end of the heap, if anything does.
    @discardableResult
    private mutating func offer(_ left: Int, _ right: Int) -> Bool {
        guard let rank = tokenizer.ranks[PairTable.key(symbols[left], symbols[right])] else { return false }
        heap.append(UInt64(rank) << 32 | UInt64(left))
        return true
    }

    private mutating func rise() {
        var index = heap.count - 1
        let item = heap[index]
        while index > 0, heap[(index - 1) / 2] > item {
            heap[index] = heap[(index - 1) / 2]
            index = (index - 1) / 2
        }
        heap[index] = item
    }

    private mutating func sink(_ first: Int) {
        var index = first
        let item = heap[index]
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < item else { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = item
    }
}

/// The tokens of words that were met: a place for each of some values of a hash, which the last word has.
private struct WordCache {
    private struct Entry {
        var hash: UInt64 = 0
        /// Where the word lies, and how long it is; where its tokens lie, and how many they are.
        var word: UInt32 = 0
        var tokens: UInt32 = 0
        var wordCount: UInt16 = 0
        var tokenCount: UInt16 = 0
    }

    private static let entryCount = 1 << 16
    /// Longer words are seldom met twice.
    private static let longestWord = 64
    /// The bytes of words that are kept at most, those that were displaced included.
    private static let mostBytes = 1 << 23

    private var entries = [Entry](repeating: Entry(), count: entryCount)
    private var words: [UInt8] = []
    private var tokens: [Int32] = []

    static func hash(_ word: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        guard count <= longestWord else { return 0 }
        var hash = UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15
        var place = 0
        while place + 8 <= count {
            hash = (hash ^ UnsafeRawPointer(word + place).loadUnaligned(as: UInt64.self)) &* 0xD6E8_FEB8_6659_FD93
            hash ^= hash >> 32
            place += 8
        }
        var rest: UInt64 = 0
        while place < count {
            rest = rest << 8 | UInt64(word[place])
            place += 1
        }
        hash = (hash ^ rest) &* 0xD6E8_FEB8_6659_FD93
        return hash ^ hash >> 29
    }

    /// Appends the tokens of a word if it is known.
    func append(_ word: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, to result: inout [Int32]) -> Bool {
        let entry = entries[Int(truncatingIfNeeded: hash) & (Self.entryCount - 1)]
        guard entry.hash == hash, Int(entry.wordCount) == count else { return false }
        let first = Int(entry.word)
        for index in 0..<count where words[first + index] != word[index] { return false }
        let start = Int(entry.tokens)
        if entry.tokenCount == 1 {
            result.append(tokens[start])
        } else {
            result.append(contentsOf: tokens[start..<start + Int(entry.tokenCount)])
        }
        return true
    }

    mutating func add(_ word: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64, _ found: ArraySlice<Int32>) {
        guard count <= Self.longestWord else { return }
        if words.count > Self.mostBytes { self = WordCache() }
        entries[Int(truncatingIfNeeded: hash) & (Self.entryCount - 1)] = Entry(
            hash: hash, word: UInt32(words.count), tokens: UInt32(tokens.count), wordCount: UInt16(count),
            tokenCount: UInt16(found.count))
        words.append(contentsOf: UnsafeBufferPointer(start: word, count: count))
        tokens.append(contentsOf: found)
    }
}
