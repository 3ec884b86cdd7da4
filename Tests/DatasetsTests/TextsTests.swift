import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// `format: texts`: from tables to tokens.
@Suite("Labelled texts")
struct TextsTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private static let messages = "label,message\nham,\"Hi, you!\"\nspam,WIN cash. Win!\nham,\"hi\nthere\"\n"

    private func yaml(_ table: String, _ options: String, columns: String = "text: message, target: label") throws -> String {
        "format: texts\ntrain: {path: \(try files.write("t.csv", table)), \(columns)}\n\(options)"
    }

    private func splits(_ table: String, _ options: String, columns: String = "text: message, target: label") throws
        -> DataSplits
    {
        try load(try yaml(table, options, columns: columns))
    }

    private func lengths(_ dataset: Dataset) -> [Int32] {
        let samples = Array(0..<Int32(dataset.count))
        let lengths = AlignedBuffer<Int32>(count: dataset.count, repeating: -1)
        dataset.gatherLengths(samples[...], into: lengths.elements)
        return Array(lengths.elements)
    }

    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        TokenRule.forEachWord(in: text) { words.append(String($0)) }
        return words
    }

    // MARK: - Words

    @Test("a word is a run of letters and digits with apostrophes inside, every other visible character is one of its own")
    func words() {
        for (text, words) in [
            ("It's 5pm, don't!", ["It's", "5pm", ",", "don't", "!"]),
            ("'tis the dogs' o’clock", ["'", "tis", "the", "dogs", "'", "o’clock"]),
            ("a''b rock'n'roll '", ["a", "'", "'", "b", "rock'n'roll", "'"]),
            ("x_y-z\t1.5\r\n£3 \u{200B}\u{FEFF}\u{7}", ["x", "_", "y", "-", "z", "1", ".", "5", "£", "3"]),
            // Marks belong to the letter that they are set on, in whatever script.
            ("cafe\u{301} naïve हिन्दी", ["cafe\u{301}", "naïve", "हिन्दी"]),
            // One emoji, whatever it is composed of.
            ("ok👩\u{200D}👩\u{200D}👧🇩🇪👍🏽", ["ok", "👩\u{200D}👩\u{200D}👧", "🇩🇪", "👍🏽"]), ("½ x² 東京", ["½", "x²", "東京"]), (" \n ", [])
        ] {
            #expect(Self.words(text) == words, "\(text)")
        }
    }

    @Test("words are counted in the training texts, the most frequent first, equals by code points; what is shorter is padded")
    func vocabulary() throws {
        let splits = try splits(Self.messages, "tokens: words")
        // hi 2, win 2, ! 2; then , . cash there you, once each.
        #expect(splits.preprocessing.texts?.vocabulary == .words(["!", "hi", "win", ",", ".", "cash", "there", "you"]))
        #expect(splits.train.tokenKinds == 10 && splits.preprocessing.tokenKinds == 10)
        #expect(splits.train.hasLengths && splits.preprocessing.hasLengths && splits.train.inputShape == Shape([5]))
        #expect(splits.train.inputRows() == [[3, 5, 9, 2, 0], [4, 7, 6, 4, 2], [3, 8, 0, 0, 0]])
        #expect(lengths(splits.train) == [4, 5, 2])
        #expect(splits.train.classNames == ["ham", "spam"] && splits.train.classList == [0, 1, 0])
    }

    @Test("with a smaller vocabulary the rest is unknown; what is longer than a sample is cut at its end")
    func cutting() throws {
        let splits = try splits(Self.messages, "tokens: words\nvocabulary: 2\nlength: 3")
        // Of the first three words of each text: hi 2, then the others once each.
        #expect(splits.preprocessing.texts?.vocabulary == .words(["hi", ","]))
        #expect(splits.train.inputRows() == [[2, 3, 1], [1, 1, 1], [2, 1, 0]])
        #expect(lengths(splits.train) == [3, 3, 2])
        let statistics = try #require(splits.train.sequenceStatistics)
        #expect(statistics.shortest == 2 && statistics.median == 4 && statistics.longest == 5 && statistics.cutCount == 2)
        #expect(statistics.unknownShare == 5.0 / 8)
        let long = try self.splits(Self.messages, "tokens: words\nlength: 7").train
        #expect(long.inputRows()[2] == [3, 8, 0, 0, 0, 0, 0] && lengths(long) == [4, 5, 2])
    }

    @Test("capital letters count as small ones where they are to; by themselves for words only")
    func lowercase() throws {
        let table = "message,label\nÄ Ba,0\nä ba,1\n"
        #expect(try splits(table, "tokens: words").train.inputRows() == [[3, 2], [3, 2]])
        #expect(try splits(table, "tokens: words\nlowercase: false").train.tokenKinds == 6)
        // Characters: blank and a twice, then A-umlaut, B, b, a-umlaut.
        #expect(try splits(table, "").train.tokenKinds == 8)
        #expect(try splits(table, "lowercase: true").train.tokenKinds == 6)
        #expect(try splits(table, "tokens: bytes\nlowercase: true").train.inputRows()[0] == [0xC4, 0xA5, 0x21, 0x63, 0x62])
    }

    @Test("characters are code points, the blanks and line ends of a quoted cell included; words are equal as strings are")
    func characters() throws {
        let table = "message,label\n\"\u{E9}\r\n b\",0\ne\u{301}b,1\n"
        let train = try splits(table, "").train
        #expect(train.tokenKinds == 9 && lengths(train) == [5, 3])
        #expect(
            try splits(table, "").preprocessing.texts?.vocabulary == .characters([0x62, 0x0A, 0x0D, 0x20, 0x65, 0xE9, 0x301]))
        let words = try splits("message,label\n\u{E9},0\ne\u{301},1\n", "tokens: words").train
        #expect(words.tokenKinds == 3 && words.inputRows() == [[2], [2]])
        #expect(
            try splits("message,label\n🙂a,0\nb,1\n", "tokens: bytes").train.inputRows() == [
                [0xF1, 0xA0, 0x9A, 0x83, 0x62], [0x63, 0, 0, 0, 0]
            ])
    }

    // MARK: - Splits and tables

    @Test("neither the vocabulary nor the length comes from validation data, of the same file or another")
    func training() throws {
        let table =
            "message,label\n" + (0..<20).map { "w\($0) and" + String(repeating: " x", count: $0) + ",\($0 % 2)\n" }.joined()
        let splits = try splits(table, "tokens: words\nvalidation_fraction: 0.25")
        let held = try #require(splits.validation)
        #expect(splits.train.count == 15 && held.count == 5)
        #expect(splits.train.sequenceStatistics?.unknownShare == 0 && held.sequenceStatistics?.unknownShare ?? 0 > 0)
        #expect(splits.train.sequenceStatistics?.longest == splits.train.inputShape.count)
        #expect(held.inputRows().allSatisfy { $0[0] == 1 })
        let other = try files.write("v.tsv", "label\tmessage\n1\tand then and then and\n")
        let separate = try self.splits(
            "message,label\nand so,0\nso,1\n", "tokens: words\nvalidation: {path: \(other), delimiter: tab}")
        #expect(separate.validation?.inputRows() == [[3, 1]] && separate.validation?.classList == [1])
        #expect(separate.validation?.sequenceStatistics?.cutCount == 1)
    }

    @Test("numbers, weights, columns by number, files without header and quotation marks that are no quotes are read as in csv")
    func tables() throws {
        let numbers = try splits("a,n,w\nx y,1.5,1\ny,-2,0.5\n", "", columns: "text: a, target: n, weight: w").train
        #expect(
            numbers.targetKind == .values(count: 1) && numbers.targetRows(columns: 1) == [[1.5], [-2]] && numbers.hasWeights)
        let bare = try splits(
            "ham\t\"Hi\" he said\nspam\tsay \"\nham\t\"\n", "tokens: words",
            columns: "text: 1, target: 0, header: false, delimiter: tab, quotes: false")
        #expect(bare.train.inputRows() == [[2, 4, 2, 3, 5], [6, 2, 0, 0, 0], [2, 0, 0, 0, 0]])
        let packed = try files.write("t.csv.gz", gzip(Array(Self.messages.utf8)))
        let same = try load("format: texts\ntrain: {path: \(packed), text: message, target: label}\ntokens: words")
        #expect(try same.train.digest() == splits(Self.messages, "tokens: words").train.digest())
    }

    @Test("the digest tells texts, lengths and vocabularies apart")
    func digests() throws {
        let digests = try [
            ("a b,0\nb,1\n", ""), ("a b,0\na,1\n", ""), ("a b,0\nb,1\n", "length: 4"), ("a b,1\nb,0\n", ""),
            ("a b,0\nb,1\n", "tokens: words"), ("a b,0\nb,1\n", "tokens: bytes"),
            // The tokens are those of the first, and stand for something else.
            ("d c,0\nc,1\n", "")
        ].map { try splits("message,label\n" + $0, $1).train.digest() }
        #expect(Set(digests).count == 7)
        #expect(try splits("message,label\r\na b,0\r\nb,1", "").train.digest() == digests[0])
    }

    // MARK: - New texts

    @Test("new texts are read with the vocabulary of training: tables, without targets too, and files with one on each line")
    func newTexts() throws {
        let trained = try splits(Self.messages, "tokens: words").preprocessing
        let table = try files.write("new.csv", "message\nHi cash?\n\"a, b\"\n")
        #expect(try trained.inputs(from: table).inputRows() == [[3, 7, 1, 0, 0], [1, 5, 1, 0, 0]])
        let lines = try files.write("new.txt", "\u{FEFF}Hi, cash?\r\nmessage, \"hi\"")
        var notes: [String] = []
        let read = try trained.inputs(from: lines) { notes.append($0) }
        #expect(read.inputRows() == [[3, 5, 7, 1, 0], [1, 5, 1, 3, 1]] && notes.count == 1)
        #expect(lengths(read) == [4, 5])
        let labelled = try files.write("l.csv", "message,label\nHi,spam\n")
        #expect(try trained.samples(from: labelled).classList == [1])
        #expect(try trained.inputs(from: labelled).inputRows() == [[3, 0, 0, 0, 0]])
        expectFailure(.badData, "new.txt", "no target") { _ = try trained.samples(from: lines) }
        expectFailure(.badConfiguration, "--targets") { _ = try trained.samples(from: labelled, targets: labelled) }
        expectFailure(.badData, "l.csv", "header of the training data (message)") {
            _ = try trained.inputs(from: files.write("l.csv", "text\nHi\n"))
        }
        expectFailure(.badData, "e.txt:2", "one word or more") {
            _ = try trained.inputs(from: files.write("e.txt", "hi\n\nhi\n"))
        }
        expectFailure(.badData, "e.txt", "no line of text") { _ = try trained.inputs(from: files.write("e.txt", "")) }
        expectFailure(.badData, "e.txt:2", "UTF-8") {
            _ = try trained.inputs(from: files.write("e.txt", [0x61, 0x0A, 0xE9, 0x0A]))
        }
    }

    @Test("what is trained on is read again with what the checkpoint keeps, and nothing else")
    func stored() throws {
        let trained = try splits(Self.messages, "tokens: words\nvocabulary: 3").preprocessing
        let again = try configuration(try yaml(Self.messages, "tokens: words\nvocabulary: 3")).load(with: trained)
        #expect(again.train.inputRows() == [[3, 1, 1, 2, 0], [4, 1, 1, 4, 2], [3, 1, 0, 0, 0]])
        for options in [
            "tokens: bytes", "tokens: words\nlength: 9", "tokens: words\nlowercase: false", "tokens: words\nvocabulary: 2"
        ] {
            expectFailure(.badConfiguration, "the checkpoint was trained with tokens: words") {
                _ = try configuration(try yaml(Self.messages, options)).load(with: trained)
            }
        }
        let table = try files.write("n.csv", "a,label\n1,ham\n2,spam\n")
        expectFailure(.badConfiguration, "not on a table") {
            _ = try configuration("format: csv\ntrain: {path: \(table), target: label}").load(with: trained)
        }
        let (inputs, targets) = (try files.write("x", idx([2, 5], Array(0..<10))), try files.write("y", idx([2], [0, 1])))
        expectFailure(.badConfiguration, "trained on text") {
            _ = try configuration("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}").load(with: trained)
        }
        let numbers = try load("format: csv\ntrain: {path: \(table), target: label}").preprocessing
        expectFailure(.badConfiguration, "not on texts") {
            _ = try configuration(try yaml(Self.messages, "")).load(with: numbers)
        }
    }

    // MARK: - Refusals

    @Test("what can't be used is refused by place and name")
    func refusals() throws {
        func refuse(
            _ code: ExitCode, _ table: String, options: String = "", columns: String = "text: message, target: label",
            _ says: String...
        ) throws {
            let yaml = try yaml(table, options, columns: columns)
            for part in says { expectFailure(code, part) { _ = try load(yaml) } }
        }
        try refuse(.badData, "message,label\nhi,0\n\"\",1\n", "t.csv:3: column \"message\"", "one character or more")
        try refuse(.badData, "message,label\nhi,0\n\" \",1\n", options: "tokens: words", "t.csv:3", "found \" \"")
        try refuse(.badData, "message,label\n", "an empty set")
        try refuse(.badData, "message,label\nhi,a\nho,a\n", "one class")
        try refuse(.badData, "message,label\nhi,\nho,a\n", "t.csv:2: column \"label\"", "missing")
        try refuse(.badData, "message,label\nhi, you,a\nho,b\n", "t.csv:2: expected 2 cells, found 3", "quotation marks")
        try refuse(.badConfiguration, "massage,label\nhi,a\n", "data.train.text", "did you mean \"massage\"")
        try refuse(
            .badConfiguration, Self.messages, columns: "text: message, target: message", "column \"message\" is named twice")
        try refuse(.badConfiguration, Self.messages, columns: "target: label", "data.train.text", "the column with the texts")
        try refuse(.badConfiguration, Self.messages, columns: "text: message", "data.train.target", "the column to predict")
        for (options, part) in [
            ("length: 0", "data.length"), ("length: 1048577", "data.length"), ("vocabulary: 1", "data.vocabulary"),
            ("vocabulary: 1048577", "data.vocabulary"), ("tokens: bytes\nvocabulary: 9", "all 256 bytes"),
            ("tokens: word", "words"),
            ("normalize: {scale: 2}", "leave it out with format: texts"),
            ("augment: [gaussian_noise: 0.1]", "leave it out with format: texts"),
            ("target_kind: input", "target_kind")
        ] {
            try refuse(.badConfiguration, Self.messages, options: options, part)
        }
        let latin = try files.write("l.csv", Array("message,label\nhi,0\ncaf".utf8) + [0xE9] + Array(",1\n".utf8))
        expectFailure(.badData, "l.csv:3: column \"message\"", "UTF-8") {
            _ = try load("format: texts\ntrain: {path: \(latin), text: message, target: label}")
        }
        let long = "message,label\na,0\n" + String(repeating: "b", count: 1 << 20 + 1) + ",1\n"
        try refuse(.badData, long, "t.csv:3", "1048577 characters", "set data.length")
        #expect(try splits(long, "length: 4").train.inputRows() == [[3, 0, 0, 0], [2, 2, 2, 2]])
    }

    @Test("a forged schema is refused")
    func forged() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        for (options, changes) in [
            (
                "tokens: words\nvocabulary: 2",
                [
                    ("[\"!\",\"hi\"]", "[\"hi\",\"hi\"]"), ("[\"!\",\"hi\"]", "[\"\",\"hi\"]"), ("[\"!\",\"hi\"]", "[]"),
                    ("[\"!\",\"hi\"]", "[\"\u{E9}\",\"e\u{301}\"]"), ("\"kind\":\"words\"", "\"kind\":\"bytes\""),
                    ("\"length\":5", "\"length\":6"),
                    ("\"inputDimensions\":[5]", "\"inputDimensions\":[5,1]"), ("\"columnCount\":2", "\"columnCount\":1"),
                    ("\"fillsMissing\":false", "\"fillsMissing\":true"), ("\"hasTargetFile\":false", "\"hasTargetFile\":true")
                ]
            ),
            (
                "vocabulary: 2",
                [("\"_0\":[32,33]", "\"_0\":[32,32]"), ("\"_0\":[32,33]", "\"_0\":[55296,33]"), ("\"_0\":[32,33]", "\"_0\":[]")]
            )
        ] {
            let preprocessing = try splits("label,message\nham,! ! hi\nspam,hi ! !\nham,a b !!\n", options + "\nlength: 5")
                .preprocessing
            let text = try #require(String(data: encoder.encode(preprocessing), encoding: .utf8))
            #expect(try JSONDecoder().decode(Preprocessing.self, from: Data(text.utf8)) == preprocessing)
            for (from, to) in changes {
                let forged = text.replacing(from, with: to)
                #expect(Array(forged.utf8) != Array(text.utf8), "\(from) in \(text)")
                #expect(throws: DecodingError.self, "\(to)") {
                    try JSONDecoder().decode(Preprocessing.self, from: Data(forged.utf8))
                }
            }
        }
    }
}
