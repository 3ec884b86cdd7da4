/// The dictionary in the header of NumPy's format: names with a text, True or False, or a tuple of whole numbers each.
struct PythonDictionary {
    enum Value: Equatable {
        case text(String)
        case truth(Bool)
        case numbers([Int])
        /// A list, as the fields of a record are written; what is in it isn't read.
        case other
    }

    private var values: [String: Value] = [:]

    subscript(name: String) -> Value? { values[name] }

    /// Reads all of `bytes`, blanks around it aside. Nil for anything else than such a dictionary.
    init?(_ bytes: ArraySlice<UInt8>) {
        var reader = Reader(rest: bytes)
        guard reader.take("{") else { return nil }
        while !reader.take("}") {
            guard case .text(let name)? = reader.value(), reader.take(":"), let value = reader.value(), values[name] == nil
            else { return nil }
            values[name] = value
            guard reader.take(",") || reader.isAt("}") else { return nil }
        }
        guard reader.isAtEnd else { return nil }
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        private mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || (0x09...0x0D).contains($0) } }

        var isAtEnd: Bool {
            mutating get {
                skipBlanks()
                return rest.isEmpty
            }
        }

        mutating func isAt(_ character: Character) -> Bool {
            skipBlanks()
            return rest.first == character.asciiValue
        }

        mutating func take(_ character: Character) -> Bool {
            guard isAt(character) else { return false }
            rest.removeFirst()
            return true
        }

        mutating func value() -> Value? {
            skipBlanks()
            switch rest.first {
            case UInt8(ascii: "'"), UInt8(ascii: "\""): return text().map(Value.text)
            case UInt8(ascii: "("): return tuple().map(Value.numbers)
            case UInt8(ascii: "["): return list() ? .other : nil
            default:
                let word = rest.prefix { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
                rest = rest.dropFirst(word.count)
                switch String(decoding: word, as: UTF8.self) {
                case "True": return .truth(true)
                case "False": return .truth(false)
                default: return nil
                }
            }
        }

        private mutating func text() -> String? {
            guard let quote = rest.popFirst(), let end = rest.firstIndex(of: quote) else { return nil }
            let text = rest[..<end]
            rest = rest[(end + 1)...]
            guard !text.contains(UInt8(ascii: "\\")) else { return nil }
            return String(validating: text, as: UTF8.self)
        }

        /// `()`, `(3,)`, `(3, 4)`; an `L` of Python 2 behind a number counts for nothing.
        private mutating func tuple() -> [Int]? {
            guard take("(") else { return nil }
            var numbers: [Int] = []
            while !take(")") {
                skipBlanks()
                let digits = rest.prefix { (0x30...0x39).contains($0) }
                guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
                rest = rest.dropFirst(digits.count)
                _ = take("L")
                numbers.append(number)
                guard take(",") || isAt(")") else { return nil }
            }
            return numbers
        }

        /// Passes over a list with all that is in it.
        private mutating func list() -> Bool {
            var depth = 0
            while let byte = rest.first {
                if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                    guard text() != nil else { return false }
                    continue
                }
                rest.removeFirst()
                if byte == UInt8(ascii: "[") { depth += 1 }
                if byte == UInt8(ascii: "]") { depth -= 1 }
                if depth == 0 { return true }
            }
            return false
        }
    }
}
