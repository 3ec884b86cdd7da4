/// Text as a cell of a CSV file (RFC 4180).
package enum CSVText {
    /// `text` so that every reader gets it back, whatever it holds: in quotation marks where it holds a comma, a mark or a
    /// line end, or where blanks stand at its ends, which some readers take away.
    package static func cell(_ text: String) -> String {
        // Bytes, not characters: CR LF is one character, and so is a comma with an accent behind it.
        let blanks: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\t")]
        let isPlain =
            !text.utf8.contains { [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D].contains($0) }
            && !(text.utf8.first.map(blanks.contains) ?? false) && !(text.utf8.last.map(blanks.contains) ?? false)
        guard !isPlain else { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" { quoted.unicodeScalars.append(scalar) }
            quoted.unicodeScalars.append(scalar)
        }
        quoted.unicodeScalars.append("\"")
        return quoted
    }
}
