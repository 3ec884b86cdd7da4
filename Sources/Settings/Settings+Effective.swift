import Yams

/// What was read of a configuration, with every default filled in.
extension Settings {
    /// What was read, with every default filled in, as YAML.
    package func effectiveYAML() throws -> String {
        try Yams.serialize(node: effectiveNode, width: 120)
    }

    /// What was read, as texts by their full keys: `training.seed`, `model.layers[1].dense.units`. A choice stands under
    /// its own key with its name.
    package func effectiveValues() -> [String: String] {
        var values: [String: String] = [:]
        collectEffectiveValues(into: &values)
        return values
    }

    /// Which of the keys of `effectiveValues` have their default, since the configuration says nothing.
    package func defaultedKeys() -> Set<String> {
        var keys = Set(defaulted.map(path))
        for entry in effective {
            switch entry.value {
            case .node: break
            case .section(let section): keys.formUnion(section.defaultedKeys())
            case .variant(let variant): keys.formUnion(variant.options.defaultedKeys())
            case .variants(let variants): for variant in variants { keys.formUnion(variant.options.defaultedKeys()) }
            case .sections(let sections): for section in sections { keys.formUnion(section.defaultedKeys()) }
            }
        }
        return keys
    }

    private func collectEffectiveValues(into values: inout [String: String]) {
        for entry in effective {
            let key = path(of: entry.key)
            switch entry.value {
            case .node(let node): values[key] = Self.text(of: node)
            case .section(let section): section.collectEffectiveValues(into: &values)
            case .variant(let variant):
                values[key] = variant.name
                variant.options.collectEffectiveValues(into: &values)
            case .variants(let variants):
                for (index, variant) in variants.enumerated() {
                    values["\(key)[\(index)]"] = variant.name
                    variant.options.collectEffectiveValues(into: &values)
                }
            case .sections(let sections): for section in sections { section.collectEffectiveValues(into: &values) }
            }
        }
    }

    private static func text(of node: Node) -> String {
        node.scalar?.string ?? "[\((node.sequence.map(Array.init) ?? []).map(text).joined(separator: ", "))]"
    }

    private var effectiveNode: Node {
        Node(
            effective.compactMap { entry -> (Node, Node)? in
                let value: Node
                switch entry.value {
                case .node(let node): value = node
                case .section(let section):
                    guard !section.effective.isEmpty else { return nil }
                    value = section.effectiveNode
                case .variant(let variant): value = Self.effectiveNode(of: variant)
                case .variants(let variants): value = Node(variants.map(Self.effectiveNode))
                case .sections(let sections): value = Node(sections.map(\.effectiveNode))
                }
                return (Node(entry.key), value)
            })
    }

    private static func effectiveNode(of variant: Variant) -> Node {
        let options = variant.options
        guard !options.effective.isEmpty else { return Node(variant.name) }
        let style: Node.Mapping.Style =
            options.effective.allSatisfy { if case .node = $0.value { true } else { false } } ? .flow : .any
        guard case .mapping(var mapping) = options.effectiveNode else { return Node(variant.name) }
        mapping.style = style
        return Node([(Node(variant.name), .mapping(mapping))])
    }
}
