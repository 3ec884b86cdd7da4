import Yams

extension SettingsDocument {
    /// All values by the keys that `--set` has for them (`model.layers.0.dense.units`), in the order of the text. A list of plain values is
    /// one value.
    package var values: [(key: String, value: String)] {
        var values: [(key: String, value: String)] = []
        Self.collect(tree, "", &values)
        return values
    }

    private static func collect(_ node: Node, _ path: String, _ values: inout [(key: String, value: String)]) {
        func key(_ part: String) -> String { path.isEmpty ? part : path + "." + part }
        if let mapping = node.mapping, !mapping.isEmpty {
            for (name, value) in mapping { collect(value, key(name.string ?? "?"), &values) }
        } else if let sequence = node.sequence, sequence.contains(where: { $0.scalar == nil }) {
            for (index, value) in sequence.enumerated() { collect(value, key(String(index)), &values) }
        } else if let sequence = node.sequence {
            values.append((path, "[" + sequence.map { $0.scalar?.string ?? "" }.joined(separator: ", ") + "]"))
        } else {
            values.append((path, node.scalar?.string ?? "{}"))
        }
    }

    /// A value as the text that `--set` reads it back from: on one line, and what was quoted stays a text.
    static func overrideText(of node: Node, isInside: Bool = false) -> String {
        if let mapping = node.mapping {
            let pairs = mapping.map {
                "\(overrideText(of: $0.key, isInside: true)): \(overrideText(of: $0.value, isInside: true))"
            }
            return "{\(pairs.joined(separator: ", "))}"
        }
        if let sequence = node.sequence {
            return "[\(sequence.map { overrideText(of: $0, isInside: true) }.joined(separator: ", "))]"
        }
        guard let scalar = node.scalar else { return "null" }
        // A plain text means what it meant, unless something in it would begin or end a value here.
        let isPlain = scalar.style == .plain || scalar.style == .any
        let special: Set<Character> = isInside ? [",", "[", "]", "{", "}", ":", "#", "\"", "'"] : ["#", "\n"]
        if isPlain, !scalar.string.contains(where: special.contains) { return scalar.string.isEmpty ? "null" : scalar.string }
        return quoted(scalar.string)
    }

    /// A text in quotation marks, as YAML and JSON have it.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
