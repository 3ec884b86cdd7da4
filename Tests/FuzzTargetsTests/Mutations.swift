/// Damages files at random, the same way in every run: without libFuzzer and the build that it wants, a few of the files that
/// `launch/fuzz.sh` would try.
struct Mutations {
    private let seeds: [[UInt8]]
    private let largestInput: Int
    private var state: UInt64

    init(of seeds: [[UInt8]], largestInput: Int, number: UInt64) {
        precondition(!seeds.isEmpty, "nothing to damage")
        self.seeds = seeds
        self.largestInput = largestInput
        state = number
    }

    /// What lengths, counts and offsets aren't expected to be.
    private static let extremes: [UInt64] = [
        0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 53, 1 << 62,
        1 << 63 - 1, 1 << 63, .max
    ]

    /// What texts aren't expected to hold.
    private static let words: [String] = [
        "", "0", "-1", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e999", "-0.0", "nan", "inf",
        "1e-320",
        "0x10", "1_0", "null", "true", "~", "[]", "{}", "[[[[[[[[", "&a", "*a", "<<: *a", "!!int", "\"", "'", ",", ":", "\n",
        "\r\n", "\t", "\\u0000",
        "\u{FEFF}", "\u{202E}", "\u{661}", "\u{1F600}", "2020-02-30", "0000-00-00", "@data", "?", "#", "%"
    ]

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    private mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((word ^ word >> 31) % UInt64(bound))
    }

    /// Part of a file, of up to `most` bytes.
    private mutating func part(of bytes: [UInt8], most: Int) -> Range<Int> {
        let start = below(bytes.count + 1)
        return start..<min(bytes.count, start + 1 + below(most))
    }

    mutating func next() -> [UInt8] {
        var bytes = seeds[below(seeds.count)]
        for _ in 0...below(4) { damage(&bytes) }
        return Array(bytes.prefix(largestInput))
    }

    private mutating func damage(_ bytes: inout [UInt8]) {
        switch below(9) {
        case 0 where !bytes.isEmpty: bytes[below(bytes.count)] ^= 1 << below(8)
        case 1 where !bytes.isEmpty: bytes[below(bytes.count)] = UInt8(below(256))
        case 2: bytes.removeSubrange(part(of: bytes, most: 16))
        case 3: bytes.removeLast(below(bytes.count + 1))
        case 4: bytes.insert(contentsOf: bytes[part(of: bytes, most: 64)], at: below(bytes.count + 1))
        case 5:
            let other = seeds[below(seeds.count)]
            bytes.replaceSubrange(part(of: bytes, most: 32), with: other[part(of: other, most: 64)])
        case 6:
            let size = 1 << below(4)
            var number = Self.extremes[below(Self.extremes.count)]
            if below(2) == 0 { number = number.byteSwapped >> UInt64(64 - 8 * size) }
            let start = below(bytes.count + 1)
            for place in start..<min(bytes.count, start + size) {
                bytes[place] = UInt8(truncatingIfNeeded: number)
                number >>= 8
            }
        case 7:
            // A number, or a word, as a whole.
            let isWord = { (byte: UInt8) in (0x2D...0x39).contains(byte) || (0x41...0x7A).contains(byte) }
            guard let start = bytes[below(bytes.count + 1)...].firstIndex(where: isWord) else { return }
            let end = bytes[start...].firstIndex { !isWord($0) } ?? bytes.count
            bytes.replaceSubrange(start..<end, with: Self.words[below(Self.words.count)].utf8)
        default: bytes.insert(contentsOf: Self.words[below(Self.words.count)].utf8, at: below(bytes.count + 1))
        }
    }
}
