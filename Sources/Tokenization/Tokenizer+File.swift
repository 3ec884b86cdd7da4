import Files

extension Tokenizer {
    /// The `tokenizer.json` of one that was trained, as `tokenizers` and dtrain read it.
    static func file(_ parts: Parts) -> [UInt8] {
        var text = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": ["
        text += parts.added.map { token in
            let content = quoted(String(decoding: token.content, as: UTF8.self))
            return
                "\n    {\"id\": \(token.id), \"content\": \(content), \"single_word\": false, \"lstrip\": \(token.stripsLeft), "
                + "\"rstrip\": \(token.stripsRight), \"normalized\": \(token.isNormalized), \"special\": \(token.isSpecial)}"
        }.joined(separator: ",")
        text += parts.added.isEmpty ? "],\n" : "\n  ],\n"
        let byteLevel = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}"
        text +=
            "  \"normalizer\": null,\n  \"pre_tokenizer\": \(byteLevel),\n  \"post_processor\": null,\n  \"decoder\": \(byteLevel),\n"
        text += "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
        text += "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
        text += "    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n    \"vocab\": {"
        let names = parts.tokens.map { token in
            quoted(token.isOfBytes ? ByteAlphabet.text(of: token.bytes) : String(decoding: token.bytes, as: UTF8.self))
        }
        for (id, name) in names.enumerated() { text += "\(id == 0 ? "" : ",")\n      \(name): \(id)" }
        text += "\n    },\n    \"merges\": ["
        for (index, merge) in parts.merges.enumerated() {
            text += "\(index == 0 ? "" : ",")\n      [\(names[Int(merge.left)]), \(names[Int(merge.right)])]"
        }
        return Array((text + (parts.merges.isEmpty ? "]\n  }\n}\n" : "\n    ]\n  }\n}\n")).utf8)
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
