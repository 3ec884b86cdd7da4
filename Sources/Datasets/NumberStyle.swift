/// How a file writes numbers: its decimal mark, and what may stand between groups of digits.
struct NumberStyle: Hashable, Sendable {
    /// "." or ",".
    let decimal: String
    /// One character, or nothing.
    let thousands: String
    private let decimalByte: UInt8
    private let separator: [UInt8]
    /// Whether numbers are written as programming languages have them.
    private let isPlain: Bool

    /// 1234.5
    static let plain = NumberStyle(decimal: ".", thousands: "")

    init(decimal: String, thousands: String) {
        self.decimal = decimal
        self.thousands = thousands
        decimalByte = decimal.utf8.first ?? UInt8(ascii: ".")
        separator = Array(thousands.utf8)
        isPlain = decimal == "." && thousands.isEmpty
    }

    /// The number that `bytes[range]` spells, or nil.
    ///
    /// A separator stands between digits of the whole part only. The last group has three digits, the first one to
    /// three, those between three or (1,00,000) two: what looks like 1,5 is a decimal mark in the wrong place, not 15.
    func parse(_ bytes: [UInt8], _ range: Range<Int>) -> Double? {
        if isPlain { return DecimalNumber.parse(bytes, range) }
        var plain: [UInt8] = []
        plain.reserveCapacity(range.count)
        var i = range.lowerBound
        var groups: [Int] = []
        var digits = 0
        var isWholePart = true
        while i < range.upperBound {
            let byte = bytes[i]
            if isWholePart, !separator.isEmpty, range.upperBound - i >= separator.count,
                bytes[i..<i + separator.count].elementsEqual(separator)
            {
                groups.append(digits)
                digits = 0
                i += separator.count
                continue
            }
            if byte == decimalByte, isWholePart {
                plain.append(UInt8(ascii: "."))
                isWholePart = false
            } else if byte &- 48 < 10 {
                if isWholePart { digits += 1 }
                plain.append(byte)
            } else if byte == UInt8(ascii: ".") {
                return nil
            } else {
                if byte | 0x20 == UInt8(ascii: "e") { isWholePart = false }
                plain.append(byte)
            }
            i += 1
        }
        if let first = groups.first {
            guard digits == 3, (1...3).contains(first), groups.dropFirst().allSatisfy({ 2...3 ~= $0 }) else { return nil }
        }
        return DecimalNumber.parse(plain, 0..<plain.count)
    }

    /// The number that a text spells, or nil.
    func parse(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        return parse(bytes, 0..<bytes.count)
    }
}
