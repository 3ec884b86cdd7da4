import Diagnostics
import Yams

/// One section of a configuration, read key by key.
///
/// Reading is what declares a key: its type, its range and its default stand where the value is used and nowhere else.
/// From the reads follow the errors for keys that nobody read (`finish`), with the nearest known one, and the effective
/// configuration with every default filled in (`effectiveYAML`).
///
/// A class, because a section is handed to whoever owns the options (a layer, an optimizer) and remembers what was read.
package final class Settings {
    /// Where the section stands: `data.train`, `model.layers[2].dense`; empty for the whole.
    package let path: String
    private let document: SettingsDocument
    private let line: Int?
    private let entries: [(key: String, line: Int?, value: Node)]
    private var knownKeys: [String] = []
    private(set) var effective: [(key: String, value: Effective)] = []
    /// Keys whose value is the default, since the configuration doesn't have them.
    private(set) var defaulted: Set<String> = []

    /// What a read left behind, for the effective configuration.
    enum Effective {
        case node(Node)
        case section(Settings)
        case variant(Variant)
        case variants([Variant])
        case sections([Settings])
    }

    /// A named choice with options of its own: `relu`, or `dense: {units: 128}`.
    package struct Variant {
        package let name: String
        /// Its options; empty for a bare name.
        package let options: Settings

        /// The error for a name that isn't one of `known`.
        package func unknown(_ what: String, known: [String]) -> Failure {
            options.failure(
                "unknown \(what) \"\(name)\"\(suggestion(for: name, among: known)); "
                    + "known: \(known.joined(separator: ", "))")
        }
    }

    init(document: SettingsDocument, path: String, node: Node?, line: Int? = nil) {
        self.document = document
        self.path = path
        self.line = line ?? node?.mark?.line
        entries = (node?.mapping.map(Array.init) ?? []).map {
            ($0.key.string ?? "\($0.key)", $0.key.mark?.line, $0.value)
        }
    }

    // MARK: - Values

    /// A whole number. Without a default the key is required.
    package func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int> = 0...Int.max) throws -> Int {
        try required(key, try optionalInt(key, default: fallback, in: range), "a whole number")
    }

    /// A whole number, or nil where the key is missing or `null`.
    package func optionalInt(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int> = 0...Int.max) throws
        -> Int?
    {
        try value(key, default: fallback.map { Node(String($0)) }) { try wholeNumber($0, key, range) }
    }

    /// One whole number or a list of them.
    package func ints(_ key: String, in range: ClosedRange<Int>) throws -> [Int] {
        try required(
            key,
            try value(key, default: nil) { node in
                try (node.sequence.map(Array.init) ?? [node]).map { try wholeNumber($0, key, range) }
            }, "a whole number or a list of them")
    }

    private func wholeNumber(_ node: Node, _ key: String, _ range: ClosedRange<Int>) throws -> Int {
        guard let text = Self.plain(node), let number = Int(text) else {
            throw mismatch(key, expected: "a whole number", node)
        }
        guard range.contains(number) else {
            let upper = range.upperBound == Int.max ? "or more" : "to \(range.upperBound)"
            throw failure(key, "expected a whole number, \(range.lowerBound) \(upper), found \(number)")
        }
        return number
    }

    /// One whole number for height and width, or a list of both. Without a default the key is required.
    package func pair(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>) throws
        -> (height: Int, width: Int)
    {
        let numbers = try required(
            key,
            try value(key, default: fallback.map { Node(String($0)) }) { node in
                try (node.sequence.map(Array.init) ?? [node]).map { try wholeNumber($0, key, range) }
            }, "a whole number, or a list of height and width")
        guard numbers.count == 1 || numbers.count == 2 else {
            throw failure(key, "expected one whole number, or a list of height and width, found \(numbers.count) numbers")
        }
        return (numbers[0], numbers[numbers.count - 1])
    }

    /// A number. Without a default the key is required.
    package func double(_ key: String, default fallback: Double? = nil, in bounds: Bounds = .any) throws -> Double {
        try required(key, try optionalDouble(key, default: fallback, in: bounds), "a number")
    }

    /// A number, or nil where the key is missing or `null`.
    package func optionalDouble(_ key: String, default fallback: Double? = nil, in bounds: Bounds = .any) throws -> Double? {
        try value(key, default: fallback.map { Node(String($0)) }) { try number($0, key, bounds) }
    }

    /// One number or a list of them; nil where the key is missing or `null`.
    package func optionalDoubles(_ key: String, in bounds: Bounds = .any) throws -> [Double]? {
        try value(key, default: nil) { node in
            try (node.sequence.map(Array.init) ?? [node]).map { try number($0, key, bounds) }
        }
    }

    /// One number or a list of them, with a default.
    package func doubles(_ key: String, default fallback: [Double], in bounds: Bounds = .any) throws -> [Double] {
        if let found = try optionalDoubles(key, in: bounds) { return found }
        effective.append((key, .node(Node(fallback.map { Node(String($0)) }, .implicit, .flow))))
        defaulted.insert(key)
        return fallback
    }

    /// `true` or `false`.
    package func bool(_ key: String, default fallback: Bool) throws -> Bool {
        try value(key, default: Node(String(fallback))) { node in
            switch Self.plain(node)?.lowercased() {
            case "true", "yes", "on": true
            case "false", "no", "off": false
            default: throw mismatch(key, expected: "true or false", node)
            }
        } ?? fallback
    }

    /// A text. Without a default the key is required.
    package func string(_ key: String, default fallback: String? = nil) throws -> String {
        try required(key, try optionalString(key, default: fallback), "a text")
    }

    /// A text, or nil where the key is missing or `null`.
    package func optionalString(_ key: String, default fallback: String? = nil) throws -> String? {
        try value(key, default: fallback.map { Node($0) }) { node in
            guard let scalar = node.scalar else { throw mismatch(key, expected: "a text", node) }
            return scalar.string
        }
    }

    /// One text or a list of them; nil where the key is missing or `null`.
    package func optionalStrings(_ key: String) throws -> [String]? {
        try value(key, default: nil) { node in
            try (node.sequence.map(Array.init) ?? [node]).map { item in
                guard let scalar = item.scalar else { throw mismatch(key, expected: "a text or a list of texts", item) }
                return scalar.string
            }
        }
    }

    /// One text (or number) or a list of them, with a default.
    package func strings(_ key: String, default fallback: String) throws -> [String] {
        try value(key, default: Node(fallback)) { node in
            try (node.sequence.map(Array.init) ?? [node]).map { item in
                guard let scalar = item.scalar else { throw mismatch(key, expected: "a text or a list of texts", item) }
                return scalar.string
            }
        } ?? [fallback]
    }

    /// The keys that the section has, in the order of the text.
    package var keys: [String] { entries.map(\.key) }

    /// A list of values of any kind, each as the text that `--set` takes for it. The key is required.
    package func valueTexts(_ key: String) throws -> [String] {
        try required(
            key,
            try value(key, default: nil) { node in
                guard let sequence = node.sequence else { throw mismatch(key, expected: "a list of values", node) }
                return sequence.map { SettingsDocument.overrideText(of: $0) }
            }, "a list of values")
    }

    /// One of the given names.
    package func choice(_ key: String, of names: [String], default fallback: String? = nil) throws -> String {
        let name = try string(key, default: fallback)
        guard names.contains(name) else {
            throw failure(
                key,
                "unknown value \"\(name)\"\(suggestion(for: name, among: names)); "
                    + "expected \(names.joined(separator: ", "))")
        }
        return name
    }

    // MARK: - Sections

    /// Whether the key stands in the configuration with a value.
    package func has(_ key: String) -> Bool {
        find(key).map { !Self.isNull($0) } ?? false
    }

    /// Whether the key holds this name.
    package func isName(_ name: String, at key: String) -> Bool { find(key)?.scalar?.string == name }

    /// Whether the key holds a section in which `inner` stands.
    package func has(_ key: String, holding inner: String) -> Bool {
        find(key)?.mapping?.contains { $0.key.string == inner } ?? false
    }

    /// Whether the key holds a section.
    package func hasSection(_ key: String) -> Bool { find(key)?.mapping != nil }

    /// A section whose keys all have defaults, or are asked for one by one; empty where missing.
    package func section(_ key: String) throws -> Settings {
        try optionalSection(key) ?? record(key, Settings(document: document, path: path(of: key), node: nil, line: line))
    }

    /// A section that may be left out.
    package func optionalSection(_ key: String) throws -> Settings? {
        try value(key, recording: false, default: nil) { node in
            guard node.mapping != nil else { throw mismatch(key, expected: "a section (\"\(key): {...}\")", node) }
            return record(key, Settings(document: document, path: path(of: key), node: node))
        }
    }

    /// A list of sections. The key is required.
    package func sections(_ key: String) throws -> [Settings] {
        let sections = try value(key, recording: false, default: nil) { node in
            guard let nodes = node.sequence, nodes.allSatisfy({ $0.mapping != nil }) else {
                throw mismatch(key, expected: "a list of sections (\"\(key): [{...}, {...}]\")", node)
            }
            let sections = nodes.enumerated().map { index, node in
                Settings(document: document, path: "\(path(of: key))[\(index)]", node: node)
            }
            effective.append((key, .sections(sections)))
            return sections
        }
        return try required(key, sections, "a list of sections")
    }

    /// A choice with options. Without a default the key is required.
    package func variant(_ key: String, default fallback: String? = nil) throws -> Variant {
        try required(key, try optionalVariant(key, default: fallback), "a name, or a name with options")
    }

    /// A choice with options, or nil where the key is missing or `null`.
    package func optionalVariant(_ key: String, default fallback: String? = nil) throws -> Variant? {
        try value(key, recording: false, default: fallback.map { Node($0) }) { node in
            let variant = try variant(of: node, path: path(of: key))
            effective.append((key, .variant(variant)))
            return variant
        }
    }

    /// A list of choices with options; one without brackets counts as a list of one. Nil where the key is missing.
    ///
    /// - Parameter mainOptions: by the names of choices the option that a value alone means: with `["shift": "pixels"]`,
    ///   `shift: 4` is `shift: {pixels: 4}`.
    package func optionalVariants(_ key: String, mainOptions: [String: String] = [:]) throws -> [Variant]? {
        try value(key, recording: false, default: nil) { node in
            let nodes = node.sequence.map(Array.init) ?? [node]
            let variants = try nodes.enumerated().map { index, node in
                try variant(of: Self.spelledOut(node, mainOptions), path: "\(path(of: key))[\(index)]")
            }
            effective.append((key, .variants(variants)))
            return variants
        }
    }

    /// Lets keys stand that nothing reads.
    package func allow(_ keys: [String]) { knownKeys += keys.filter { !knownKeys.contains($0) } }

    /// Refuses keys, here and in every section that was opened, that nothing has read.
    ///
    /// - Parameter later: keys whose sections will be read later on.
    package func finish(leaving later: Set<String> = []) throws {
        for entry in entries where !knownKeys.contains(entry.key) {
            let place = path.isEmpty ? "" : " in \"\(path)\""
            throw Failure(
                .badConfiguration,
                "\(location(of: entry.key)): unknown key \"\(entry.key)\"\(place)"
                    + "\(suggestion(for: entry.key, among: knownKeys)); known here: "
                    + (knownKeys.isEmpty ? "none" : knownKeys.sorted().joined(separator: ", ")))
        }
        for entry in effective where !later.contains(entry.key) {
            switch entry.value {
            case .node: break
            case .section(let section): try section.finish()
            case .variant(let variant): try variant.options.finish()
            case .variants(let variants): for variant in variants { try variant.options.finish() }
            case .sections(let sections): for section in sections { try section.finish() }
            }
        }
    }

    // MARK: - Messages

    /// An error about `key`: file and line (or the override), the full name of the key, the text.
    package func failure(_ key: String, _ text: String) -> Failure {
        Failure(.badConfiguration, "\(location(of: key)): \(path(of: key)): \(text)")
    }

    /// Options that the configuration doesn't have but that follow from this section's, for a part of what it describes. Messages
    /// about them name this section.
    package func derived(_ values: [(key: String, value: String)]) -> Settings {
        let pairs = values.map { (Node($0.key), Node($0.value)) }
        return Settings(document: document, path: path, node: Node(pairs), line: line)
    }

    /// An error about the section as a whole.
    package func failure(_ text: String) -> Failure {
        Failure(.badConfiguration, "\(location(of: nil)): \(path.isEmpty ? "" : "\(path): ")\(text)")
    }

    // MARK: - Reading

    /// Looks up `key`, marks it as known, converts it, and records what is in force.
    private func value<Value>(
        _ key: String, recording: Bool = true, default fallback: Node?,
        _ convert: (Node) throws -> Value
    ) throws -> Value? {
        if !knownKeys.contains(key) { knownKeys.append(key) }
        effective.removeAll { $0.key == key }
        let found = find(key).flatMap { Self.isNull($0) ? nil : $0 }
        if found == nil { defaulted.insert(key) } else { defaulted.remove(key) }
        guard let node = found ?? fallback else { return nil }
        let value = try convert(node)
        if recording { effective.append((key, .node(Self.withoutMarks(node)))) }
        return value
    }

    private func find(_ key: String) -> Node? { entries.first { $0.key == key }?.value }

    private func record(_ key: String, _ section: Settings) -> Settings {
        effective.append((key, .section(section)))
        return section
    }

    /// `shift: 4` as `shift: {pixels: 4}`.
    private static func spelledOut(_ node: Node, _ mainOptions: [String: String]) -> Node {
        guard let mapping = node.mapping, mapping.count == 1, let pair = mapping.first, pair.value.scalar != nil,
            !isNull(pair.value), let option = pair.key.string.flatMap({ mainOptions[$0] })
        else { return node }
        let options = Node.Mapping(
            [(Node(option), pair.value)], .implicit, .any, pair.value.mark)
        return .mapping(.init([(pair.key, .mapping(options))], .implicit, .any, mapping.mark))
    }

    private func variant(of node: Node, path: String) throws -> Variant {
        if let name = node.scalar?.string, !name.isEmpty {
            return Variant(
                name: name,
                options: Settings(
                    document: document, path: "\(path).\(name)", node: nil,
                    line: node.mark?.line))
        }
        guard let mapping = node.mapping, let pair = chosen(mapping, path: path), let name = pair.key.string,
            pair.value.mapping != nil || Self.isNull(pair.value)
        else {
            throw Failure(
                .badConfiguration,
                "\(location(ofPath: path, line: node.mark?.line)): \(path): expected one "
                    + "name, or one name with options (\"name: {option: value}\"), found \(Self.description(of: node))")
        }
        return Variant(
            name: name,
            options: Settings(
                document: document, path: "\(path).\(name)", node: pair.value,
                line: pair.key.mark?.line))
    }

    /// The one choice of a mapping, or of several the one that an override made: `--set optimizer.sgd.momentum=0.9` over
    /// a file that says `optimizer: {adam: ...}` means sgd.
    private func chosen(_ mapping: Node.Mapping, path: String) -> (key: Node, value: Node)? {
        if mapping.count == 1 { return mapping.first.map { ($0.key, $0.value) } }
        let dotted = path.replacing("[", with: ".").replacing("]", with: "")
        let overridden = mapping.filter { pair in
            let key = "\(dotted).\(pair.key.string ?? "")"
            return document.overrides.contains { $0.path == key || $0.path.hasPrefix(key + ".") }
        }
        return overridden.count == 1 ? overridden.first.map { ($0.key, $0.value) } : nil
    }

    private func number(_ node: Node, _ key: String, _ bounds: Bounds) throws -> Double {
        guard let text = Self.plain(node), let number = Double(text), number.isFinite else {
            throw mismatch(key, expected: "a number", node)
        }
        // What is computed with has 32 bits; beyond them it would be infinite.
        guard abs(number) <= Double(Float.greatestFiniteMagnitude) else {
            throw failure(key, "expected a number within ±3.4e38, which is all that 32 bits hold, found \(text)")
        }
        guard bounds.contains(number) else {
            throw failure(key, "expected a number \(bounds.description), found \(text)")
        }
        return number
    }

    private func required<Value>(_ key: String, _ value: Value?, _ what: String) throws -> Value {
        guard let value else { throw failure(key, "missing; expected \(what)") }
        return value
    }

    private func mismatch(_ key: String, expected: String, _ node: Node) -> Failure {
        failure(key, "expected \(expected), found \(Self.description(of: node))")
    }

    func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func location(of key: String?) -> String {
        let entry = key.flatMap { key in entries.first { $0.key == key } }
        return location(ofPath: key.map { path(of: $0) } ?? path, line: entry?.line ?? line)
    }

    /// `file:line`, or the override that set the value.
    private func location(ofPath path: String, line: Int?) -> String {
        let dotted = path.replacing("[", with: ".").replacing("]", with: "")
        let override = document.overrides.last { dotted == $0.path || dotted.hasPrefix($0.path + ".") }
        if let override { return "--set \(override.text)" }
        return line.map { "\(document.name):\($0)" } ?? document.name
    }

    private static func plain(_ node: Node) -> String? {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any else { return nil }
        return scalar.string
    }

    private static func isNull(_ node: Node) -> Bool {
        plain(node).map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false
    }

    /// The node as it goes into the effective configuration: lists on one line.
    private static func withoutMarks(_ node: Node) -> Node {
        if let sequence = node.sequence { return Node(sequence.map(withoutMarks), .implicit, .flow) }
        return node
    }

    /// What a message says was found.
    static func description(of node: Node) -> String {
        switch node {
        case .scalar(let scalar): isNull(node) ? "nothing" : "\"\(scalar.string.prefix(60))\""
        case .mapping(let mapping) where mapping.isEmpty: "an empty section"
        case .mapping(let mapping):
            "a section with \(mapping.count == 1 ? "the key" : "keys") "
                + mapping.prefix(4).map { "\"\($0.key.string ?? "?")\"" }.joined(separator: ", ")
        case .sequence(let sequence): sequence.isEmpty ? "an empty list" : "a list of \(sequence.count)"
        case .alias: "an alias"
        }
    }
}
