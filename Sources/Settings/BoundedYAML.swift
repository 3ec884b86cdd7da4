import Yams

/// YAML from strangers, read in time and memory that the length of the text bounds.
///
/// A few hundred bytes of aliases to aliases stand for more values than any memory holds, and the parser hashes every key
/// with all that is in it. So aliases are hidden from the parser and put in their place here, counted: each `*` of the
/// text becomes a character that no configuration holds, and only a plain scalar that begins with it was an alias, since
/// YAML lets no other plain scalar begin with `*`.
enum BoundedYAML {
    /// The most values, keys included, that a text may stand for.
    static let mostValues = 100_000
    /// The most lists and sections within each other.
    static let deepest = 100

    /// What is wrong with a text that is YAML.
    struct Problem: Error {
        /// The line in the text, from 1.
        let line: Int?
        let text: String
    }

    /// The star's stand-in, from Unicode's private use area.
    private static let hiddenStar: Character = "\u{E000}"

    /// The tree of the one document in `text`; nil where it is empty.
    /// - Throws: `Problem`, or the parser's `YamlError`.
    static func compose(_ text: String) throws -> Node? {
        guard !mayHoldHiddenStar(text) || !text.unicodeScalars.contains("\u{E000}") else {
            throw Problem(line: nil, text: "it holds the character U+E000, which no configuration needs")
        }
        let hidden = text.utf8.contains(UInt8(ascii: "*")) ? text.replacing("*", with: String(hiddenStar)) : text
        // What a scalar is, a number or a text, is for who reads it: no tag is worked out, so that keys are equal where their texts are.
        let parser = try Parser(yaml: hidden, resolver: .basic, encoding: .utf8)
        // The tree's nodes know their anchors only while the parser lives.
        return try withExtendedLifetime(parser) {
            guard let node = try parser.singleRoot() else { return nil }
            var expansion = Expansion()
            return try expansion.expanded(node, depth: 0).node
        }
    }

    /// A name of the text as it was before stars were hidden, for messages.
    static func restored(_ text: String) -> String {
        mayHoldHiddenStar(text) ? text.replacing(String(hiddenStar), with: "*") : text
    }

    /// Whether the stand-in's first byte is in a text; most have none, and a look at bytes takes no time.
    private static func mayHoldHiddenStar(_ text: String) -> Bool { text.utf8.contains(0xEE) }

    /// Puts aliases in their places, in the order of the document.
    private struct Expansion {
        /// What stands for each anchor so far, how many values it is, and how deep.
        private var anchors: [String: Part] = [:]
        private var valueCount = 0

        struct Part {
            let node: Node
            let valueCount: Int
            let depth: Int
        }

        mutating func expanded(_ node: Node, depth: Int) throws -> Part {
            guard depth <= deepest else {
                throw Problem(line: node.mark?.line, text: "nested deeper than \(deepest) levels")
            }
            let part: Part
            switch node {
            case .scalar(let scalar):
                if scalar.style == .plain, scalar.string.first == hiddenStar { return try aliased(scalar, depth: depth) }
                part = Part(
                    node: .scalar(.init(restored(scalar.string), scalar.tag, scalar.style, scalar.mark)),
                    valueCount: 1, depth: 0)
                try count(1, at: node)
            case .sequence(let sequence):
                try count(1, at: node)
                let items = try sequence.map { try expanded($0, depth: depth + 1) }
                part = Self.part(items) { .sequence(.init($0, sequence.tag, sequence.style, sequence.mark)) }
            case .mapping(let mapping):
                try count(1, at: node)
                let parts = try mapping.flatMap { [try key($0.key), try expanded($0.value, depth: depth + 1)] }
                part = Self.part(parts) { nodes in
                    let pairs = stride(from: 0, to: nodes.count, by: 2).map { (nodes[$0], nodes[$0 + 1]) }
                    return .mapping(.init(pairs, mapping.tag, mapping.style, mapping.mark))
                }
            case .alias:
                throw Problem(line: node.mark?.line, text: "an alias where none can be")
            }
            if let anchor = node.anchor { anchors[anchor.rawValue] = part }
            return part
        }

        /// What an alias stands for. It isn't walked again: its size is known.
        private mutating func aliased(_ scalar: Node.Scalar, depth: Int) throws -> Part {
            let name = String(scalar.string.dropFirst())
            guard let part = anchors[name] else {
                throw Problem(line: scalar.mark?.line, text: "the alias \"*\(restored(name))\" has no anchor before it")
            }
            guard depth + part.depth <= deepest else {
                throw Problem(line: scalar.mark?.line, text: "nested deeper than \(deepest) levels")
            }
            try count(part.valueCount, at: .scalar(scalar))
            return part
        }

        private mutating func key(_ node: Node) throws -> Part {
            guard let scalar = node.scalar, scalar.style != .plain || scalar.string.first != hiddenStar else {
                throw Problem(line: node.mark?.line, text: "a key must be a word, not a list, a section or an alias")
            }
            return try expanded(node, depth: 0)
        }

        private static func part(_ parts: [Part], _ node: ([Node]) -> Node) -> Part {
            Part(
                node: node(parts.map(\.node)), valueCount: parts.reduce(1) { $0 + $1.valueCount },
                depth: 1 + (parts.map(\.depth).max() ?? 0))
        }

        private mutating func count(_ more: Int, at node: Node) throws {
            valueCount += more
            guard valueCount <= mostValues else {
                throw Problem(
                    line: node.mark?.line,
                    text: "more than \(mostValues) values, aliases counted as often as they "
                        + "are used; is it the right file?")
            }
        }
    }
}
