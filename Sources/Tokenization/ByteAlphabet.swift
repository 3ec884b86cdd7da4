/// The characters that stand for bytes in the files of byte-level tokenizers: printable ones stand for themselves, the others are
/// U+0100 and what follows, in the order of the bytes (Radford et al., GPT-2's `encoder.py`).
enum ByteAlphabet {
    /// The character of each byte.
    static let characters: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256).map { byte in
            let isItself = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
            if isItself { return UInt32(byte) }
            defer { next += 1 }
            return next
        }
    }()

    /// The byte that a character stands for; nil for any other.
    static func byte(of character: UInt32) -> UInt8? {
        guard character < places.count else { return nil }
        let place = places[Int(character)]
        return place < 0 ? nil : UInt8(place)
    }

    private static let places: [Int16] = {
        var places = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { places[Int(character)] = Int16(byte) }
        return places
    }()

    /// The bytes that a token of a file stands for; nil where one of its characters stands for none, or it isn't UTF-8.
    static func bytes(of token: some Collection<UInt8>) -> [UInt8]? {
        guard let text = String(validating: token, as: UTF8.self) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(token.count)
        for scalar in text.unicodeScalars {
            guard let byte = byte(of: scalar.value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// How a file writes a token.
    static func text(of bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes {
            guard let scalar = Unicode.Scalar(characters[Int(byte)]) else { preconditionFailure("a byte without a character") }
            text.append(scalar)
        }
        return String(text)
    }

    /// The bytes in the order of their characters.
    static let sorted: [UInt8] = (0...255).sorted { characters[Int($0)] < characters[Int($1)] }
}
