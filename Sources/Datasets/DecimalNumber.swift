/// Reads decimal numbers from bytes, exactly as `Double(_:)` would, but much faster where they are short.
package enum DecimalNumber {
    /// The number that `bytes[range]` spells (`-12.5e3`; also `inf`, which is infinite), or nil. Neither hexadecimal
    /// nor blanks nor separators.
    package static func parse(_ bytes: [UInt8], _ range: Range<Int>) -> Double? {
        var i = range.lowerBound
        let end = range.upperBound
        guard i < end else { return nil }
        let isNegative = bytes[i] == UInt8(ascii: "-")
        if isNegative || bytes[i] == UInt8(ascii: "+") { i += 1 }
        var mantissa: UInt64 = 0
        var digits = 0
        var significant = 0
        var exponent = 0
        while i < end {
            let digit = bytes[i] &- 48
            guard digit < 10 else { break }
            // After 19 digits the mantissa is not used any more.
            mantissa = mantissa &* 10 &+ UInt64(digit)
            if mantissa > 0 { significant += 1 }
            digits += 1
            i += 1
        }
        if i < end, bytes[i] == UInt8(ascii: ".") {
            i += 1
            while i < end {
                let digit = bytes[i] &- 48
                guard digit < 10 else { break }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                if significant > 0 || digit > 0 { significant += 1 }
                digits += 1
                exponent -= 1
                i += 1
            }
        }
        guard digits > 0 else { return infinity(bytes, i..<end, isNegative) }
        if i < end {
            guard bytes[i] | 0x20 == UInt8(ascii: "e"),
                let written = self.exponent(bytes, i + 1..<end)
            else { return nil }
            exponent += written
        }
        // Both factors are exact, so the one rounding of the product or quotient is the right one (Clinger 1990).
        if significant <= 19, mantissa <= 1 << 53, exponent.magnitude < UInt(powers.count) {
            let magnitude = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
            return isNegative ? -magnitude : magnitude
        }
        return Double(String(decoding: bytes[range], as: UTF8.self))
    }

    /// A signed whole number, kept so small that sums of it don't overflow.
    private static func exponent(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
        var i = range.lowerBound
        var value = 0
        guard i < range.upperBound else { return nil }
        let isNegative = bytes[i] == UInt8(ascii: "-")
        if isNegative || bytes[i] == UInt8(ascii: "+") { i += 1 }
        guard i < range.upperBound else { return nil }
        while i < range.upperBound {
            let digit = bytes[i] &- 48
            guard digit < 10 else { return nil }
            value = min(value * 10 + Int(digit), 1_000_000)
            i += 1
        }
        return isNegative ? -value : value
    }

    private static func infinity(_ bytes: [UInt8], _ range: Range<Int>, _ isNegative: Bool) -> Double? {
        let word = String(decoding: bytes[range], as: UTF8.self).lowercased()
        return word == "inf" || word == "infinity" ? (isNegative ? -Double.infinity : .infinity) : nil
    }

    /// The powers of ten that Double holds exactly.
    private static let powers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22
    ]
}
