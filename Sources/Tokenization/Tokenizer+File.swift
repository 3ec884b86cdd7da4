import Files

extension Tokenizer {
    /// The `tokenizer.json` of one that was trained, as `tokenizers` and dtrain read it.
    static func file(_ parts: Parts) -> [UInt8] {
        let byteLevel = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}"
        let names = parts.tokens.map { token in
            quoted(token.isOfBytes ? ByteAlphabet.text(of: token.bytes) : String(decoding: token.bytes, as: UTF8.self))
        }
        let added = parts.added.map { token in
            let content = quoted(String(decoding: token.content, as: UTF8.self))
            return "{\"id\": \(token.id), \"content\": \(content), \"single_word\": false, \"lstrip\": \(token.stripsLeft), "
                + "\"rstrip\": \(token.stripsRight), \"normalized\": \(token.isNormalized), \"special\": \(token.isSpecial)}"
        }
        let vocabulary = names.enumerated().map { "\($1): \($0)" }
        let merges = parts.merges.map { "[\(names[Int($0.left)]), \(names[Int($0.right)])]" }
        func lines(_ items: [String]) -> String { items.isEmpty ? "" : "\n" + items.joined(separator: ",\n") + "\n" }
        let model = [
            ("type", "\"BPE\""), ("dropout", "null"), ("unk_token", "null"), ("continuing_subword_prefix", "null"),
            ("end_of_word_suffix", "null"), ("fuse_unk", "false"), ("byte_fallback", "false"), ("ignore_merges", "false"),
            ("vocab", "{\(lines(vocabulary))}"), ("merges", "[\(lines(merges))]")
        ]
        let sections = [
            ("version", "\"1.0\""), ("truncation", "null"), ("padding", "null"), ("added_tokens", "[\(lines(added))]"),
            ("normalizer", "null"), ("pre_tokenizer", byteLevel), ("post_processor", "null"), ("decoder", byteLevel),
            ("model", object(model))
        ]
        return Array((object(sections) + "\n").utf8)
    }

    private static func object(_ members: [(key: String, value: String)]) -> String {
        "{\n" + members.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",\n") + "\n}"
    }

    /// A string of JSON.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
