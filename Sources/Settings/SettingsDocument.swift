import Diagnostics
import Files
import Yams

/// A configuration text with the `--set` overrides laid over it: where every `Settings` comes from.
package struct SettingsDocument {
    /// Larger texts are refused before they are parsed.
    static let largestByteCount = 1 << 20

    /// The name that messages give the file.
    package let name: String
    let tree: Node
    /// The overrides in the order given: the path that each sets, and its text (`a.b=c`).
    let overrides: [(path: String, text: String)]

    /// Parses `text` and applies `overrides` of the form `a.b.c=value`, later ones winning. List items are addressed by
    /// index (`model.layers.1.dense.units=64`).
    package init(text: String, name: String, overrides: [String] = []) throws {
        guard text.utf8.count <= Self.largestByteCount else {
            throw Failure(
                .badConfiguration,
                "\(name): a configuration of \(text.utf8.count) bytes is larger than "
                    + "the \(Self.largestByteCount) that are read; is it the right file?")
        }
        self.name = name
        // Some editors put a byte order mark in front.
        var tree = try Self.parse(text.first == "\u{FEFF}" ? String(text.dropFirst()) : text, name: name)
        var texts: [(path: String, text: String)] = []
        for override in overrides {
            guard let equals = override.firstIndex(of: "="), equals > override.startIndex else {
                throw Failure(.usage, "--set \(override): expected key=value, as in --set training.epochs=3")
            }
            let path = String(override[..<equals])
            let components = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard !components.contains("") else {
                throw Failure(.usage, "--set \(override): the key \"\(path)\" has an empty part")
            }
            let valueText = String(override[override.index(after: equals)...])
            guard components.count <= BoundedYAML.deepest else {
                throw Failure(
                    .usage, "--set \(override): a key of \(components.count) parts; no configuration is nested that deep")
            }
            let value = try Self.value(valueText, override: override)
            tree = try Self.setting(components[...], to: value, in: tree, override: override)
            texts.append((path, override))
        }
        self.tree = tree
        self.overrides = texts
    }

    /// Reads the file at `path`; 66 if it isn't there, 78 if it isn't a configuration.
    package init(path: String, overrides: [String] = []) throws {
        try self.init(text: try Self.text(path: path), name: path, overrides: overrides)
    }

    /// The text of the file at `path`, which may be read only once (a pipe); 66 if it isn't there, 78 if it isn't a text.
    package static func text(path: String) throws -> String {
        // A word alone may be a misspelt command.
        let isWord = !path.contains("/") && !path.contains(".")
        let file = SmallFile(
            isWord ? "command or configuration" : "configuration", largestByteCount: largestByteCount,
            misfit: .badConfiguration)
        guard let text = String(validating: try file.bytes(at: path), as: UTF8.self) else {
            throw Failure(.badConfiguration, "\(path): not a text file in UTF-8; expected a configuration (YAML)")
        }
        return text
    }

    /// The outermost section.
    package var root: Settings {
        get throws { Settings(document: self, path: "", node: tree) }
    }

    private static func parse(_ text: String, name: String) throws -> Node {
        let node: Node?
        do {
            node = try BoundedYAML.compose(text)
        } catch let problem as BoundedYAML.Problem {
            throw Failure(.badConfiguration, "\(name)\(problem.line.map { ":\($0)" } ?? ""): \(problem.text)")
        } catch {
            throw Failure(.badConfiguration, "\(name): not YAML: \(explanation(of: error))")
        }
        guard let node, !(node.scalar?.string.isEmpty ?? false) else {
            throw Failure(.badConfiguration, "\(name): the configuration is empty; expected at least \"data\" and \"model\"")
        }
        guard node.mapping != nil else {
            throw Failure(
                .badConfiguration,
                "\(name): expected keys and values (\"model: ...\") at the top level, "
                    + "found \(Settings.description(of: node))")
        }
        return node
    }

    /// The value of an override.
    private static func value(_ text: String, override: String) throws -> Node {
        do {
            return try BoundedYAML.compose(text) ?? Node("")
        } catch let problem as BoundedYAML.Problem {
            throw Failure(.usage, "--set \(override): \(problem.text)")
        } catch {
            throw Failure(.usage, "--set \(override): the value \"\(text)\" is not YAML")
        }
    }

    /// The parser's message as one line.
    private static func explanation(of error: any Error) -> String {
        switch error as? YamlError {
        case .parser(_, let problem, let mark, _) where problem.contains("nest"):
            return "line \(mark.line): nested too deep"
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return "line \(mark.line), column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = BoundedYAML.restored(duplicates.joined(separator: "\", \""))
            return "line \(context.mark.line): the key \"\(keys)\" is given twice"
        default:
            return "\(error)".split(separator: "\n").joined(separator: " ")
        }
    }

    /// `tree` with the value at `path` replaced; sections on the way are made where missing.
    private static func setting(_ path: ArraySlice<String>, to value: Node, in tree: Node?, override: String) throws -> Node {
        guard let key = path.first else { return value }
        let rest = path.dropFirst()
        if let sequence = tree?.sequence {
            guard let index = Int(key), sequence.indices.contains(index) else {
                throw Failure(
                    .usage,
                    "--set \(override): \"\(key)\" is not an index from 0 to \(sequence.count - 1) "
                        + "into the list")
            }
            var items = Array(sequence)
            items[index] = try setting(rest, to: value, in: items[index], override: override)
            return Node(items)
        }
        var pairs = tree?.mapping.map { Array($0).map { ($0.key, $0.value) } } ?? []
        if let position = pairs.firstIndex(where: { $0.0.string == key }) {
            pairs[position].1 = try setting(rest, to: value, in: pairs[position].1, override: override)
        } else {
            pairs.append((Node(key), try setting(rest, to: value, in: nil, override: override)))
        }
        return Node(pairs)
    }
}
