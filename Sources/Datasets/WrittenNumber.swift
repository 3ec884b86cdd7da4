/// A text that a person may mean as a number, taken apart: the digits, and what stands around them. For messages that
/// say why a column isn't read as numbers, not for reading.
struct WrittenNumber {
    /// What stands around the digits, as a message shows it; nil for nothing.
    let sign: String?
    /// Whether `sign` is letters, a unit; those can be part of a category (3rd, 5k) as well.
    let hasUnit: Bool
    /// The digits with their marks.
    let digits: String

    /// Longer texts are not looked at.
    private static let mostScalars = 64

    private static let currencies = ["USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "US$", "R$", "A$", "C$", "Rs.", "Rs"]

    /// What typesetters write for "-".
    static let minusSigns: Set<String> = ["\u{2212}", "\u{2013}", "\u{FF0D}"]

    init?(_ text: String) {
        guard text.unicodeScalars.count <= Self.mostScalars else { return nil }
        var rest = Self.trimmed(Substring(text).unicodeScalars)
        var sign: String?
        var hasUnit = false
        if rest.first == "(", rest.last == ")" {
            sign = "( )"
            rest = Self.trimmed(rest.dropFirst().dropLast())
        }
        if let currency = Self.currencies.first(where: { String(rest).hasPrefix($0) }) {
            sign = currency
            rest = Self.trimmed(rest.dropFirst(currency.unicodeScalars.count))
        }
        var minus = ""
        while let first = rest.first {
            if first.properties.generalCategory == .currencySymbol {
                sign = String(first)
            } else if Self.minusSigns.contains(String(first)) {
                sign = String(first)
                minus = "-"
            } else if first == "-" || first == "+" {
                minus = String(first)
            } else {
                break
            }
            rest = Self.trimmed(rest.dropFirst())
        }
        guard let last = rest.lastIndex(where: { ("0"..."9").contains($0) }) else { return nil }
        let end = rest.index(after: last)
        let tail = Self.trimmed(rest[end...])
        if !tail.isEmpty, String(tail) != ".", String(tail) != "," {
            guard tail.count <= 4, tail.allSatisfy(Self.followsNumbers) else { return nil }
            hasUnit = tail.allSatisfy { $0.properties.isAlphabetic }
            sign = String(tail)
            rest = rest[..<end]
        }
        self.sign = sign
        self.hasUnit = hasUnit
        digits = minus + String(rest)
    }

    private static func followsNumbers(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isAlphabetic || scalar.properties.generalCategory == .currencySymbol
            || "%‰°²³µ".unicodeScalars.contains(scalar)
    }

    private static func trimmed(_ text: Substring.UnicodeScalarView) -> Substring.UnicodeScalarView {
        var text = text
        while let first = text.first, first.properties.isWhitespace { text.removeFirst() }
        while let last = text.last, last.properties.isWhitespace { text.removeLast() }
        return text
    }

    /// Whether a text is a word for nothing.
    static func isMissingMarker(_ text: String) -> Bool {
        text.utf8.count <= 16 && missingMarkers.contains(text.lowercased())
    }

    private static let missingMarkers: Set<String> = [
        "none", "nil", "na", "n/a", "n.a.", "n.a", "n/d", "nd", "nan", "-nan", "null", "-", "--", "---", ".", "..", "...",
        "?", "??", "*", "#n/a", "#na", "<na>", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "1.#ind", "-1.#ind",
        "1.#qnan", "-1.#qnan", "missing", "unknown", "undefined", "\\n", "void", "tbd", "no data", "not available",
        "(null)", "(none)", "(blank)", "blank", "—", "–"
    ]
}
