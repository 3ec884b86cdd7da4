/// JSON (RFC 8259) in a range of a file, read from front to back piece by piece.
///
/// Errors are a `Problem`, or the `Failure` of a file that can't be read.
package struct JSONReader {
    /// What is wrong with the text.
    package struct Problem: Error {
        package let text: String

        package init(text: String) { self.text = text }
    }

    private let input: InputFile
    private let end: Int
    private var piece: [UInt8] = []
    /// The place of the piece's first byte in the file, and of the next byte in the piece.
    private var pieceStart: Int
    private var next = 0

    private static let pieceBytes = 1 << 16
    /// Lists and objects within each other, where a value is passed over.
    private static let largestDepth = 64

    package init(_ input: InputFile, _ range: Range<Int>) {
        self.input = input
        end = range.upperBound
        pieceStart = range.lowerBound
    }

    /// The next byte; nil at the end.
    @inline(__always)
    private mutating func peek() throws -> UInt8? {
        if next < piece.count { return piece[next] }
        return try refill() ? piece[next] : nil
    }

    /// Reads the next piece; false at the end.
    @inline(never)
    private mutating func refill() throws -> Bool {
        let start = pieceStart + piece.count
        guard start < end else { return false }
        piece = try input.bytes(at: start, count: min(Self.pieceBytes, end - start))
        pieceStart = start
        next = 0
        return true
    }

    /// The next byte that is no white space.
    private mutating func peekToken() throws -> UInt8? {
        while let byte = try peek() {
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            next += 1
        }
        return nil
    }

    private func problem(_ expected: String) -> Problem {
        Problem(text: "it is not JSON: byte \(pieceStart + next) of the file isn't \(expected)")
    }

    /// Passes over a character.
    package mutating func expect(_ character: Unicode.Scalar) throws {
        guard try skips(character) else { throw problem("\"\(character)\"") }
    }

    /// Passes over a character if it is the next one.
    package mutating func skips(_ character: Unicode.Scalar) throws -> Bool {
        guard try peekToken() == UInt8(ascii: character) else { return false }
        next += 1
        return true
    }

    /// Whether a character is the next one.
    package mutating func begins(with character: Unicode.Scalar) throws -> Bool { try peekToken() == UInt8(ascii: character) }

    /// Makes sure that nothing follows.
    package mutating func expectEnd() throws {
        if try peekToken() != nil { throw problem("the end") }
    }

    /// A list; `element` reads each.
    package mutating func list(_ element: (inout JSONReader) throws -> Void) throws {
        try expect("[")
        if try skips("]") { return }
        repeat { try element(&self) } while try skips(",")
        try expect("]")
    }

    /// An object; `member` reads each value, whose key has at most `keyLimit` bytes.
    package mutating func object(keyLimit: Int, _ member: (inout JSONReader, String) throws -> Void) throws {
        try expect("{")
        if try skips("}") { return }
        repeat {
            let key = try string(limit: keyLimit)
            try expect(":")
            try member(&self, key)
        } while try skips(",")
        try expect("}")
    }

    /// A number without fraction and exponent that an `Int` holds.
    package mutating func wholeNumber() throws -> Int {
        let isNegative = try skips("-")
        guard let first = try isNegative ? peek() : peekToken(), Self.digits.contains(first) else {
            throw Problem(text: "expected a whole number")
        }
        var value = 0
        while let byte = try peek(), Self.digits.contains(byte) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte - Self.digits.lowerBound))
            guard !overflow, !carry else { throw Problem(text: "a number beyond 2⁶³") }
            guard value != 0 || first != Self.digits.lowerBound || sum == 0 else {
                throw Problem(text: "expected a whole number")
            }
            value = sum
            next += 1
        }
        if let byte = try peek(), byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            throw Problem(text: "expected a whole number")
        }
        return isNegative ? -value : value
    }

    private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

    /// A string of at most `limit` bytes.
    package mutating func string(limit: Int) throws -> String {
        var bytes: [UInt8] = []
        try string(limit: limit, into: &bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(text: "a string before byte \(pieceStart + next) of the file isn't UTF-8")
        }
        return text
    }

    /// Appends the bytes of a string, at most `limit`, which may not be UTF-8.
    package mutating func string(limit: Int, into bytes: inout [UInt8]) throws {
        let start = bytes.count
        try expect("\"")
        while true {
            guard let byte = try peek(), byte >= 0x20 else { throw problem("part of a string") }
            next += 1
            switch byte {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\"): bytes += try escaped()
            default: bytes.append(byte)
            }
            guard bytes.count - start <= limit else { throw Problem(text: "a string of more than \(limit) bytes") }
        }
    }

    /// What follows a backslash, as UTF-8.
    private mutating func escaped() throws -> [UInt8] {
        guard let byte = try peek() else { throw problem("an escape") }
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var value = try unit()
            // Characters beyond 2¹⁶ are two units of UTF-16.
            if (0xD800..<0xDC00).contains(value), try peek() == UInt8(ascii: "\\") {
                next += 1
                guard try peek() == UInt8(ascii: "u") else { throw problem("the second half of a character") }
                next += 1
                let low = try unit()
                guard (0xDC00..<0xE000).contains(low) else { throw problem("the second half of a character") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw problem("a character") }
            return Array(String(Character(scalar)).utf8)
        default: throw problem("an escape")
        }
    }

    /// Four hexadecimal digits.
    private mutating func unit() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = try peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw problem("a hexadecimal digit")
            }
            value = value << 4 | UInt32(digit)
            next += 1
        }
        return value
    }

    /// Passes over a value of any kind; nothing of it is kept. Words and numbers are taken for what they look like.
    package mutating func skipValue() throws {
        var closing: [Unicode.Scalar] = []
        repeat {
            guard let byte = try peekToken() else { throw problem("a value") }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                next += 1
                guard closing.count < Self.largestDepth else { throw Problem(text: "lists or objects are nested too deep") }
                let isObject = byte == UInt8(ascii: "{")
                closing.append(isObject ? "}" : "]")
                if try !skips(isObject ? "}" : "]") {
                    if isObject { try skipKey() }
                    continue
                }
                closing.removeLast()
            case UInt8(ascii: "\""): try skipString()
            default: try skipWord()
            }
            // Behind a value: the next one, or the ends of those that hold it.
            while let last = closing.last {
                if try skips(",") {
                    if last == "}" { try skipKey() }
                    break
                }
                try expect(last)
                closing.removeLast()
            }
        } while !closing.isEmpty
    }

    private mutating func skipKey() throws {
        try skipString()
        try expect(":")
    }

    private mutating func skipString() throws {
        try expect("\"")
        while true {
            guard let byte = try peek(), byte >= 0x20 else { throw problem("part of a string") }
            next += 1
            if byte == UInt8(ascii: "\"") { return }
            if byte == UInt8(ascii: "\\") { _ = try escaped() }
        }
    }

    private mutating func skipWord() throws {
        var count = 0
        while let byte = try peek(), Self.isWord(byte) {
            next += 1
            count += 1
        }
        if count == 0 { throw problem("a value") }
    }

    /// `true`, `false`, `null`, or what a number is written as.
    mutating func word() throws -> String {
        var bytes: [UInt8] = []
        _ = try peekToken()
        while let byte = try peek(), Self.isWord(byte), bytes.count < 64 {
            bytes.append(byte)
            next += 1
        }
        if bytes.isEmpty { throw problem("a value") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        digits.contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
    }
}
