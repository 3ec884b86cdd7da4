import Diagnostics
import Foundation
import Testing
import Tokenization

/// Small tokenizers by hand, hostile ones, and texts that are hard.
@Suite("Tokenizers")
struct TokenizerTests {
    private static func file(
        vocabulary: String = #"{"a": 0, "b": 1, "Ġ": 2, "ab": 3, "aba": 4}"#, merges: String = #"["a b", "ab a"]"#,
        model: String = "",
        added: String = "[]", cutter: String = #"{"type": "ByteLevel", "add_prefix_space": false}"#, rest: String = ""
    ) -> String {
        #"{"added_tokens": \#(added), "pre_tokenizer": \#(cutter), \#(rest)"#
            + #""model": {"type": "BPE", \#(model) "vocab": \#(vocabulary), "merges": \#(merges)}}"#
    }

    @Test("merges are done by rank, of equal ones from left to right")
    func merges() throws {
        let small = try tokenizer(Self.file())
        #expect(small.count == 5 && small.mergeCount == 2)
        #expect(
            try small.encode("ababa b a") == [3, 4, 2, 1, 2, 0])
        let pairs = try tokenizer(Self.file(vocabulary: #"{"a": 0, "aa": 1}"#, merges: #"[["a", "a"]]"#))
        #expect(try pairs.encode("aaaaa") == [1, 1, 0])
    }

    @Test("of two ways to make a token the one is taken whose merges come first")
    func equalProducts() throws {
        let file = Self.file(
            vocabulary: #"{"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}"#, merges: #"["b c", "a bc", "a b", "ab c"]"#)
        #expect(try tokenizer(file).encode("abcabab") == [5, 3, 3])
    }

    @Test("of added tokens the longest is found, and words end where one begins")
    func addedTokens() throws {
        let added = #"[{"id": 5, "content": "<s>", "special": true}, {"id": 6, "content": "<s>>", "normalized": false}]"#
        let small = try tokenizer(Self.file(added: added))
        #expect(try small.encode("ab<s>ab<s>>a<s>") == [3, 5, 3, 6, 0, 5])
        #expect(small.isSpecial(5) && !small.isSpecial(6) && !small.isSpecial(0))
        #expect(small.addedToken("<s>>") == 6 && small.addedToken("ab") == nil)
        #expect(small.decode([3, 5, 4]) == "ab<s>aba")
    }

    /// A file, and what the message has to say.
    struct Wrong: CustomTestStringConvertible, Sendable {
        let file: String
        let says: [String]
        var testDescription: String { says.joined(separator: ", ") }

        init(_ file: String, _ says: String...) { (self.file, self.says) = (file, says) }
    }

    private static let deep = String(repeating: "[", count: 100_000)

    static let wrong: [Wrong] = [
        Wrong("", "not a tokenizer.json", "byte 0"), Wrong("[]", "not a tokenizer.json"), Wrong("{}", "it has no \"model\""),
        Wrong(#"{"model": 1}"#, "\"model\" is no object"),
        Wrong(#"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#, "the kind \"WordPiece\"", "expected byte-level BPE"),
        Wrong(#"{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}"#, "the kind \"Unigram\""),
        Wrong(#"{"model": {"type": "BPE", "vocab": {}, "merges": []}}"#, "no tokens"),
        Wrong(Self.file(cutter: "null"), "it cuts texts by null", "ByteLevel"),
        Wrong(Self.file(cutter: #"{"type": "Whitespace"}"#), "by \"Whitespace\"", "isn't byte-level BPE"),
        Wrong(Self.file(cutter: #"{"type": "Metaspace", "replacement": "_"}"#), "by \"Metaspace\""),
        Wrong(
            Self.file(
                cutter:
                    #"{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated"},"#
                    + #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}"#),
            "an expression that isn't known"),
        Wrong(
            Self.file(
                cutter:
                    #"{"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel", "add_prefix_space": false, "#
                    + #""use_regex": false}]}"#), "it cuts texts by \"Digits\""),
        Wrong(Self.file(rest: #""normalizer": {"type": "NFC"},"#), "normalizer \"NFC\"", "isn't supported"),
        Wrong(Self.file(rest: #""decoder": {"type": "WordPiece"},"#), "a decoder of the kind \"WordPiece\""),
        Wrong(Self.file(model: #""dropout": 0.1,"#), "dropout: 0.1"),
        Wrong(Self.file(model: #""unk_token": "<unk>","#), "unk_token"),
        Wrong(Self.file(model: #""continuing_subword_prefix": "@@","#), "continuing_subword_prefix"),
        Wrong(Self.file(model: #""end_of_word_suffix": "</w>","#), "end_of_word_suffix"),
        Wrong(Self.file(model: #""byte_fallback": true,"#), "byte_fallback"),
        Wrong(Self.file(merges: #"["a x"]"#), "merge 1", "\"x\"", "no token"),
        Wrong(Self.file(merges: #"["b b"]"#), "merge 1", "\"bb\"", "no token"),
        Wrong(Self.file(merges: #"["a"]"#), "merge 1", "a blank"),
        Wrong(Self.file(merges: #"["a b a"]"#), "merge 1"),
        Wrong(Self.file(merges: #"[["a", "b", "a"]]"#), "merge 1", "more than two"),
        Wrong(Self.file(merges: #"[["a"]]"#), "merge 1 has 1"), Wrong(Self.file(merges: "[7]"), "not a tokenizer.json"),
        Wrong(Self.file(vocabulary: #"{"a": 0, "b": 2}"#, merges: "[]"), "\"b\" has the number 2", "there are 2 tokens"),
        Wrong(Self.file(vocabulary: #"{"a": 0, "b": 0}"#, merges: "[]"), "\"a\" and \"b\" both have the number 0"),
        Wrong(Self.file(vocabulary: #"{"a": 0, "a": 1}"#, merges: "[]"), "the token \"a\" twice"),
        Wrong(Self.file(vocabulary: #"{"a": 1099511627776}"#, merges: "[]"), "\"a\" has the number 1099511627776"),
        Wrong(Self.file(vocabulary: #"{"a": -1}"#, merges: "[]"), "the number -1"),
        Wrong(Self.file(vocabulary: #"{"a": 99999999999999999999}"#, merges: "[]"), "a number beyond"),
        Wrong(Self.file(vocabulary: #"{"a": 0.5}"#, merges: "[]"), "whole number"),
        Wrong(Self.file(vocabulary: #"{"": 0}"#, merges: "[]"), "an empty token"),
        Wrong(Self.file(added: #"[{"id": 9, "content": "<s>"}]"#), "\"<s>\" has the number 9"),
        Wrong(Self.file(added: #"[{"id": 5, "content": "ab"}]"#), "\"ab\" has the number 5, but in the vocabulary it has 3"),
        Wrong(Self.file(added: #"[{"id": 5, "content": "x"}, {"id": 5, "content": "x"}]"#), "\"x\" is there twice"),
        Wrong(Self.file(added: #"[{"id": 1099511627776, "content": "x"}]"#), "1099511627776"),
        Wrong(Self.file(added: #"[{"id": 5, "content": ""}]"#), "0 bytes"),
        Wrong(Self.file(added: #"[{"id": 5}]"#), "added_tokens"),
        Wrong(Self.file(added: #"[{"id": 5, "content": "x", "single_word": true}]"#), "single_word"),
        Wrong(Self.file(added: #"[{"id": 5, "content": "x", "lstrip": 1}]"#), "lstrip 1"),
        Wrong("{\"model\": \(deep)", "\"model\" is no object"), Wrong("{\"normalizer\": \(deep)", "nested deeper"),
        Wrong("{\"x\": \(deep)", "nested too deep"), Wrong(Self.file() + "x", "isn't the end"),
        Wrong(#"{"model": {"type": "BPE", "type": "BPE"}}"#, "two members \"type\""),
        Wrong(String(Self.file().dropLast()), "isn't")
    ]

    @Test("what isn't byte-level BPE, or makes no sense, is refused by its name", arguments: wrong)
    func refusals(wrong: Wrong) {
        let message = refusal { _ = try tokenizer(wrong.file) }
        for part in wrong.says { #expect(message.contains(part), "\"\(part)\" is not in: \(message)") }
    }

    @Test("a missing file is 66")
    func missing() {
        #expect(throws: Failure(.missingInput, "/nowhere/tokenizer.json: there is no such file")) {
            _ = try TokenizerFile.read(path: "/nowhere/tokenizer.json")
        }
    }

    @Test("texts that can't be encoded are refused with their place")
    func badTexts() throws {
        let small = try tokenizer(Self.file())
        #expect(refusal { _ = try small.encode("ab abc") }.contains("the text: byte 5 (0x63) has no token"))
        func encode(_ pieces: [[UInt8]]) -> String {
            refusal {
                var encoder = TokenEncoder(small, name: "t.txt")
                for piece in pieces { try piece.withUnsafeBytes { try encoder.add($0) } }
                _ = try encoder.finish()
            }
        }
        #expect(encode([[0x61, 0xFF, 0x61]]).contains("t.txt: not text in UTF-8: byte 1 (0xff)"))
        #expect(encode([[0x61], [0xC3], [0x28]]).contains("byte 1 (0xc3)"), "a character that is cut between pieces")
        #expect(encode([[0x61, 0xE2, 0x82]]).contains("byte 1 (0xe2)"), "a character that the text ends in")
        #expect(encode([[0xED, 0xA0, 0x80]]).contains("byte 0"), "half of a pair of UTF-16")
    }

    @Test("a word of a megabyte takes no more time for being one", .timeLimit(.minutes(1)))
    func longWord() throws {
        let pairs = try tokenizer(
            Self.file(
                vocabulary: #"{"a": 0, "aa": 1, "aaaa": 2, "b": 3}"#, merges: #"["a a", "aa aa"]"#,
                added: #"[{"id": 4, "content": "aaab"}]"#))
        let tokens = try pairs.encode(String(repeating: "a", count: 1 << 20))
        #expect(tokens.count == 1 << 18 && tokens.allSatisfy { $0 == 2 })
        #expect(
            refusal { _ = try pairs.encode(String(repeating: "a", count: TokenEncoder.longestWord + 1 << 21)) }
                .contains("the word that begins at byte 0 is longer than 16 MiB"))
    }

    @Test("characters come whole, and bytes that are none as one that says so")
    func decoder() throws {
        func decode(_ tokens: [[UInt8]]) -> [String] {
            var decoder = TokenDecoder { tokens[Int($0)][...] }
            return tokens.indices.map { decoder.add(Int32($0)) } + [decoder.finish()]
        }
        #expect(decode([[0xF0, 0x9F], [0x98], [0x80, 0x61]]) == ["", "", "😀a", ""])
        #expect(decode([[0xE2, 0x82], [0x61]]) == ["", "\u{FFFD}a", ""])
        #expect(decode([[0x61, 0xFF], [0xC3]]) == ["a\u{FFFD}", "", "\u{FFFD}"])
        #expect(decode([[0xC0, 0xAF, 0xE0], [0xA4]]) == ["\u{FFFD}\u{FFFD}", "", "\u{FFFD}"])
    }

    @Test("UTF-8 is told as Swift tells it")
    func validation() {
        let parts: [[UInt8]] = [
            [0x61], [0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x98, 0x80], [0xC0, 0x80], [0xED, 0x9F, 0xBF],
            [0xED, 0xA0, 0x80],
            [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x9F, 0x80], [0x80], [0xF5], [0xF0, 0x8F, 0x80, 0x80],
            [0xC3]
        ]
        for one in parts {
            for other in parts {
                let text = one + other
                let end = text.withUnsafeBufferPointer { UTF8Validation.end(of: $0, from: 0) }
                #expect((end == text.count) == (String(validating: text, as: UTF8.self) != nil), "\(text)")
                #expect(String(validating: text[..<end], as: UTF8.self) != nil, "\(text)")
            }
        }
    }

    @Test("headers of llm.c are told from tokens, and refused where they can't be")
    func headers() throws {
        for width in TokenWidth.allCases {
            let header = TokenFileHeader(count: 77, width: width)
            #expect(header.bytes.count == 1024)
            #expect(try header.bytes.withUnsafeBytes { try TokenFileHeader($0, path: "t.bin") } == header)
            var wrong = header.bytes
            wrong[4] = 99
            #expect(refusal { _ = try wrong.withUnsafeBytes { try TokenFileHeader($0, path: "t.bin") } }.contains("version 99"))
            #expect(
                refusal { _ = try header.bytes[..<100].withUnsafeBytes { try TokenFileHeader($0, path: "t.bin") } }.contains(
                    "t.bin"))
        }
        #expect(try [UInt8](repeating: 1, count: 2000).withUnsafeBytes { try TokenFileHeader($0, path: "t.bin") } == nil)
    }
}
