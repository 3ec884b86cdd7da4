/// A small piece of JSON, read as a whole: the sections of a file that have many forms.
package indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case list([JSONValue])
    /// In the order of the file.
    case object([(key: String, value: JSONValue)])

    /// The most values of one, those inside included, and how deep they may lie.
    private static let mostValues = 10_000, largestDepth = 16
    private static let longestText = 1 << 16

    /// Reads a value.
    /// - Throws: `JSONReader.Problem` for what isn't JSON, holds too much or has two members of one name; a `Failure` where the file
    ///   can't be read.
    package init(_ reader: inout JSONReader) throws {
        var count = 0
        self = try Self.read(&reader, depth: 0, &count)
    }

    private static func read(_ reader: inout JSONReader, depth: Int, _ count: inout Int) throws -> JSONValue {
        count += 1
        guard count <= mostValues, depth <= largestDepth else {
            throw JSONReader.Problem(text: "a section of more than \(mostValues) values, or nested deeper than \(largestDepth)")
        }
        if try reader.begins(with: "{") {
            var members: [(key: String, value: JSONValue)] = []
            var keys: Set<String> = []
            try reader.object(keyLimit: longestText) { reader, key in
                guard keys.insert(key).inserted else { throw JSONReader.Problem(text: "two members are called \"\(key)\"") }
                members.append((key, try read(&reader, depth: depth + 1, &count)))
            }
            return .object(members)
        }
        if try reader.begins(with: "[") {
            var elements: [JSONValue] = []
            try reader.list { elements.append(try read(&$0, depth: depth + 1, &count)) }
            return .list(elements)
        }
        if try reader.begins(with: "\"") { return .string(try reader.string(limit: longestText)) }
        switch try reader.word() {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        case let word:
            guard let number = Double(word) else { throw JSONReader.Problem(text: "\"\(word)\" is no value of JSON") }
            return .number(number)
        }
    }

    package static func == (one: JSONValue, other: JSONValue) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a == b
        case (.list(let a), .list(let b)): a == b
        case (.object(let a), .object(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
        default: false
        }
    }

    /// A member of an object; null where there is none.
    package subscript(_ key: String) -> JSONValue {
        guard case .object(let members) = self else { return .null }
        return members.first { $0.key == key }?.value ?? .null
    }

    /// The text of a string; nil for anything else.
    package var text: String? { if case .string(let text) = self { text } else { nil } }

    /// Whether it is true; `fallback` where it is null, nil where it is neither.
    package func flag(default fallback: Bool) -> Bool? {
        switch self {
        case .bool(let flag): flag
        case .null: fallback
        default: nil
        }
    }

    /// What a message calls it, on one line.
    package var summary: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .number(let number): Int(exactly: number).map { "\($0)" } ?? "\(number)"
        case .string(let text): "\"\(text.prefix(60))\""
        case .list(let elements): "a list of \(elements.count)"
        case .object: self["type"].text.map { "\"\($0.prefix(60))\"" } ?? "an object"
        }
    }
}
