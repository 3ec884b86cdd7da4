import Diagnostics

extension Preprocessing {
    /// What tokens stand for, in their order, for a person to read: their text, or their bytes as `\xE9` where they are part of a
    /// character alone; empty for those that stand for nothing. Nil where samples are no tokens, or only their numbers are known.
    ///
    /// - Parameters:
    ///   - most: names of later tokens aren't made.
    ///   - tokenizer: as in `TextCodec`.
    /// - Throws: as `TextCodec`.
    package func tokenNames(most: Int, tokenizer: String? = nil) throws -> [String]? {
        if let text {
            let codec = try TextCodec(text, tokenizer: tokenizer)
            guard codec.knowsText else { return nil }
            return (0..<Int32(clamping: min(codec.kinds, most))).map { Self.name(codec.bytes(of: $0)) }
        }
        guard let vocabulary = texts?.vocabulary else { return nil }
        // Padding, and what is unknown.
        var names = [String](repeating: "", count: Int(TokenRule.first))
        switch vocabulary {
        case .words(let words): names += words
        case .characters(let characters): names += characters.map { Unicode.Scalar($0).map { String(Character($0)) } ?? "" }
        case .bytes: names = [""] + (0...UInt8.max).map { Self.name([$0]) }
        }
        return Array(names.prefix(most))
    }

    private static func name(_ bytes: some Collection<UInt8>) -> String {
        String(validating: bytes, as: UTF8.self)
            ?? bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
    }
}
