import Yams

extension SettingsDocument {
    /// Every value as a text behind its full key, in the order of the document: `training.seed`, `model.layers[1].dense.units`. A list
    /// of plain values is one value.
    package var values: [(key: String, value: String)] {
        var values: [(key: String, value: String)] = []
        Self.collect(tree, "", into: &values)
        return values
    }

    private static func collect(_ node: Node, _ key: String, into values: inout [(key: String, value: String)]) {
        if let mapping = node.mapping {
            if mapping.isEmpty { values.append((key, "{}")) }
            for (name, value) in mapping {
                let name = name.string ?? "\(name)"
                collect(value, key.isEmpty ? name : "\(key).\(name)", into: &values)
            }
        } else if let sequence = node.sequence, sequence.contains(where: { $0.scalar == nil }) {
            for (index, value) in sequence.enumerated() { collect(value, "\(key)[\(index)]", into: &values) }
        } else if let sequence = node.sequence {
            values.append((key, "[" + sequence.map { $0.scalar?.string ?? "" }.joined(separator: ", ") + "]"))
        } else {
            values.append((key, node.scalar?.string ?? ""))
        }
    }
}
