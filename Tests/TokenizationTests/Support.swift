import Diagnostics
import Foundation
import Testing
import Tokenization

/// What `tokenizers` made of a text, with the script beside it.
enum References {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "References/tokens")

    static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: name))) }

    /// A tokenizer that differs from `tokenizer.json` in some ways, and the tokens of `text.txt`.
    struct Case: CustomTestStringConvertible, @unchecked Sendable {
        // Sendable: nobody changes what was read.
        let name: String
        let file: [String: Any]
        let tokens: [Int32]
        var testDescription: String { name }
    }

    static let cases: [Case] = (try? readCases()) ?? []

    private static func readCases() throws -> [Case] {
        let list = try #require(JSONSerialization.jsonObject(with: Data(bytes("cases.json"))) as? [[String: Any]])
        return try list.map { entry in
            var file = try #require(JSONSerialization.jsonObject(with: Data(bytes("tokenizer.json"))) as? [String: Any])
            var model = try #require(file["model"] as? [String: Any])
            var vocabulary = try #require(model["vocab"] as? [String: Any])
            for (token, id) in try #require(entry["extra"] as? [String: Any]) { vocabulary[token] = id }
            model["vocab"] = vocabulary
            if entry["string_merges"] as? Bool == true {
                model["merges"] = try #require(model["merges"] as? [[String]]).map { $0.joined(separator: " ") }
            }
            for (key, value) in try #require(entry["change"] as? [String: Any]) {
                if key.hasPrefix("model.") { model[String(key.dropFirst(6))] = value } else { file[key] = value }
            }
            file["model"] = model
            return Case(
                name: try #require(entry["name"] as? String), file: file,
                tokens: try #require(entry["tokens"] as? [Int]).map { Int32($0) })
        }
    }
}

/// A tokenizer from the text of its file.
func tokenizer(_ text: [UInt8]) throws -> Tokenizer {
    let path = FileManager.default.temporaryDirectory.appending(path: "dtrain-tokenizer-\(UUID().uuidString).json").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(text).write(to: URL(filePath: path))
    return try TokenizerFile.read(path: path)
}

func tokenizer(_ text: String) throws -> Tokenizer { try tokenizer(Array(text.utf8)) }

func tokenizer(_ file: [String: Any]) throws -> Tokenizer {
    try tokenizer([UInt8](JSONSerialization.data(withJSONObject: file)))
}

/// The message of the failure with code 65 that `body` ends with.
func refusal(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("nothing was refused", sourceLocation: sourceLocation)
        return ""
    } catch let failure as Failure {
        #expect(failure.code == .badData, "\(failure.message)", sourceLocation: sourceLocation)
        #expect(!failure.message.contains("\n"), "\(failure.message)", sourceLocation: sourceLocation)
        return failure.message
    } catch {
        Issue.record("another error: \(error)", sourceLocation: sourceLocation)
        return ""
    }
}
