/// How a labelled text is cut into tokens.
package struct TokenRule: Hashable, Codable, Sendable {
    /// What a token stands for.
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// Unicode code points.
        case characters
        /// The bytes of UTF-8.
        case bytes
        /// Runs of letters and digits, and every other visible character.
        case words
    }

    package let kind: Kind
    /// Whether capital letters count as small ones.
    package let lowercases: Bool

    /// The token behind the end of a text, and the token of what isn't in the vocabulary; bytes have no use for the second.
    static let padding: Int32 = 0, unknown: Int32 = 1
    /// The first token of a vocabulary, and of bytes.
    static let first: Int32 = 2, firstByte: Int32 = 1
    /// How many tokens texts of bytes are made of.
    static let byteKinds = 257

    /// What one token stands for, in a message.
    var unit: String { String(kind.rawValue.dropLast()) }

    /// A word is a run of letters and digits, marks on them included, with apostrophes inside ("don't"); every other visible
    /// character is a word of its own, as is an emoji of several code points. Blanks and control characters only separate.
    package static func forEachWord(in text: String, _ body: (Substring) -> Void) {
        var start: String.Index?
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            if isLetterOrDigit(character) {
                if start == nil { start = index }
            } else if start == nil || !isApostrophe(character) || next == text.endIndex || !isLetterOrDigit(text[next]) {
                if let begin = start { body(text[begin..<index]) }
                start = nil
                if isVisible(character) { body(text[index..<next]) }
            }
            index = next
        }
        if let start { body(text[start...]) }
    }

    /// What a character begins with decides: marks follow what they are set on.
    private static func isLetterOrDigit(_ character: Character) -> Bool {
        guard let scalar = character.unicodeScalars.first else { return false }
        if scalar.isASCII { return (scalar.value | 0x20) &- 97 < 26 || scalar.value &- 48 < 10 }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            return true
        default: return false
        }
    }

    private static func isApostrophe(_ character: Character) -> Bool { character == "'" || character == "\u{2019}" }

    private static func isVisible(_ character: Character) -> Bool {
        guard !character.isWhitespace, let scalar = character.unicodeScalars.first else { return false }
        return scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format
    }
}
