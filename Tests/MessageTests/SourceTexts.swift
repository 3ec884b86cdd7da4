/// The texts in Swift source that people may read: string literals of several words, as templates. What is interpolated
/// is `{}`; literals that are added up are one text.
struct SourceTexts {
    private let source: [Character]
    private var index = 0
    private(set) var texts: [String] = []

    init(_ source: String) {
        self.source = Array(source)
        while let character = peek() {
            if starts(with: "//") {
                skip { $0 != "\n" }
            } else if starts(with: "/*") {
                skipComment()
            } else if starts(with: "\"\"\"") {
                // Configurations and other documents, not messages.
                index += 3
                while index < self.source.count, !starts(with: "\"\"\"") { index += 1 }
                index += 3
            } else if character == "\"" {
                add(readSum())
            } else {
                index += 1
            }
        }
    }

    /// Texts of at least three words.
    private mutating func add(_ text: String) {
        let words = text.split(separator: " ").filter { $0.contains(where: \.isLetter) }
        if words.count >= 3 { texts.append(text) }
    }

    /// A literal and those that are added to it with `+`.
    private mutating func readSum() -> String {
        var text = readLiteral()
        while true {
            let end = index
            skip { $0.isWhitespace }
            guard peek() == "+" else {
                index = end
                return text
            }
            index += 1
            skip { $0.isWhitespace }
            guard peek() == "\"", !starts(with: "\"\"\"") else {
                index = end
                return text
            }
            text += readLiteral()
        }
    }

    private mutating func readLiteral() -> String {
        var text = ""
        index += 1
        while let character = peek(), character != "\"" {
            index += 1
            guard character == "\\", let escaped = peek() else {
                text.append(character)
                continue
            }
            index += 1
            if escaped == "(" {
                readInterpolation()
                text += "{}"
            } else {
                text += escaped == "n" ? "⏎" : String(escaped)
            }
        }
        index += 1
        return text
    }

    /// To the closing parenthesis; literals inside are texts of their own.
    private mutating func readInterpolation() {
        var depth = 1
        while depth > 0, let character = peek() {
            if character == "\"" {
                add(readSum())
                continue
            }
            index += 1
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
        }
    }

    private mutating func skipComment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                index += 2
            } else if starts(with: "*/") {
                depth -= 1
                index += 2
            } else {
                index += 1
            }
        } while depth > 0 && index < source.count
    }

    private func peek() -> Character? { index < source.count ? source[index] : nil }

    private func starts(with text: String) -> Bool { source[index...].starts(with: text) }

    private mutating func skip(while holds: (Character) -> Bool) {
        while let character = peek(), holds(character) { index += 1 }
    }
}
