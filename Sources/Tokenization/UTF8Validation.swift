/// Whether bytes are UTF-8 (RFC 3629).
package enum UTF8Validation {
    /// How far a text is UTF-8 whose characters before `start` are.
    package static func end(of text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var place = start
        let count = text.count
        while place < count {
            let first = text[place]
            if first < 0x80 {
                place += 1
                continue
            }
            guard let length = length(first), place + length <= count, isTail(text[place...].prefix(length)) else {
                return place
            }
            place += length
        }
        return place
    }

    /// Whether bytes are the beginning of a character that isn't complete.
    package static func isBeginning(_ bytes: some Collection<UInt8>) -> Bool {
        guard let first = bytes.first, let length = length(first) else { return false }
        return bytes.count < length && isTail(bytes)
    }

    /// The bytes of a character that begins with this one; nil where none does.
    private static func length(_ first: UInt8) -> Int? {
        switch first {
        case 0x00...0x7F: 1
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: nil
        }
    }

    /// Whether what follows the first byte may follow it.
    private static func isTail(_ bytes: some Collection<UInt8>) -> Bool {
        guard let first = bytes.first else { return false }
        for (index, byte) in bytes.dropFirst().enumerated() {
            let allowed: ClosedRange<UInt8> =
                switch (index, first) {
                case (0, 0xE0): 0xA0...0xBF
                case (0, 0xED): 0x80...0x9F
                case (0, 0xF0): 0x90...0xBF
                case (0, 0xF4): 0x80...0x8F
                default: 0x80...0xBF
                }
            guard allowed.contains(byte) else { return false }
        }
        return true
    }
}
