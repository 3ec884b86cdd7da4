/// What tells characters apart where texts are cut into words.
enum CharacterClass {
    /// Punctuation, marks, symbols, controls, and what isn't assigned.
    static let other: UInt8 = 0
    /// `\p{L}`.
    static let letter: UInt8 = 1
    /// `\p{N}`.
    static let number: UInt8 = 2
    /// `\s`: Unicode's White_Space.
    static let space: UInt8 = 3

    /// The class of each code point. A table of our own, so that neither the version of Swift nor that of the system shows in
    /// tokens.
    static let table: [UInt8] = {
        var table = [UInt8](repeating: other, count: 0x110000)
        for (ranges, kind) in [(letterRanges, letter), (numberRanges, number), (spaceRanges, space)] {
            for place in stride(from: 0, to: ranges.count, by: 2) {
                for code in Int(ranges[place])..<Int(ranges[place + 1]) { table[code] = kind }
            }
        }
        return table
    }()

    static let spaceRanges: [UInt32] = [
        0x09, 0x0E, 0x20, 0x21, 0x85, 0x86, 0xA0, 0xA1, 0x1680, 0x1681, 0x2000, 0x200B, 0x2028, 0x202A, 0x202F, 0x2030, 0x205F,
        0x2060, 0x3000, 0x3001
    ]
}
