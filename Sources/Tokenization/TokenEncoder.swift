import Diagnostics

/// Turns a text that comes piece by piece into tokens: the same ones however it is cut.
///
/// Time grows with n·log n at most, whatever the text is; memory with the longest word.
package struct TokenEncoder {
    /// The tokens so far that nobody has taken.
    package private(set) var tokens: [Int32] = []
    /// The bytes that were added.
    package private(set) var byteCount = 0

    private let tokenizer: Tokenizer
    /// What messages call the text.
    private let name: String
    /// What isn't encoded yet, from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0
    /// The bytes of the text, from the beginning of the buffer to its end.
    private var bufferedCount = 0
    /// How much of the buffer is known to be UTF-8.
    private var validCount = 0
    /// Before this place of the buffer no added token of the kind begins that is looked for first.
    private var searchedCount = 0
    /// Whether the text, or what stands between two added tokens, begins at `start`.
    private var isAtBeginning = true
    private var merger: WordMerger

    /// Longer words are refused, in bytes: memory for one is 40 times its length.
    package static let longestWord = 1 << 24

    /// - Parameter name: what messages call the text: its file.
    package init(_ tokenizer: Tokenizer, name: String) {
        self.tokenizer = tokenizer
        self.name = name
        merger = WordMerger(tokenizer)
    }

    /// Adds the next bytes of the text.
    /// - Throws: 65 for bytes that aren't UTF-8, for a word that is too long, and for a byte that the tokenizer has no token for.
    package mutating func add(_ bytes: UnsafeRawBufferPointer) throws {
        // Much at once is taken in pieces, so that what is held beside the text stays small.
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 << 20)
            rest = rest.dropFirst(piece.count)
            buffer.append(contentsOf: piece)
            byteCount += piece.count
            try encode(isLast: false)
        }
    }

    /// Ends the text; another one may follow.
    /// - Returns: the tokens that nobody has taken.
    package mutating func finish() throws -> [Int32] {
        try encode(isLast: true)
        isAtBeginning = true
        byteCount = 0
        return take()
    }

    /// Hands over the tokens so far.
    package mutating func take() -> [Int32] {
        var taken: [Int32] = []
        swap(&taken, &tokens)
        return taken
    }

    /// Forgets the tokens so far once `body` has had them; their memory is used again.
    package mutating func drain(_ body: (UnsafeBufferPointer<Int32>) throws -> Void) rethrows {
        try tokens.withUnsafeBufferPointer(body)
        tokens.removeAll(keepingCapacity: true)
    }

    private mutating func encode(isLast: Bool) throws {
        // Out of the structure, so that the rest of it may change meanwhile.
        var text: [UInt8] = []
        swap(&text, &buffer)
        bufferedCount = text.count
        try text.withUnsafeBufferPointer { text in
            try validate(text, isLast: isLast)
            guard let base = text.baseAddress else { return }
            try CharacterClass.table.withUnsafeBufferPointer { classes in
                guard let classes = classes.baseAddress else { return }
                try encode(WordCutter(pattern: tokenizer.pattern, classes: classes, text: base), to: validCount, isLast: isLast)
            }
        }
        if start == text.count {
            text.removeAll(keepingCapacity: true)
        } else if start > 0 {
            text.removeSubrange(..<start)
        }
        validCount -= start
        searchedCount = max(0, searchedCount - start)
        start = 0
        swap(&text, &buffer)
    }

    private mutating func validate(_ text: UnsafeBufferPointer<UInt8>, isLast: Bool) throws {
        validCount = UTF8Validation.end(of: text, from: validCount)
        let rest = text.count - validCount
        guard rest > 0, isLast || !UTF8Validation.isBeginning(text[validCount...]) else { return }
        throw Failure(
            .badData,
            "\(name): not text in UTF-8: byte \(byteCount - rest) (0x\(String(text[validCount], radix: 16))) is part of no character; "
                + "convert it (iconv -t UTF-8)")
    }

    // MARK: - Added tokens

    private mutating func encode(_ cutter: WordCutter, to end: Int, isLast: Bool) throws {
        let words = tokenizer.addedWords
        while start < end {
            let match = words.plain.find(in: cutter.text, from: max(start, searchedCount), to: end)
            if let match, isLast || match.range.lowerBound + words.longest <= end {
                guard let taken = stripped(match, cutter, from: start, to: end, isLast: isLast) else { return try require(end) }
                start = try encodePart(cutter, from: start, to: taken.lowerBound, isWhole: true)
                add(match.word)
                start = taken.upperBound
                continue
            }
            let limit = isLast ? end : min(match?.range.lowerBound ?? end, certain(cutter, end))
            searchedCount = max(start, limit)
            guard limit > start else { return }
            start = try encodePart(cutter, from: start, to: limit, isWhole: isLast)
            if !isLast { return try require(end) }
        }
    }

    /// How far no added token can begin that doesn't end before `end`.
    private func certain(_ cutter: WordCutter, _ end: Int) -> Int {
        guard tokenizer.addedWords.longest > 0 else { return end }
        var place = max(end - tokenizer.addedWords.longest + 1, 0)
        while place > 0, cutter.text[place] & 0xC0 == 0x80 { place -= 1 }
        return place
    }

    private mutating func add(_ word: Int32) {
        tokens.append(tokenizer.added[Int(word)].id)
        isAtBeginning = true
    }

    /// What an added token takes of the text: the white space beside it too, where it says so. Nil where that goes on behind `end`.
    private func stripped(
        _ match: (word: Int32, range: Range<Int>), _ cutter: WordCutter, from start: Int, to end: Int, isLast: Bool
    ) -> Range<Int>? {
        let token = tokenizer.added[Int(match.word)]
        var (lower, upper) = (match.range.lowerBound, match.range.upperBound)
        if token.stripsLeft { lower = cutter.blanksBegin(before: lower, from: start) }
        if token.stripsRight {
            upper = cutter.blanksEnd(from: upper, to: end)
            if upper == end, !isLast { return nil }
        }
        return lower..<upper
    }

    /// Text without added tokens of the kind that comes first.
    /// - Returns: how far it is encoded; all of it where it is whole.
    private mutating func encodePart(_ cutter: WordCutter, from first: Int, to end: Int, isWhole: Bool) throws -> Int {
        let words = tokenizer.addedWords
        var place = first
        guard !words.normalized.isEmpty else { return try encodeWords(cutter, from: place, to: end, isWhole: isWhole) }
        while place < end {
            let match = words.normalized.find(in: cutter.text, from: place, to: end)
            if let match, isWhole || match.range.lowerBound + words.longest <= end {
                guard let taken = stripped(match, cutter, from: place, to: end, isLast: isWhole) else { return place }
                _ = try encodeWords(cutter, from: place, to: taken.lowerBound, isWhole: true)
                add(match.word)
                place = taken.upperBound
                continue
            }
            let limit = isWhole ? end : min(match?.range.lowerBound ?? end, certain(cutter, end))
            guard limit > place else { return place }
            return try encodeWords(cutter, from: place, to: limit, isWhole: isWhole)
        }
        return place
    }

    // MARK: - Words

    /// Text without added tokens.
    /// - Returns: how far it is encoded; all of it where it is whole.
    private mutating func encodeWords(_ cutter: WordCutter, from first: Int, to end: Int, isWhole: Bool) throws -> Int {
        var place = first
        guard place < end else { return place }
        if isAtBeginning, tokenizer.addsPrefixSpace, cutter.text[place] != UInt8(ascii: " ") {
            guard let next = try encodeFirstWord(cutter, from: place, to: end, isWhole: isWhole) else { return place }
            place = next
        }
        isAtBeginning = false
        while place < end {
            guard let next = cutter.end(from: place, to: end, isWhole: isWhole) else { break }
            try encodeWord(cutter.text + place, next - place, at: place)
            place = next
        }
        return place
    }

    /// The first word with a space in front that the text hasn't. It is copied, since what is a word depends on that space.
    private mutating func encodeFirstWord(_ cutter: WordCutter, from first: Int, to end: Int, isWhole: Bool) throws -> Int? {
        var length = 64
        while true {
            var limit = min(end, first + length)
            while limit < end, cutter.text[limit] & 0xC0 == 0x80 { limit += 1 }
            let copy = [UInt8(ascii: " ")] + UnsafeBufferPointer(start: cutter.text + first, count: limit - first)
            let next: Int? = try copy.withUnsafeBufferPointer { copy in
                guard let base = copy.baseAddress else { return nil }
                let cutter = WordCutter(pattern: cutter.pattern, classes: cutter.classes, text: base)
                guard let next = cutter.end(from: 0, to: copy.count, isWhole: isWhole && limit == end) else { return nil }
                try encodeWord(base, next, at: first)
                return first + next - 1
            }
            if next != nil || limit == end { return next }
            length *= 2
        }
    }

    private mutating func encodeWord(_ word: UnsafePointer<UInt8>, _ count: Int, at place: Int) throws {
        guard count <= Self.longestWord else { throw tooLong(at: place) }
        guard try merger.encode(word, count, into: &tokens) else {
            let byte = (0..<count).first { tokenizer.byteTokens[Int(word[$0])] < 0 } ?? 0
            throw Failure(
                .badData,
                "\(name): byte \(offset(of: place) + byte) (0x\(String(word[byte], radix: 16))) has no token in the tokenizer; "
                    + "take it out, or use a tokenizer that has all 256 bytes")
        }
    }

    /// Refuses to wait for the end of a word that is too long.
    private func require(_ end: Int) throws {
        guard end - start <= Self.longestWord else { throw tooLong(at: start) }
    }

    private func tooLong(at place: Int) -> Failure {
        Failure(
            .badData,
            "\(name): the word that begins at byte \(offset(of: place)) is longer than \(Self.longestWord >> 20) MiB; expected text"
        )
    }

    /// Which byte of the text lies at a place of the buffer.
    private func offset(of place: Int) -> Int { byteCount - bufferedCount + place }
}

extension WordCutter {
    /// Where white space ends that begins at a place.
    func blanksEnd(from place: Int, to end: Int) -> Int {
        var place = place
        while place < end {
            var next = place + 1
            while next < end, text[next] & 0xC0 == 0x80 { next += 1 }
            guard isSpace(place, next - place) else { return place }
            place = next
        }
        return place
    }

    /// Where white space begins that ends at a place.
    func blanksBegin(before place: Int, from start: Int) -> Int {
        var place = place
        while place > start {
            var previous = place - 1
            while previous > start, text[previous] & 0xC0 == 0x80 { previous -= 1 }
            guard isSpace(previous, place - previous) else { return place }
            place = previous
        }
        return place
    }

    private func isSpace(_ place: Int, _ length: Int) -> Bool {
        var code = Int(text[place])
        if length > 1 {
            code &= 0xFF >> (length + 1)
            for next in place + 1..<place + length { code = code << 6 | Int(text[next] & 0x3F) }
        }
        return classes[code] == CharacterClass.space
    }
}
