import Diagnostics
import Files

/// What `tokenizer.json` says of text before and behind its tokens.
struct TokenizerSections {
    private let path: String
    private let sections: [String: JSONValue]

    init(path: String, _ sections: [String: JSONValue]) {
        self.path = path
        self.sections = sections
    }

    private func bad(_ what: String) -> Failure { Failure(.badData, "\(path): \(what)") }

    func read(into parts: inout Tokenizer.Parts) throws {
        let normalizer = sections["normalizer"] ?? .null
        guard normalizer == .null || list(normalizer, of: "normalizers")?.isEmpty ?? false else {
            throw bad(
                "it changes texts before it cuts them (normalizer \(normalizer.summary)), which isn't supported; expected none")
        }
        let decoder = sections["decoder"] ?? .null
        guard decoder == .null || decoder["type"] == .string("ByteLevel") else {
            throw bad("a decoder of the kind \(decoder.summary), not that of byte-level BPE; expected \"ByteLevel\"")
        }
        let cutter = sections["pre_tokenizer"] ?? .null
        let steps = list(cutter, of: "pretokenizers") ?? [cutter]
        guard let last = steps.last, last["type"] == .string("ByteLevel"), steps.count <= 2 else {
            throw bad(
                "it cuts texts by \(steps.map(\.summary).joined(separator: ", ")) (pre_tokenizer), so it isn't byte-level BPE; "
                    + "expected \"ByteLevel\", or \"Split\" and \"ByteLevel\"")
        }
        guard let addsSpace = last["add_prefix_space"].flag(default: true),
            let usesRegex = last["use_regex"].flag(default: true)
        else {
            throw bad("pre_tokenizer: add_prefix_space and use_regex are true or false")
        }
        parts.addsPrefixSpace = addsSpace
        guard steps.count == 2 else {
            parts.pattern = usesRegex ? .gpt2 : .none
            return
        }
        guard !usesRegex, !addsSpace else {
            throw bad(
                "pre_tokenizer: \"ByteLevel\" behind \"Split\" cuts again or adds spaces, which isn't supported; expected use_regex and "
                    + "add_prefix_space to be false")
        }
        parts.pattern = try pattern(of: steps[0])
    }

    /// The members of a sequence; nil for anything else.
    private func list(_ value: JSONValue, of key: String) -> [JSONValue]? {
        guard value["type"] == .string("Sequence"), case .list(let members) = value[key] else { return nil }
        return members
    }

    private func pattern(of split: JSONValue) throws -> WordPattern {
        guard split["type"] == .string("Split") else {
            throw bad(
                "it cuts texts by \(split.summary) (pre_tokenizer), which isn't supported; expected \"ByteLevel\", or \"Split\" and "
                    + "\"ByteLevel\"")
        }
        // Words that stay and what is between them, of which there is nothing: the expressions leave nothing out.
        let behavior = split["behavior"].text
        let inverts = split["invert"] == .bool(true)
        guard let expression = split["pattern"]["Regex"].text, let pattern = WordPattern(expression: expression),
            behavior == "Isolated" && !inverts || behavior == "Removed" && inverts
        else {
            throw bad(
                "it cuts texts by an expression that isn't known (pre_tokenizer); expected that of GPT-2, GPT-4 (cl100k), Llama 3 or "
                    + "Qwen 2, isolated")
        }
        return pattern
    }
}
