/// Text in colours, by the sequences of ECMA-48 (SGR). They only set off what the text says too.
enum Color {
    static func bold(_ text: String) -> String { "\u{1b}[1m\(text)\u{1b}[0m" }
    static func green(_ text: String) -> String { "\u{1b}[32m\(text)\u{1b}[0m" }

    /// How many columns a text takes that may have colours.
    static func width(of text: String) -> Int {
        var count = 0
        var isSequence = false
        for character in text {
            if character == "\u{1b}" {
                isSequence = true
            } else if !isSequence {
                count += 1
            } else if character == "m" {
                isSequence = false
            }
        }
        return count
    }
}
