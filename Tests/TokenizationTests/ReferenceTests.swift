import Foundation
import Testing
import Tokenization

/// Token for token what Hugging Face's `tokenizers` makes (`Tests/References/tokens.py`).
@Suite("Tokens as `tokenizers` makes them")
struct ReferenceTests {
    @Test("all cases are there")
    func complete() {
        #expect(References.cases.count == 10 && References.cases.allSatisfy { $0.tokens.count > 1000 })
    }

    @Test("a text has the tokens of the reference, however it is cut into pieces", arguments: References.cases)
    func encoding(reference: References.Case) throws {
        let tokenizer = try tokenizer(reference.file)
        let text = try References.bytes("text.txt")
        for size in [text.count, 1, 7, 1000] {
            var encoder = TokenEncoder(tokenizer, name: "text.txt")
            var found: [Int32] = []
            for start in stride(from: 0, to: text.count, by: size) {
                try text[start..<min(start + size, text.count)].withUnsafeBytes { try encoder.add($0) }
                encoder.drain { found += $0 }
            }
            found += try encoder.finish()
            #expect(found == reference.tokens, "in pieces of \(size)")
        }
    }

    @Test("tokens become the text again, also one by one", arguments: References.cases.filter { !$0.name.contains("prefix") })
    func decoding(reference: References.Case) throws {
        let tokenizer = try tokenizer(reference.file)
        let text = String(decoding: try References.bytes("text.txt"), as: UTF8.self)
        // Tokens that take white space with them don't give it back.
        if reference.name != "added" { #expect(tokenizer.decode(reference.tokens).utf8.elementsEqual(text.utf8)) }
        var decoder = TokenDecoder(tokenizer)
        var parts = reference.tokens.map { decoder.add($0) }
        parts.append(decoder.finish())
        #expect(parts.joined().utf8.elementsEqual(tokenizer.decode(reference.tokens).utf8))
        #expect(parts.contains(""), "no token ends within a character")
    }

    @Test("training on the text gives the tokens and merges of the reference, and the file that is written is read back")
    func training() throws {
        let text = try References.bytes("text.txt")
        for size in [text.count, 11] {
            var counts = WordCounts()
            for start in stride(from: 0, to: text.count, by: size) {
                try text[start..<min(start + size, text.count)].withUnsafeBytes { try counts.add($0, name: "text.txt") }
            }
            try counts.finish(name: "text.txt")
            let trained = try TokenizerTraining.train(counts, size: 640, leastFrequency: 2, specialTokens: ["<|endoftext|>"])
            let own = try #require(JSONSerialization.jsonObject(with: Data(trained.file)) as? [String: Any])
            let theirs = try #require(
                JSONSerialization.jsonObject(with: Data(References.bytes("tokenizer.json"))) as? [String: Any])
            for part in ["vocab", "merges"] {
                let (a, b) = ((own["model"] as? [String: Any])?[part], (theirs["model"] as? [String: Any])?[part])
                #expect((a as? NSObject) == (b as? NSObject) && a != nil, "\(part)")
            }
            #expect((own["added_tokens"] as? NSObject) == (theirs["added_tokens"] as? NSObject))
            let read = try tokenizer(trained.file)
            #expect(read.digest == trained.tokenizer.digest && read.count == 640)
            let whole = String(decoding: text, as: UTF8.self)
            #expect(try read.encode(whole) == References.cases[0].tokens)
            #expect(try trained.tokenizer.encode(whole) == References.cases[0].tokens)
        }
    }
}
