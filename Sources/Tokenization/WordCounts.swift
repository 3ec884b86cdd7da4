import Diagnostics
import Files

/// How often each word occurs in texts: what byte-pair encoding learns from.
///
/// Each line is a text of its own, with its end, as where `tokenizers` trains on files.
package struct WordCounts {
    /// Words one behind the other.
    private(set) var contents: [UInt8] = []
    private(set) var words: [Word] = []
    /// The bytes of all texts.
    package private(set) var byteCount = 0
    /// How many words there were.
    package private(set) var wordCount = 0

    struct Word {
        let start: Int
        let count: Int
        var occurrences: Int
    }

    private let pattern: WordPattern
    /// Places of words by their hash; −1 where there is none.
    private var places: [Int32]
    private var hashes: [UInt64] = []
    private let seed = UInt64.random(in: 0...UInt64.max)
    private var line: [UInt8] = []

    /// More different words are refused.
    private static let mostWords = 1 << 28

    package init(_ pattern: WordPattern = .gpt2) {
        self.pattern = pattern
        places = [Int32](repeating: -1, count: 1 << 12)
    }

    /// Adds the next bytes of a text.
    /// - Throws: 65 for bytes that aren't UTF-8 and lines that are too long, 71 where memory doesn't suffice.
    package mutating func add(_ bytes: UnsafeRawBufferPointer, name: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let end = rest.firstIndex(of: 0x0A) else {
                line.append(contentsOf: rest)
                guard line.count <= TokenEncoder.longestWord else {
                    throw Failure(
                        .badData,
                        "\(name): a line of more than \(TokenEncoder.longestWord >> 20) MiB, which isn't text to learn from")
                }
                return
            }
            line.append(contentsOf: rest[...end])
            rest = rest[(end + 1)...]
            try countLine(name)
        }
    }

    /// Ends a text.
    package mutating func finish(name: String) throws {
        if !line.isEmpty { try countLine(name) }
    }

    private mutating func countLine(_ name: String) throws {
        var text: [UInt8] = []
        swap(&text, &line)
        try text.withUnsafeBufferPointer { text in
            let end = UTF8Validation.end(of: text, from: 0)
            guard end == text.count, let base = text.baseAddress else {
                throw Failure(
                    .badData,
                    "\(name): not text in UTF-8: byte \(byteCount + end) is part of no character; convert it (iconv -t UTF-8)")
            }
            try CharacterClass.table.withUnsafeBufferPointer { classes in
                guard let classes = classes.baseAddress else { return }
                let cutter = WordCutter(pattern: pattern, classes: classes, text: base)
                var place = 0
                while place < end, let next = cutter.end(from: place, to: end, isWhole: true) {
                    try count(UnsafeBufferPointer(start: base + place, count: next - place), name)
                    place = next
                }
            }
        }
        byteCount += text.count
        text.removeAll(keepingCapacity: true)
        swap(&text, &line)
    }

    private mutating func count(_ word: UnsafeBufferPointer<UInt8>, _ name: String) throws {
        wordCount += 1
        var hash = seed
        for byte in word { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 ^ hash >> 47 }
        var place = Int(truncatingIfNeeded: hash ^ hash >> 32) & (places.count - 1)
        while places[place] >= 0 {
            let index = Int(places[place])
            if hashes[index] == hash, contents[words[index].start..<words[index].start + words[index].count].elementsEqual(word)
            {
                words[index].occurrences += 1
                return
            }
            place = (place + 1) & (places.count - 1)
        }
        places[place] = Int32(words.count)
        hashes.append(hash)
        words.append(Word(start: contents.count, count: word.count, occurrences: 1))
        contents.append(contentsOf: word)
        if 2 * words.count > places.count { try grow(name) }
    }

    private mutating func grow(_ name: String) throws {
        // Symbols and pairs take several times as much as the words themselves.
        let needed = 16 * contents.count + 64 * words.count
        if let free = SystemMemory.availableByteCount(), needed >= 64 << 20, needed > free {
            throw Failure(
                .systemRefused,
                "\(name): \(words.count) different words, which take more memory than there is (\(free >> 20) MiB); train on less text"
            )
        }
        guard words.count <= Self.mostWords else {
            throw Failure(.badData, "\(name): more than \(Self.mostWords) different words; train on less text")
        }
        places = [Int32](repeating: -1, count: 2 * places.count)
        for (index, hash) in hashes.enumerated() {
            var place = Int(truncatingIfNeeded: hash ^ hash >> 32) & (places.count - 1)
            while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
            places[place] = Int32(index)
        }
    }
}
