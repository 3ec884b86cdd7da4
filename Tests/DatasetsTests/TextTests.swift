import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

@Suite("Text")
struct TextTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func splits(_ text: String, _ options: String) throws -> DataSplits {
        try load("format: text\ntrain: {path: \(try files.write("t.txt", text))}\n\(options)")
    }

    private func classes(_ dataset: Dataset, _ sample: Int32) -> [Int32] {
        let classes = AlignedBuffer<Int32>(count: dataset.inputShape.count, repeating: -1)
        dataset.gatherClasses([sample][...], into: classes.elements)
        return Array(classes.elements)
    }

    @Test("tokens are places among the code points in ascending order, a target is what follows")
    func windows() throws {
        // a b c ä; the last sample ends where the text does.
        let train = try splits("\u{FEFF}abcäabc", "context: 3").train
        #expect(train.count == 2 && train.inputShape == Shape([3]) && train.tokenKinds == 4)
        #expect(train.targetKind == .positions(classes: 4, positions: 3))
        #expect(train.inputRows() == [[0, 1, 2], [3, 0, 1]])
        #expect(classes(train, 0) == [1, 2, 3] && classes(train, 1) == [0, 1, 2])
        let overlapping = try splits("abcäabc", "context: 3\nstride: 1").train
        #expect(overlapping.inputRows() == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]])
    }

    @Test("code points that Swift calls equal are characters of their own")
    func equivalence() throws {
        let train = try splits("\u{C5}\u{212B}\u{C5}\r\n", "context: 4").train
        #expect(train.tokenKinds == 4 && train.inputRows() == [[2, 3, 2, 1]])
    }

    @Test("validation_fraction takes the end of the text, a file of its own is read with the training text's characters")
    func splitting() throws {
        let text = String(repeating: "abcde", count: 21)
        let splits = try splits(text, "context: 5\nvalidation_fraction: 0.25")
        #expect(splits.train.count == 15 && splits.validation?.count == 5)
        let both = splits.train.inputRows() + (splits.validation?.inputRows() ?? [])
        #expect(both.allSatisfy { $0 == [0, 1, 2, 3, 4] })
        let held = try files.write("v.txt", "cab")
        let separate = try self.splits(text, "context: 2\nvalidation: {path: \(held)}")
        #expect(separate.validation?.inputRows() == [[2, 0]])
    }

    @Test("what can't be used is refused by place and name")
    func refusals() throws {
        expectFailure(.badData, "t.txt: 3 characters", "a sample takes 4") { _ = try splits("abc", "context: 3") }
        expectFailure(.badConfiguration, "data.context") { _ = try splits("abc", "") }
        expectFailure(.badConfiguration, "data.context") { _ = try splits("abc", "context: 0") }
        for option in ["normalize: {scale: 2}", "standardize: true", "target_kind: class", "classes: 3", "class_names: [a]"] {
            expectFailure(.badConfiguration, "leave it out with format: text") {
                _ = try splits("abcabc", "context: 1\n\(option)")
            }
        }
        let held = try files.write("v.txt", "ab\nabx")
        expectFailure(.badData, "v.txt:2:3: the character \"x\"", "training text") {
            _ = try splits("ab\nab", "context: 1\nvalidation: {path: \(held)}")
        }
        let bytes = try files.write("b.txt", [0x61, 0xE9, 0x62])
        expectFailure(.badData, "b.txt", "UTF-8") { _ = try load("format: text\ntrain: {path: \(bytes)}\ncontext: 1") }
        expectFailure(.missingInput, "none.txt") { _ = try load("format: text\ntrain: {path: none.txt}\ncontext: 1") }
    }

    @Test("the digest tells texts, contexts and strides apart")
    func digests() throws {
        let digests = try [
            ("abcabcabc", "context: 2"), ("abcabcabd", "context: 2"), ("abcabcabc", "context: 4"),
            ("abcabcabc", "context: 2\nstride: 1")
        ].map { try splits($0, $1).train.digest() }
        #expect(Set(digests).count == 4)
        #expect(try splits("abcabcabc", "context: 2").train.digest() == digests[0])
    }

    @Test("a forged schema is refused")
    func forged() throws {
        let preprocessing = try splits("abcabcabc", "context: 2\nstride: 2").preprocessing
        let text = try #require(String(data: JSONEncoder().encode(preprocessing), encoding: .utf8))
        #expect(try JSONDecoder().decode(Preprocessing.self, from: Data(text.utf8)) == preprocessing)
        let changes = [
            ("[97,98,99]", "[97,99,98]"), ("[97,98,99]", "[]"), ("[97,98,99]", "[97,98,55296]"),
            ("\"context\":2", "\"context\":0"), ("\"context\":2", "\"context\":3"), ("\"stride\":2", "\"stride\":-1"),
            ("\"classes\":3", "\"classes\":4")
        ]
        for (from, to) in changes {
            let forged = text.replacingOccurrences(of: from, with: to)
            #expect(forged != text, "\(from) in \(text)")
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(Preprocessing.self, from: Data(forged.utf8)) }
        }
    }

    @Test("new text is read as text whatever it looks like, without targets, and predicted once per character")
    func newText() throws {
        let trained = try splits("abcäabc", "context: 3\nstride: 1").preprocessing
        let new = try files.write("new.txt", "abcäabcb")
        #expect(try trained.inputs(from: new).inputRows() == [[0, 1, 2], [3, 0, 1]])
        #expect(try trained.samples(from: new).count == 5)
        expectFailure(.badConfiguration, "--targets", "the tokens that follow") {
            _ = try trained.samples(from: new, targets: new)
        }
        let idx = try files.write("new.idx", [0, 0, 8, 1, 0, 0, 0, 3, 97, 98, 99])
        expectFailure(.badData, "new.idx: not a text file") { _ = try trained.inputs(from: idx) }
    }
}
