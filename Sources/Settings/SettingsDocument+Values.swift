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
}
