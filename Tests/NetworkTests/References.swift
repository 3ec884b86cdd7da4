import Foundation
import Settings
import Testing

/// A table of reference numbers, beside the tests (made by the scripts there).
func references(_ name: String, file: String = #filePath) throws -> [[String: Any]] {
    let url = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("References").appendingPathComponent(name)
    let table = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [[String: Any]]
    return try #require(table, "\(name) is a list of cases")
}

/// All numbers of nested lists, in order.
func flattened(_ value: Any?) -> [Double] {
    if let list = value as? [Any] { return list.flatMap { flattened($0) } }
    return (value as? NSNumber).map { [$0.doubleValue] } ?? []
}

/// A configuration of these keys. JSON is YAML.
func settings(_ values: [String: Any]) throws -> Settings {
    let text = try JSONSerialization.data(withJSONObject: values, options: [.sortedKeys, .withoutEscapingSlashes])
    return try SettingsDocument(text: String(decoding: text, as: UTF8.self), name: "test").root
}

/// The name of a variant written as in a configuration: `"relu"` or `{"dense": {...}}`.
func kind(of variant: Any?) -> String? { variant as? String ?? (variant as? [String: Any])?.keys.first }
