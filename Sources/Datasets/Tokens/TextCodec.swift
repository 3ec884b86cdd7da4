import Diagnostics
import Tokenization

/// Text as the tokens that a network was trained on, and back: for files of text, and for whoever lets a network write.
package struct TextCodec: Sendable {
    private enum Kind: Sendable {
        case characters([UInt32], places: [UInt32: Int32])
        case bytes
        case tokenizer(Tokenizer)
        case numbers
    }

    /// How many different tokens there are.
    package let kinds: Int
    private let kind: Kind

    /// - Parameter tokenizer: where the `tokenizer.json` lies; nil for where it lay when training began. A network that was trained on
    ///   numbers of tokens has none, and may be given one.
    /// - Throws: 66 where it isn't there, 65 where it isn't the one that the network was trained with, as its SHA-256 tells, or has more
    ///   tokens than the network.
    package init(_ schema: TextSchema, tokenizer path: String? = nil) throws {
        kinds = schema.kinds
        switch schema.vocabulary {
        case .characters(let characters):
            kind = .characters(
                characters, places: Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, Int32($0)) }))
        case .bytes: kind = .bytes
        case .tokenizer(let first, let digest, _):
            let path = path ?? first
            let tokenizer = try TokenizerFile.read(path: path)
            guard tokenizer.digest == digest else {
                throw TextSchema.otherTokenizer(path, tokenizer.digest, expected: digest)
            }
            kind = .tokenizer(tokenizer)
        case .numbers(let count):
            guard let path else {
                kind = .numbers
                return
            }
            let tokenizer = try TokenizerFile.read(path: path)
            guard tokenizer.count <= count else {
                throw Failure(.badData, "\(path): \(tokenizer.count) tokens, but the network was trained on \(count)")
            }
            kind = .tokenizer(tokenizer)
        }
    }

    /// Whether tokens stand for text; otherwise only their numbers are known.
    package var knowsText: Bool { if case .numbers = kind { false } else { true } }

    /// The tokens of a text.
    ///
    /// - Parameter name: what messages call the text.
    /// - Throws: 65 for what can't be encoded: a character that training didn't meet, a byte without a token; 78 where only numbers are
    ///   known.
    package func encode(_ text: String, name: String) throws -> [Int32] {
        switch kind {
        case .bytes: return text.utf8.map { Int32($0) }
        case .characters(let characters, let places):
            var line = 1
            var column = 1
            return try text.unicodeScalars.map { scalar in
                guard let token = places[scalar.value] else {
                    throw Failure(
                        .badData,
                        "\(name):\(line):\(column): the character \"\(Character(scalar))\" "
                            + "doesn't occur in the training text, of \(characters.count) different ones; take it out")
                }
                (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
                return token
            }
        case .tokenizer(let tokenizer):
            var encoder = TokenEncoder(tokenizer, name: name)
            var text = text
            try text.withUTF8 { try encoder.add(UnsafeRawBufferPointer($0)) }
            return try encoder.finish()
        case .numbers:
            throw Failure(
                .badConfiguration,
                "\(name): the network was trained on numbers of tokens, not on text; name the tokenizer that made them")
        }
    }

    /// The bytes of UTF-8 that a token stands for; none where only its number is known.
    /// - Precondition: there is such a token.
    package func bytes(of token: Int32) -> ArraySlice<UInt8> {
        precondition(token >= 0 && Int(token) < kinds, "token \(token) of \(kinds)")
        switch kind {
        case .bytes: return [UInt8(token)]
        case .characters(let characters, _):
            guard let scalar = Unicode.Scalar(characters[Int(token)]) else { preconditionFailure("no code point: \(token)") }
            return Array(String(Character(scalar)).utf8)[...]
        case .tokenizer(let tokenizer): return Int(token) < tokenizer.count ? tokenizer.bytes(of: token) : []
        case .numbers: return []
        }
    }

    /// Whether a token is a mark between texts, and no text itself.
    func isSpecial(_ token: Int32) -> Bool {
        if case .tokenizer(let tokenizer) = kind { Int(token) < tokenizer.count && tokenizer.isSpecial(token) } else { false }
    }

    /// Turns tokens that come one by one into whole characters.
    package var decoder: TokenDecoder { TokenDecoder { bytes(of: $0) } }

    /// The text of tokens, or their numbers with blanks between them where only these are known.
    package func text(of tokens: some Sequence<Int32>) -> String {
        guard knowsText else { return tokens.map(String.init).joined(separator: " ") }
        return String(decoding: tokens.flatMap { bytes(of: $0) }, as: UTF8.self)
    }

    /// The number of a token that a tokenizer has besides text, such as `<|endoftext|>`; nil where there is none of that name.
    package func addedToken(_ name: String) -> Int32? {
        if case .tokenizer(let tokenizer) = kind { tokenizer.addedToken(name) } else { nil }
    }

    // MARK: - Files

    /// The tokens of a file of text, in as few bytes each as hold them all.
    /// - Throws: as `encode`, and 71 where memory doesn't suffice.
    func store(ofText path: String) throws -> TokenStore {
        switch kind {
        case .characters: return TokenStore(.wide(try encode(String(try Self.scalars(of: path)), name: path)), kinds: kinds)
        case .bytes:
            var tokens: [UInt8] = []
            try TextPieces.forEach(in: path) { piece in
                tokens.append(contentsOf: piece)
                try TextPieces.requireMemory(for: tokens, grownBy: piece.count, path: path)
            }
            return TokenStore(.bytes(tokens), kinds: kinds)
        case .tokenizer(let tokenizer):
            if TokenWidth(tokenCount: tokenizer.count) == .two {
                var tokens: [UInt16] = []
                try Self.encode(path, tokenizer) { found in
                    tokens.append(contentsOf: found.lazy.map { UInt16(truncatingIfNeeded: $0) })
                    try TextPieces.requireMemory(for: tokens, grownBy: found.count, path: path)
                }
                return TokenStore(.narrow(tokens), kinds: kinds, tokenizer: tokenizer.digest)
            }
            var tokens: [Int32] = []
            try Self.encode(path, tokenizer) { found in
                tokens.append(contentsOf: found)
                try TextPieces.requireMemory(for: tokens, grownBy: found.count, path: path)
            }
            return TokenStore(.wide(tokens), kinds: kinds, tokenizer: tokenizer.digest)
        case .numbers: return TokenStore(.wide(try encode("", name: path)), kinds: kinds)
        }
    }

    private static func encode(_ path: String, _ tokenizer: Tokenizer, _ body: (UnsafeBufferPointer<Int32>) throws -> Void)
        throws
    {
        var encoder = TokenEncoder(tokenizer, name: path)
        try TextPieces.forEach(in: path) { piece in
            try encoder.add(piece)
            try encoder.drain(body)
        }
        try encoder.finish().withUnsafeBufferPointer(body)
    }

    /// The code points of a file, without a byte order mark.
    static func scalars(of path: String) throws -> String.UnicodeScalarView {
        let bytes = try SourceFile(path: path).readText(expected: "text")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let place = bytes.withUnsafeBufferPointer { UTF8Validation.end(of: $0, from: 0) }
            throw Failure(
                .badData, "\(path): not text in UTF-8: byte \(place) is part of no character; convert it (iconv -t UTF-8)")
        }
        let scalars = text.unicodeScalars
        return scalars.first == "\u{FEFF}" ? String.UnicodeScalarView(scalars.dropFirst()) : scalars
    }
}
