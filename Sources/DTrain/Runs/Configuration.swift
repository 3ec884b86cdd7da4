import Foundation
import Settings
import Training

/// What a run trains and how: a YAML file or text, the built-in digits, or a value that is built in code:
///
///     let configuration: Configuration = [
///         "data": ["format": "digits"],
///         "model": ["layers": [["dense": ["units": 32]], "relu", ["dense": ["units": 10]]]],
///         "training": ["epochs": 5, "global_batch_size": 64]
///     ]
///
/// Its keys are those that README's reference has. They are read when a run begins, and mistakes in them are told then.
public struct Configuration: Sendable, ExpressibleByDictionaryLiteral {
    private enum Source: Sendable {
        case builtIn
        case file(String)
        case text(String, name: String)
    }

    private let source: Source
    /// Settings that take the place of the configuration's, as `--set` does: `training.epochs=3`.
    public var overrides: [String] = []

    /// The file at a path.
    public init(file path: String) { source = .file(path) }

    /// YAML.
    ///
    /// - Parameters:
    ///   - text: the configuration itself.
    ///   - name: what messages call it.
    public init(yaml text: String, name: String = "the configuration") { source = .text(text, name: name) }

    /// Sections and what stands in them.
    public init(_ sections: [(key: String, value: Setting)]) {
        // A section a line: messages name the line.
        let lines = sections.map { "\(Setting.quoted($0.key)): \($0.value.yaml)\n" }
        source = .text(lines.joined(), name: "the configuration in code")
    }

    /// Sections and what stands in them.
    public init(dictionaryLiteral elements: (String, Setting)...) { self.init(elements.map { (key: $0, value: $1) }) }

    /// The built-in digits.
    public static let digits = Configuration(.builtIn)

    private init(_ source: Source) { self.source = source }

    /// The same where a setting has another value: `configuration.setting("training.epochs", to: 3)`.
    public func setting(_ key: String, to value: Setting) -> Configuration {
        var result = self
        result.overrides.append("\(key)=\(value.yaml)")
        return result
    }

    /// What the run directory is called where a run names none.
    var name: String {
        guard case .file(let path) = source else { if case .builtIn = source { return "digits" } else { return "run" } }
        let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        return name.isEmpty ? "run" : name
    }

    func read(_ catalogue: Catalogue) throws -> TrainingConfiguration {
        let document =
            switch source {
            case .builtIn:
                try SettingsDocument(text: builtInConfiguration, name: "the built-in configuration", overrides: overrides)
            case .file(let path): try SettingsDocument(path: path, overrides: overrides)
            case .text(let text, let name): try SettingsDocument(text: text, name: name, overrides: overrides)
            }
        return try TrainingConfiguration(document, name: name, catalogue: try catalogue.whole())
    }
}

/// A value in a configuration; literals of Swift are such values.
public indirect enum Setting: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A text, or a name.
    case text(String)
    /// A whole number.
    case integer(Int)
    /// A number.
    case number(Double)
    /// true or false.
    case boolean(Bool)
    /// A list.
    case list([Setting])
    /// A section, or a name with options.
    case section([(key: String, value: Setting)])

    /// A text.
    public init(stringLiteral value: String) { self = .text(value) }
    /// A whole number.
    public init(integerLiteral value: Int) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// true or false.
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    /// A list.
    public init(arrayLiteral elements: Setting...) { self = .list(elements) }
    /// A section.
    public init(dictionaryLiteral elements: (String, Setting)...) { self = .section(elements.map { (key: $0, value: $1) }) }

    /// On one line.
    var yaml: String {
        switch self {
        case .text(let text): Self.quoted(text)
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .boolean(let value): "\(value)"
        case .list(let items): "[" + items.map(\.yaml).joined(separator: ", ") + "]"
        case .section(let entries):
            "{" + entries.map { "\(Self.quoted($0.key)): \($0.value.yaml)" }.joined(separator: ", ") + "}"
        }
    }

    /// In quotation marks, where YAML and JSON have the same escapes for what can't stand in a line.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _
            where scalar.value < 0x20 || (0x7F...0xA0).contains(scalar.value) || scalar.value == 0x2028
                || scalar.value == 0x2029
                || scalar.value == 0xFEFF:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
