import Diagnostics
import Settings

/// How the text of one table is written: what a configuration says of a file beside its columns.
struct CSVFormat: Hashable, Sendable {
    var delimiter = CSVDelimiter.comma
    /// Whether the first line that isn't skipped names the columns.
    var header = true
    /// Whether quotation marks hold cells together; else they are characters like any other.
    var quotes = true
    /// How many lines in front are passed over.
    var skipLines = 0
    var numbers = NumberStyle.plain
    /// The cells that count as missing beside empty ones, as they are written; nil for the usual ones: NA, N/A, NaN and
    /// null in any case, and ?, all without quotation marks.
    var missingValues: [String]?
    /// The character that makes the rest of a line a comment; nil for none.
    var comment: String?
    /// Whether a category that the training data don't have counts as none of theirs, instead of being refused.
    var ignoresUnknownCategories = false

    /// What contradicts itself; nil if nothing does. The key is the option to change.
    var contradiction: (key: String, text: String)? {
        if numbers.thousands == numbers.decimal {
            return ("thousands", "\"\(numbers.decimal)\" is also the decimal mark")
        }
        if delimiter == .blanks, numbers.thousands == " " {
            return ("thousands", "a space is also the delimiter")
        }
        if let comment, delimiter.text == comment || delimiter == .blanks && comment == " " {
            return ("comment", "\"\(comment)\" is also the delimiter")
        }
        return nil
    }

    /// Whether nothing stands in a cell: it is empty, or one of the markers.
    func isMissing(_ cell: CSVScanner.Cell, in scanner: CSVScanner) -> Bool {
        if cell.range.isEmpty { return true }
        if let missingValues { return missingValues.contains { scanner.bytes[cell.range].elementsEqual($0.utf8) } }
        guard !cell.isQuoted, cell.range.count <= 4 else { return false }
        if cell.range.count == 1 { return scanner.bytes[cell.range.lowerBound] == UInt8(ascii: "?") }
        let word = String(decoding: scanner.bytes[cell.range], as: UTF8.self).lowercased()
        return ["na", "n/a", "nan", "null"].contains(word)
    }
}

/// What stands between the cells of a row.
enum CSVDelimiter: Hashable, Sendable {
    /// One or more spaces or tabs.
    case blanks
    case character(String)

    static let comma = CSVDelimiter.character(","), semicolon = CSVDelimiter.character(";")
    static let tab = CSVDelimiter.character("\t")

    /// The delimiter that a configuration spells: one character, `tab` or `space`; nil for anything else.
    init?(_ written: String) {
        switch written {
        case "space", " ": self = .blanks
        case "tab", "\t", "\\t": self = .tab
        default:
            guard isOneCharacter(written) else { return nil }
            self = .character(written)
        }
    }

    /// As a configuration spells it.
    var name: String {
        switch self {
        case .blanks: "space"
        case .character("\t"): "tab"
        case .character(let text): text
        }
    }

    /// The character itself; a blank for runs of blanks.
    var text: String {
        switch self {
        case .blanks: " "
        case .character(let text): text
        }
    }
}

/// Whether a text can be the delimiter, or begin a comment: one character that means nothing else in a table.
private func isOneCharacter(_ text: String) -> Bool {
    text.unicodeScalars.count == 1 && !text.utf8.contains { [0x0A, 0x0D, 0x22, 0].contains($0) }
}

/// Whether a text can stand between groups of digits.
private func separatesDigits(_ text: String) -> Bool {
    isOneCharacter(text) && !text.contains { $0.isNumber || "+-eE".contains($0) }
}

// MARK: - Configuration

extension CSVFormat {
    /// Reads the options of one file; what is left out is as in `base`.
    init(_ section: Settings, base: CSVFormat = CSVFormat()) throws {
        header = try section.bool("header", default: base.header)
        quotes = try section.bool("quotes", default: base.quotes)
        skipLines = try section.int("skip_lines", default: base.skipLines)
        let written = try section.string("delimiter", default: base.delimiter.name)
        guard let delimiter = CSVDelimiter(written) else {
            throw section.failure(
                "delimiter",
                "expected one character, tab or space (runs of blanks), found "
                    + "\"\(written.prefix(20))\"\(Self.quotingAdvice(written))")
        }
        self.delimiter = delimiter
        numbers = NumberStyle(
            decimal: try section.choice("decimal", of: [".", ","], default: base.numbers.decimal),
            thousands: try Self.character("thousands", section, separatesDigits) ?? base.numbers.thousands)
        missingValues = try section.optionalStrings("missing_values") ?? base.missingValues
        comment = try Self.character("comment", section, isOneCharacter) ?? base.comment
        ignoresUnknownCategories =
            try section.choice(
                "unknown_category", of: ["error", "ignore"],
                default: base.ignoresUnknownCategories ? "ignore" : "error")
            == "ignore"
        if let (key, text) = contradiction { throw section.failure(key, text + "; leave out one of the two") }
    }

    private static func character(_ key: String, _ section: Settings, _ isFit: (String) -> Bool) throws -> String? {
        guard let written = try section.optionalString(key) else { return nil }
        let character = written == "space" ? " " : written
        guard isFit(character) else {
            throw section.failure(
                key,
                "expected one character\(key == "thousands" ? " that is neither a digit nor a sign" : ""), "
                    + "found \"\(written.prefix(20))\"\(quotingAdvice(written))")
        }
        return character
    }

    /// YAML takes some characters for its own.
    private static func quotingAdvice(_ written: String) -> String {
        written.isEmpty ? "; write it in quotation marks (\"|\")" : ""
    }
}

// MARK: - Checkpoints

extension CSVFormat: Codable {
    private enum CodingKeys: String, CodingKey {
        case delimiter, header, quotes, skipLines, decimal, thousands, missingValues, comment, ignoresUnknownCategories
    }

    /// Checks what it reads. Keys that older checkpoints don't have may be missing.
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let written = try values.decode(String.self, forKey: .delimiter)
        header = try values.decode(Bool.self, forKey: .header)
        quotes = try values.decodeIfPresent(Bool.self, forKey: .quotes) ?? true
        skipLines = try values.decode(Int.self, forKey: .skipLines)
        let decimal = try values.decodeIfPresent(String.self, forKey: .decimal) ?? "."
        let thousands = try values.decodeIfPresent(String.self, forKey: .thousands) ?? ""
        numbers = NumberStyle(decimal: decimal, thousands: thousands)
        missingValues = try values.decodeIfPresent([String].self, forKey: .missingValues)
        comment = try values.decodeIfPresent(String.self, forKey: .comment)
        ignoresUnknownCategories = try values.decodeIfPresent(Bool.self, forKey: .ignoresUnknownCategories) ?? false
        guard let delimiter = CSVDelimiter(written), skipLines >= 0, [".", ","].contains(decimal),
            thousands.isEmpty || separatesDigits(thousands), comment.map(isOneCharacter) ?? true
        else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "an impossible table format"))
        }
        self.delimiter = delimiter
        if let (key, text) = contradiction {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "\(key): \(text)"))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(delimiter.name, forKey: .delimiter)
        try values.encode(header, forKey: .header)
        try values.encode(quotes, forKey: .quotes)
        try values.encode(skipLines, forKey: .skipLines)
        try values.encode(numbers.decimal, forKey: .decimal)
        try values.encode(numbers.thousands, forKey: .thousands)
        try values.encodeIfPresent(missingValues, forKey: .missingValues)
        try values.encodeIfPresent(comment, forKey: .comment)
        try values.encode(ignoresUnknownCategories, forKey: .ignoresUnknownCategories)
    }
}
