import Diagnostics
import Files

/// Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`: byte-level byte-pair encoding alone, whatever else is refused by
/// its name. The file may be anybody's: counts and lengths are bounded, and everything is checked before it is used.
package struct TokenizerFile {
    /// Longer files are refused, in bytes: those of the largest vocabularies have a tenth.
    static let largestByteCount = 128 << 20
    static let mostMerges = 2 * Tokenizer.mostTokens
    /// The bytes of an added token, those of all together, and how many there may be.
    static let longestAddedToken = 512, mostAddedBytes = 4 << 20, mostAddedTokens = 1 << 17
    private static let longestKey = 256

    let path: String
    private var vocabulary: [[UInt8]: Int32] = [:]
    private var merges = Merges()
    private var model: [String: JSONValue] = [:]
    private var sections: [String: JSONValue] = [:]
    private var added: [(token: Tokenizer.AddedToken, id: Int)] = []
    private var hasModel = false

    /// Pairs of tokens, by their bytes: one behind the other.
    private struct Merges {
        var bytes: [UInt8] = []
        /// Where the left token of each ends, and where the right one does.
        var ends: [(left: Int, right: Int)] = []
    }

    /// Opens a file and reads all of it.
    /// - Throws: 66 where it isn't there, 74 where it can't be read, 65 for one that isn't a byte-level BPE tokenizer.
    package static func read(path: String) throws -> Tokenizer {
        let input = try InputFile(path: path)
        guard input.byteCount <= largestByteCount else {
            throw Failure(
                .badData,
                "\(path): \(input.byteCount) bytes, which no tokenizer.json has (at most \(largestByteCount)); is it the right file?"
            )
        }
        var file = Self(path: path)
        do {
            try file.parse(input)
        } catch let problem as JSONReader.Problem {
            throw file.bad("not a tokenizer.json: \(problem.text)")
        }
        return Tokenizer(try file.parts(), digest: try input.digest())
    }

    private init(path: String) { self.path = path }

    func bad(_ what: String) -> Failure { Failure(.badData, "\(path): \(what)") }

    // MARK: - The JSON

    private mutating func parse(_ input: InputFile) throws {
        var reader = JSONReader(input, 0..<input.byteCount)
        var keys: Set<String> = []
        var file = self
        try reader.object(keyLimit: Self.longestKey) { reader, key in
            guard keys.insert(key).inserted else { throw JSONReader.Problem(text: "two members are called \"\(key)\"") }
            switch key {
            case "model":
                file.hasModel = true
                try file.parseModel(&reader)
            case "added_tokens":
                guard try !file.skipsNull(&reader) else { return }
                try reader.list { try file.parseAddedToken(&$0) }
            case "normalizer", "pre_tokenizer", "decoder": file.sections[key] = try JSONValue(&reader)
            default: try reader.skipValue()
            }
        }
        try reader.expectEnd()
        self = file
    }

    /// Passes over `null`, if it comes next.
    private func skipsNull(_ reader: inout JSONReader) throws -> Bool {
        guard try reader.begins(with: "n") else { return false }
        guard try JSONValue(&reader) == .null else { throw JSONReader.Problem(text: "expected null") }
        return true
    }

    private mutating func parseModel(_ reader: inout JSONReader) throws {
        guard try reader.begins(with: "{") else { throw JSONReader.Problem(text: "\"model\" is no object") }
        var keys: Set<String> = []
        var file = self
        try reader.object(keyLimit: Self.longestKey) { reader, key in
            guard keys.insert(key).inserted else { throw JSONReader.Problem(text: "\"model\" has two members \"\(key)\"") }
            switch key {
            // Those of other models have other forms; what the model is, is judged when all is read.
            case "vocab" where try reader.begins(with: "{"): try file.parseVocabulary(&reader)
            case "merges" where try reader.begins(with: "["): try file.parseMerges(&reader)
            case "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
                "ignore_merges":
                file.model[key] = try JSONValue(&reader)
            default: try reader.skipValue()
            }
        }
        self = file
    }

    private mutating func parseVocabulary(_ reader: inout JSONReader) throws {
        try reader.expect("{")
        if try reader.skips("}") { return }
        repeat {
            var token: [UInt8] = []
            try reader.string(limit: Tokenizer.longestToken, into: &token)
            try reader.expect(":")
            let id = try reader.wholeNumber()
            guard !token.isEmpty else { throw JSONReader.Problem(text: "\"vocab\" has an empty token") }
            guard String(validating: token, as: UTF8.self) != nil else {
                throw JSONReader.Problem(text: "token \(id) isn't UTF-8")
            }
            guard (0..<Tokenizer.mostTokens).contains(id) else {
                throw JSONReader.Problem(
                    text: "token \(Self.shown(token)) has the number \(id); expected 0 to \(Tokenizer.mostTokens - 1)")
            }
            guard vocabulary.updateValue(Int32(id), forKey: token) == nil else {
                throw JSONReader.Problem(text: "\"vocab\" has the token \(Self.shown(token)) twice")
            }
        } while try reader.skips(",")
        try reader.expect("}")
    }

    private mutating func parseMerges(_ reader: inout JSONReader) throws {
        var merges = Merges()
        try reader.list { reader in
            guard merges.ends.count < Self.mostMerges else {
                throw JSONReader.Problem(text: "more than \(Self.mostMerges) merges")
            }
            let number = merges.ends.count + 1
            let start = merges.bytes.count
            if try reader.begins(with: "[") {
                var ends: [Int] = []
                try reader.list { reader in
                    guard ends.count < 2 else { throw JSONReader.Problem(text: "merge \(number) has more than two tokens") }
                    try reader.string(limit: Tokenizer.longestToken, into: &merges.bytes)
                    ends.append(merges.bytes.count)
                }
                guard ends.count == 2 else {
                    throw JSONReader.Problem(text: "merge \(number) has \(ends.count) tokens; expected 2")
                }
                merges.ends.append((ends[0], ends[1]))
            } else {
                try reader.string(limit: 2 * Tokenizer.longestToken, into: &merges.bytes)
                let text = merges.bytes[start...]
                guard let blank = text.firstIndex(of: 0x20), !text[(blank + 1)...].contains(0x20) else {
                    throw JSONReader.Problem(
                        text: "merge \(number) is \(Self.shown(text)); expected two tokens with a blank between them")
                }
                merges.bytes.remove(at: blank)
                merges.ends.append((blank, merges.bytes.count))
            }
        }
        self.merges = merges
    }

    private mutating func parseAddedToken(_ reader: inout JSONReader) throws {
        guard added.count < Self.mostAddedTokens else {
            throw JSONReader.Problem(text: "more than \(Self.mostAddedTokens) added tokens")
        }
        let value = try JSONValue(&reader)
        guard let content = value["content"].text, case .number(let number) = value["id"], let id = Int(exactly: number) else {
            throw JSONReader.Problem(text: "\"added_tokens\" has \(value.summary); expected objects with id and content")
        }
        func flag(_ key: String, default fallback: Bool) throws -> Bool {
            guard let flag = value[key].flag(default: fallback) else {
                throw JSONReader.Problem(
                    text: "the added token \"\(content)\" has \(key) \(value[key].summary); expected true or false")
            }
            return flag
        }
        guard (0..<Tokenizer.mostTokens).contains(id) else {
            throw JSONReader.Problem(
                text:
                    "the added token \"\(content.prefix(60))\" has the number \(id); expected 0 to \(Tokenizer.mostTokens - 1)")
        }
        guard (1...Self.longestAddedToken).contains(content.utf8.count) else {
            throw JSONReader.Problem(
                text:
                    "the added token with the number \(id) has \(content.utf8.count) bytes; expected 1 to \(Self.longestAddedToken)"
            )
        }
        guard try !flag("single_word", default: false) else {
            throw JSONReader.Problem(
                text: "the added token \"\(content)\" is found as a single word alone (single_word), which isn't supported")
        }
        let isSpecial = try flag("special", default: false)
        added.append(
            (
                Tokenizer.AddedToken(
                    id: Int32(id), content: Array(content.utf8), isSpecial: isSpecial,
                    stripsLeft: try flag("lstrip", default: false),
                    stripsRight: try flag("rstrip", default: false), isNormalized: try flag("normalized", default: !isSpecial)),
                id
            ))
    }

    /// A token as messages show it.
    static func shown(_ token: some Collection<UInt8>) -> String { "\"\(String(decoding: token.prefix(60), as: UTF8.self))\"" }

    // MARK: - What it makes

    private func parts() throws -> Tokenizer.Parts {
        guard hasModel else { throw bad("not a tokenizer.json: it has no \"model\"") }
        try checkModel()
        var parts = Tokenizer.Parts()
        try TokenizerSections(path: path, sections).read(into: &parts)
        parts.ignoresMerges = model["ignore_merges"] == .bool(true)
        try addTokens(to: &parts)
        try addMerges(to: &parts)
        return parts
    }

    /// Refuses other models, and options that make another one of this.
    private func checkModel() throws {
        let expected = "expected byte-level BPE, such as GPT-2's, or one that dtrain tokenize --train makes"
        let type = model["type"] ?? .null
        guard type == .string("BPE") || type == .null && !merges.ends.isEmpty else {
            throw bad("a tokenizer of the kind \(type.summary); \(expected)")
        }
        for key in ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"] {
            guard let value = model[key] else { continue }
            let isNone = [.null, .string(""), .bool(false), .number(0)].contains(value)
            guard isNone else { throw bad("its model has \(key): \(value.summary), which isn't supported; \(expected)") }
        }
        guard !vocabulary.isEmpty else { throw bad("its model has no tokens (vocab); \(expected)") }
    }

    private func addTokens(to parts: inout Tokenizer.Parts) throws {
        var ids = vocabulary
        var contents: Set<[UInt8]> = []
        var addedBytes = 0
        for (token, _) in added {
            let name = Self.shown(token.content)
            guard contents.insert(token.content).inserted else { throw bad("the added token \(name) is there twice") }
            if let known = ids.updateValue(token.id, forKey: token.content), known != token.id {
                throw bad("the added token \(name) has the number \(token.id), but in the vocabulary it has \(known)")
            }
            addedBytes += token.content.count
            guard addedBytes <= Self.mostAddedBytes else { throw bad("added tokens of more than \(Self.mostAddedBytes) bytes") }
        }
        var names = [[UInt8]?](repeating: nil, count: ids.count)
        for (name, id) in ids {
            guard Int(id) < ids.count else {
                throw bad(
                    "token \(Self.shown(name)) has the number \(id), but there are \(ids.count) tokens; expected the numbers 0 to "
                        + "\(ids.count - 1), each once")
            }
            if let other = names[Int(id)] {
                let both = [other, name].map { Self.shown($0) }.sorted()
                throw bad("the tokens \(both[0]) and \(both[1]) both have the number \(id)")
            }
            names[Int(id)] = name
        }
        parts.added = added.map(\.token)
        parts.tokens = names.map { name in
            guard let name else { preconditionFailure("a token without a name") }
            // Behind an added token lies its text, also where that consists of characters that stand for bytes.
            if !contents.contains(name), let bytes = ByteAlphabet.bytes(of: name) { return (bytes, true) }
            return (name, false)
        }
    }

    private func addMerges(to parts: inout Tokenizer.Parts) throws {
        var start = 0
        parts.merges.reserveCapacity(merges.ends.count)
        for (number, ends) in merges.ends.enumerated() {
            func token(_ range: Range<Int>) throws -> Int32 {
                let name = Array(merges.bytes[range])
                guard let id = vocabulary[name] else {
                    throw bad("merge \(number + 1) speaks of \(Self.shown(name)), which is no token of the vocabulary")
                }
                return id
            }
            parts.merges.append(
                (try token(start..<ends.left), try token(ends.left..<ends.right), try token(start..<ends.right)))
            start = ends.right
        }
    }
}
