/// How text is cut into words, within which tokens are: the regular expressions of byte-level tokenizers, by hand.
package enum WordPattern: Hashable, Sendable {
    /// Text stays as it is.
    case none
    /// GPT-2's: contractions, then letters, digits or other characters with a space in front, then white space.
    case gpt2
    /// Llama 3's, which is GPT-4's (cl100k_base): contractions in capital letters too, any character in front of letters, numbers
    /// of up to `digits` digits (3; Qwen 2 takes them one by one), line ends together.
    case gpt4(digits: Int)

    private static let letters = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
    private static let rest = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// What a regular expression is, by its letters; nil for one that isn't known.
    init?(expression: String) {
        switch expression {
        case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
            #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
            self = .gpt2
        case Self.letters + #"\p{N}{1,3}"# + Self.rest: self = .gpt4(digits: 3)
        case Self.letters + #"\p{N}"# + Self.rest: self = .gpt4(digits: 1)
        default: return nil
        }
    }
}

/// Finds the ends of words in UTF-8.
struct WordCutter {
    let pattern: WordPattern
    /// Invariant: `CharacterClass.table` while the caller holds it.
    let classes: UnsafePointer<UInt8>
    /// Invariant: valid UTF-8 up to the end that `end` is told.
    let text: UnsafePointer<UInt8>

    private static let apostrophe = UInt8(ascii: "'"), space = UInt8(ascii: " ")

    /// Class and length of the character at a place.
    @inline(__always)
    private func character(_ place: Int) -> (kind: UInt8, length: Int) {
        let first = text[place]
        if first < 0x80 { return (classes[Int(first)], 1) }
        if first < 0xE0 {
            let code = Int(first & 0x1F) << 6 | Int(text[place + 1] & 0x3F)
            return (classes[code], 2)
        }
        if first < 0xF0 {
            let code = Int(first & 0x0F) << 12 | Int(text[place + 1] & 0x3F) << 6 | Int(text[place + 2] & 0x3F)
            return (classes[code], 3)
        }
        let code =
            Int(first & 0x07) << 18 | Int(text[place + 1] & 0x3F) << 12 | Int(text[place + 2] & 0x3F) << 6
            | Int(text[place + 3] & 0x3F)
        return (classes[code], 4)
    }

    /// Where the characters of a class end that begin at `place`.
    @inline(__always)
    private func run(of kind: UInt8, from place: Int, to end: Int) -> Int {
        var place = place
        while place < end {
            let next = character(place)
            guard next.kind == kind else { return place }
            place += next.length
        }
        return place
    }

    /// Where the word ends that begins at `start`.
    ///
    /// - Parameters:
    ///   - end: of the text, or of what is known of it.
    ///   - isWhole: whether the text ends there.
    /// - Returns: nil where what follows decides.
    func end(from start: Int, to end: Int, isWhole: Bool) -> Int? {
        // What is looked at besides runs of characters: a contraction, or a character and the next one.
        guard isWhole || end - start >= 8 else { return nil }
        let found: Int
        switch pattern {
        case .none: found = end
        case .gpt2: found = gpt2(start, end)
        case .gpt4(let digits): found = gpt4(start, end, digits, isWhole)
        }
        return found < end || isWhole ? found : nil
    }

    /// Returns `end` where the word may go on behind it.
    private func gpt2(_ start: Int, _ end: Int) -> Int {
        let first = text[start]
        if first == Self.apostrophe, let found = contraction(start, end, ignoresCase: false) { return found }
        var (kind, length) = character(start)
        if first == Self.space, start + 1 < end {
            let next = character(start + 1)
            if next.kind != CharacterClass.space { (kind, length) = (next.kind, 1 + next.length) }
        }
        guard kind == CharacterClass.space else { return run(of: kind, from: start + length, to: end) }
        return blanks(start, end)
    }

    private func gpt4(_ start: Int, _ end: Int, _ digits: Int, _ isWhole: Bool) -> Int {
        let first = text[start]
        if first == Self.apostrophe, let found = contraction(start, end, ignoresCase: true) { return found }
        let (kind, length) = character(start)
        let next = start + length < end ? character(start + length) : nil
        if kind == CharacterClass.letter { return run(of: kind, from: start + length, to: end) }
        if kind == CharacterClass.number {
            var place = start + length
            for _ in 1..<digits where place < end {
                let digit = character(place)
                guard digit.kind == kind else { break }
                place += digit.length
            }
            return place
        }
        if !isLineEnd(first), let next, next.kind == CharacterClass.letter {
            return run(of: next.kind, from: start + length + next.length, to: end)
        }
        let hasSpace = first == Self.space && next?.kind == CharacterClass.other
        if kind == CharacterClass.other || hasSpace {
            var place = run(of: CharacterClass.other, from: hasSpace ? start + 1 : start, to: end)
            while place < end, isLineEnd(text[place]) { place += 1 }
            return place
        }
        let all = run(of: CharacterClass.space, from: start, to: end)
        var place = all
        // The last end of a line in white space; what follows is a word of its own.
        while place > start, !isLineEnd(text[place - 1]) { place -= 1 }
        if all == end, !isWhole { return end }
        return place > start ? place : blanks(start, end)
    }

    @inline(__always)
    private func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    /// White space, without its last character where something else follows it and it has several.
    private func blanks(_ start: Int, _ end: Int) -> Int {
        var place = start
        var last = start
        while place < end {
            let next = character(place)
            guard next.kind == CharacterClass.space else { return last > start ? last : place }
            last = place
            place += next.length
        }
        return end
    }

    /// Where `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` ends; nil for anything else. The long s is an s where case is ignored.
    private func contraction(_ start: Int, _ end: Int, ignoresCase: Bool) -> Int? {
        guard start + 1 < end else { return nil }
        let mask: UInt8 = ignoresCase ? 0x20 : 0
        func letter(_ place: Int) -> UInt8 {
            let byte = text[place]
            return byte >= 0x40 && byte < 0x80 ? byte | mask : byte
        }
        switch letter(start + 1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < end && letter(start + 2) == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"): return start + 2 < end && letter(start + 2) == UInt8(ascii: "l") ? start + 3 : nil
        case 0xC5 where ignoresCase: return text[start + 2] == 0xBF ? start + 3 : nil
        default: return nil
        }
    }
}
