import Datasets
import Diagnostics
import Foundation
import Storage
import Testing
import Tokenization

/// `format: tokens`, and windows that move.
@Suite("Windows on tokens")
struct TokenWindowTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func bytes(_ tokens: [Int], width: Int = 2) -> [UInt8] {
        tokens.flatMap { token in (0..<width).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) } }
    }

    private func load(
        _ tokens: [Int], _ options: String = "context: 4\nvocabulary: 1000", width: Int = 2, name: String = "t.bin"
    ) throws -> DataSplits {
        let path = try files.write(name, bytes(tokens, width: width))
        return try DatasetsTests.load("format: tokens\ntrain: {path: \(path)}\n\(options)")
    }

    private func targets(_ dataset: Dataset) -> [[Int]] {
        let width = dataset.inputShape.count
        let classes = AlignedBuffer<Int32>(count: dataset.count * width, repeating: -1)
        dataset.gatherClasses((0..<Int32(dataset.count)).map { $0 }[...], into: classes.elements)
        return (0..<dataset.count).map { row in (0..<width).map { Int(classes.elements[row * width + $0]) } }
    }

    private func inputs(_ dataset: Dataset) -> [[Int]] { dataset.inputRows().map { $0.map { Int($0) } } }

    @Test("an epoch has ⌊tokens ÷ context⌋ windows, which begin elsewhere in each; the last never passes the end")
    func movingWindows() throws {
        for count in 5...21 {
            let tokens = Array(100..<100 + count)
            let train = try load(tokens).train
            #expect(train.movesWindows && train.count == count / 4)
            var starts: Set<Int> = []
            for epoch in 0..<40 {
                let windows = train.inEpoch(epoch, seed: 7)
                let rows = inputs(windows)
                let first = rows[0][0] - 100
                for (index, row) in rows.enumerated() {
                    let start = min(first + 4 * index, count - 5)
                    #expect(row == Array(tokens[start..<start + 4]), "\(count) tokens, epoch \(epoch)")
                }
                #expect(targets(windows) == rows.map { $0.map { $0 + 1 } })
                starts.insert(first)
                #expect(inputs(train.inEpoch(epoch, seed: 7)) == rows)
            }
            #expect(count < 8 || starts == [0, 1, 2, 3], "\(count): \(starts)")
            let others = (0..<20).map { inputs(train.inEpoch($0, seed: 8))[0][0] }
            #expect(count < 8 || others != (0..<20).map { inputs(train.inEpoch($0, seed: 7))[0][0] })
        }
    }

    @Test("windows that don't move are those of a stride, and validation takes the end")
    func fixedWindows() throws {
        let tokens = Array(0..<42)
        #expect(
            inputs(try load(tokens, "context: 4\nstride: 3\nvocabulary: 1000").train).map { $0[0] }
                == Array(stride(from: 0, to: 38, by: 3)))
        let split = try load(tokens, "context: 4\nvocabulary: 1000\nvalidation_fraction: 0.2")
        let held = try #require(split.validation)
        #expect(inputs(held) == [[32, 33, 34, 35], [36, 37, 38, 39]] && targets(held)[1] == [37, 38, 39, 40])
        #expect(split.train.count == 8 && !held.movesWindows && inputs(split.train.withFixedWindows)[7] == [28, 29, 30, 31])
        for epoch in 0..<20 {
            #expect(targets(split.train.inEpoch(epoch, seed: 1)).flatMap { $0 }.max().map { $0 <= 32 } == true)
        }
        #expect(!split.train.withFixedWindows.movesWindows && split.train.withFixedWindows.isCut(intoStreams: 2))
        #expect(!split.train.isCut(intoStreams: 2))
    }

    @Test("several files are one behind the other, whatever their width and header")
    func shards() throws {
        let tokens = (0..<103).map { $0 * 7 % 1000 }
        let whole = try load(tokens)
        let parts = [(0..<1, 2, false), (1..<50, 4, true), (50..<58, 2, true), (58..<103, 2, false)]
        let paths = try parts.enumerated().map { index, part in
            let header =
                part.2 ? TokenFileHeader(count: part.0.count, width: try #require(TokenWidth(rawValue: part.1))).bytes : []
            return try files.write("part\(index).bin", header + bytes(Array(tokens[part.0]), width: part.1))
        }
        let joined = try DatasetsTests.load(
            "format: tokens\ntrain: {paths: [\(paths.joined(separator: ", "))]}\ncontext: 4\nvocabulary: 1000")
        for epoch in 0..<4 {
            #expect(inputs(joined.train.inEpoch(epoch, seed: 3)) == inputs(whole.train.inEpoch(epoch, seed: 3)))
        }
        #expect(try joined.train.digest() == whole.train.digest())
        #expect(joined.byteCount.mapped == 0 && joined.byteCount.allocated == 0)
        #expect(try load(tokens, width: 4, name: "a.bin").train.digest() != whole.train.digest(), "read as uint16")
        #expect(
            try load(tokens, "context: 4\nvocabulary: 1000\ndtype: uint32", width: 4, name: "b.bin").train.digest()
                == whole.train.digest())
        #expect(try load(tokens, "context: 4\nvocabulary: 70000", width: 4, name: "c.bin").train.count == 25)
    }

    @Test("a token outside of the vocabulary is told with file and byte once its window was gathered, and not before")
    func unknownTokens() throws {
        var tokens = Array(0..<40)
        tokens[21] = 1000
        let train = try load(tokens).train.withFixedWindows
        try train.checkGathered()
        #expect(train.inputRows([0, 1, 2, 3, 4]).count == 5)
        try train.checkGathered()
        #expect(train.inputRows([5]) == [[20, 0, 22, 23]])
        expectFailure(.badData, "t.bin: byte 42: token 1000 is outside of the vocabulary of 1000 (0 to 999)") {
            try train.checkGathered()
        }
        let other = try load(tokens).train.withFixedWindows
        let classes = AlignedBuffer<Int32>(count: 4, repeating: -1)
        other.gatherClasses([5][...], into: classes.elements)
        #expect(Array(classes.elements) == [0, 22, 23, 24])
        expectFailure(.badData, "byte 42") { try other.checkGathered() }
    }

    @Test("what can't be used is refused by name")
    func refusals() throws {
        expectFailure(.badData, "t.bin: 4 tokens, but a sample takes 5") { _ = try load([1, 2, 3, 4]) }
        expectFailure(.badData, "t.bin: an empty set") { _ = try load([]) }
        expectFailure(.badConfiguration, "data.vocabulary", "missing") { _ = try load([1, 2, 3], "context: 1") }
        expectFailure(.badConfiguration, "data.vocabulary") {
            _ = try load([1, 2], "context: 1\nvocabulary: 9\ntokenizer: x.json")
        }
        expectFailure(.badConfiguration, "data.dtype", "uint16 or uint32") {
            _ = try load([1, 2], "context: 1\nvocabulary: 9\ndtype: int64")
        }
        expectFailure(.badConfiguration, "leave it out with format: tokens") {
            _ = try load([1, 2], "context: 1\nvocabulary: 9\nclasses: 3")
        }
        let odd = try files.write("odd.bin", [1, 2, 3])
        expectFailure(.badData, "odd.bin: 3 bytes of tokens of 2 bytes", "expected a multiple") {
            _ = try DatasetsTests.load("format: tokens\ntrain: {path: \(odd)}\ncontext: 1\nvocabulary: 9")
        }
        let cut = try files.write("cut.bin", TokenFileHeader(count: 9, width: .two).bytes + bytes([1, 2, 3]))
        expectFailure(.badData, "cut.bin: 6 bytes of tokens, but its header tells of 9") {
            _ = try DatasetsTests.load("format: tokens\ntrain: {path: \(cut)}\ncontext: 1\nvocabulary: 9")
        }
        expectFailure(.badConfiguration, "data.dtype: uint32, but the header of \(cut) says uint16") {
            _ = try DatasetsTests.load("format: tokens\ntrain: {path: \(cut)}\ncontext: 1\nvocabulary: 9\ndtype: uint32")
        }
        let packed = try files.write("t.bin.gz", try gzip(bytes([1, 2, 3])))
        expectFailure(.badData, "t.bin.gz", "gunzip") {
            _ = try DatasetsTests.load("format: tokens\ntrain: {path: \(packed)}\ncontext: 1\nvocabulary: 9")
        }
        expectFailure(.missingInput, "none.bin") {
            _ = try DatasetsTests.load(
                "format: tokens\ntrain: {paths: [none.bin, \(odd)]}\ncontext: 1\nvocabulary: 9")
        }
        expectFailure(.badConfiguration, "data.train.path", "leave out one of the two") {
            _ = try DatasetsTests.load("format: tokens\ntrain: {path: a, paths: [b]}\ncontext: 1\nvocabulary: 9")
        }
    }

    @Test("bytes and the tokens of a tokenizer are read from text, and kept in a checkpoint")
    func texts() throws {
        let text = try files.write("t.txt", "\u{FEFF}abä ab")
        let bytes = try DatasetsTests.load("format: text\ntrain: {path: \(text)}\ntokens: bytes\ncontext: 3")
        #expect(bytes.train.tokenKinds == 256 && inputs(bytes.train) == [[97, 98, 0xC3], [0xA4, 32, 97]])
        let tokenizer = try files.write(
            "tokenizer.json",
            #"{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type": "BPE", "vocab": "#
                + #"{"a": 0, "b": 1, "Ġ": 2, "Ã": 3, "¤": 4, "ab": 5, "Ġab": 6}, "merges": ["a b", "Ġ ab"]}}"#)
        let options = "tokens: {tokenizer: \(tokenizer)}\ncontext: 2"
        let merged = try DatasetsTests.load("format: text\ntrain: {path: \(text)}\n\(options)")
        #expect(merged.train.tokenKinds == 7 && inputs(merged.train) == [[5, 3], [3, 4]], "the last window was moved back")
        for splits in [bytes, merged, try load(Array(0..<9))] {
            let kept = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(splits.preprocessing))
            #expect(kept == splits.preprocessing)
        }
        let schema = try #require(merged.preprocessing.text)
        let codec = try TextCodec(schema)
        #expect(try codec.encode("ab ab", name: "x") == [5, 6] && codec.text(of: [5, 6, 3, 4]) == "ab abä" && codec.kinds == 7)
        #expect(try merged.preprocessing.samples(from: text).count == 1)
        // Another tokenizer isn't taken for it.
        let other = try files.write("other.json", try String(contentsOfFile: tokenizer, encoding: .utf8) + "\n")
        expectFailure(.badData, "other.json: not the tokenizer that the checkpoint was trained with", "SHA-256") {
            _ = try TextCodec(schema, tokenizer: other)
        }
        expectFailure(.badData, "other.json", "SHA-256") {
            _ = try configuration("format: text\ntrain: {path: \(text)}\ntokens: {tokenizer: \(other)}\ncontext: 2")
                .load(with: merged.preprocessing)
        }
        expectFailure(.badConfiguration, "data.tokens", "trained on bytes") {
            _ = try configuration("format: text\ntrain: {path: \(text)}\n\(options)").load(with: bytes.preprocessing)
        }
        expectFailure(.badData, "t.txt: byte 1 (0x62) has no token") {
            let poor = try files.write(
                "poor.json",
                #"{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}"#
            )
            _ = try DatasetsTests.load("format: text\ntrain: {path: \(text)}\ntokens: {tokenizer: \(poor)}\ncontext: 2")
        }
        let empty = try files.write("empty.txt", "")
        for tokens in ["characters", "bytes", "{tokenizer: \(tokenizer)}"] {
            expectFailure(.badData, "empty.txt: an empty text") {
                _ = try DatasetsTests.load("format: text\ntrain: {path: \(empty)}\ntokens: \(tokens)\ncontext: 2")
            }
        }
        expectFailure(.badConfiguration, "data.tokens", "expected characters, bytes, or {tokenizer: FILE}") {
            _ = try DatasetsTests.load("format: text\ntrain: {path: \(text)}\ntokens: words\ncontext: 2")
        }
    }
}
