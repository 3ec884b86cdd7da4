import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// `format: ucr`: files of the UCR and UEA archives.
@Suite("Classified series")
struct UCRTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private static let rows = "2\t1\t2\t3\n-1\t4\t5\t6\n10\t7\t8\t9\n2\t1.5\t-2e0\t0\n"
    private static let archive = """
        # made for a test
        @problemName Test
        @timeStamps false
        @missing false
        @univariate false
        @dimensions 2
        @equalLength true
        @seriesLength 3
        @classLabel true up down
        @data
        1,2,3:10,20,30:up
        4, 5 ,6:40,50,60:down

        7,8,9:70,80,90:up
        """

    private func splits(_ text: String, _ options: String = "", name: String = "t.tsv") throws -> DataSplits {
        try load("format: ucr\ntrain: {path: \(try files.write(name, text))}\n\(options)")
    }

    private func lengths(_ dataset: Dataset) -> [Int32] {
        let lengths = AlignedBuffer<Int32>(count: dataset.count, repeating: -1)
        dataset.gatherLengths(Array(0..<Int32(dataset.count))[...], into: lengths.elements)
        return Array(lengths.elements)
    }

    @Test("rows hold a class and then numbers; classes are called as they are written, in the order of their numbers")
    func readsRows() throws {
        let train = try splits(Self.rows).train
        #expect(train.inputShape == Shape([3, 1]) && !train.hasLengths)
        #expect(train.inputRows() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [1.5, -2, 0]])
        #expect(train.classNames == ["-1", "2", "10"] && train.classList == [1, 0, 2, 1])
        let named = try splits("\u{FEFF}b,1,2\r\n\r\na,3,4").train
        #expect(named.classNames == ["a", "b"] && named.inputRows() == [[1, 2], [3, 4]] && named.classList == [1, 0])
    }

    @Test("*.ts holds dimensions side by side: step by step in a sample; the header lists the classes in their order")
    func readsArchive() throws {
        let splits = try splits(Self.archive, name: "t.ts")
        #expect(splits.train.inputShape == Shape([3, 2]) && splits.train.classNames == ["up", "down"])
        #expect(
            splits.train.inputRows() == [[1, 10, 2, 20, 3, 30], [4, 40, 5, 50, 6, 60], [7, 70, 8, 80, 9, 90]]
                && splits.train.classList == [0, 1, 0])
        let plain = try self.splits("@CLASSLABEL TRUE\n@Data\n1,2:b\n3,4:a\n", name: "t.ts").train
        #expect(plain.classNames == ["a", "b"] && plain.inputShape == Shape([2, 1]))
        let packed = try files.write("t.ts.gz", gzip(Array(Self.archive.utf8)))
        #expect(try load("format: ucr\ntrain: {path: \(packed)}").train.digest() == splits.train.digest())
    }

    @Test("series of different lengths are padded at their ends, and have their own lengths")
    func unequal() throws {
        let splits = try splits("a\t1\t2\t3\tNaN\nb\t4\tnan\tNaN\tNaN\na\t5\t6\tNaN\tNaN\n")
        #expect(splits.train.hasLengths && splits.preprocessing.hasLengths && splits.train.inputShape == Shape([3, 1]))
        #expect(splits.train.inputRows() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]] && lengths(splits.train) == [3, 1, 2])
        let statistics = try #require(splits.train.stepStatistics(splits.preprocessing))
        #expect(statistics.shortest == 1 && statistics.median == 2 && statistics.longest == 3 && statistics.cutCount == 0)
        #expect(statistics.dimensions[0].count == 6 && statistics.dimensions[0].mean == 3.5)
        let both = try self.splits(
            "@equalLength false\n@classLabel true x y\n@data\n1,2:3,4:x\n5:6:y\n", "standardize: true", name: "t.ts")
        #expect(both.train.inputRows()[1].suffix(2) == [0, 0] && lengths(both.train) == [2, 1])
        // Padding has no part in the means: 1, 2, 5 and 3, 4, 6.
        #expect(abs(both.train.inputRows()[0][0] - Float(-5.0 / 3 / (26.0 / 9).squareRoot())) < 1e-6)
        let cut = try self.splits(Self.rows, "length: 2")
        #expect(cut.train.inputRows()[0] == [1, 2] && lengths(cut.train) == [2, 2, 2, 2])
        #expect(cut.notes == ["\(files.path("t.tsv")): 4 series longer than 2 steps; cut at their ends"])
        #expect(try self.splits(Self.rows, "length: 5").train.inputRows()[1] == [4, 5, 6, 0, 0])
        // The longest of all counts, in validation too.
        let other = try files.write("v.tsv", "a\t1\t2\t3\t4\t5\n")
        let longer = try self.splits("a\t1\t2\nb\t3\t4\n", "validation: {path: \(other)}")
        #expect(longer.train.inputShape == Shape([5, 1]) && longer.validation?.inputRows() == [[1, 2, 3, 4, 5]])
    }

    @Test("a dimension is standardised with the training series alone; splits are drawn as those of tables")
    func standardize() throws {
        let table = (0..<20).map { "\($0 % 2)\t\($0)\t\($0 + 1)\n" }.joined()
        let splits = try splits(table, "standardize: true\nvalidation_fraction: 0.25")
        #expect(splits.train.count == 15 && splits.validation?.count == 5)
        let all = splits.train.inputRows().flatMap { $0 }
        #expect(abs(all.reduce(0, +)) < 1e-4 && abs(all.reduce(0) { $0 + $1 * $1 } / 30 - 1) < 1e-5)
        #expect(try self.splits(table).train.digest() != self.splits(table, "standardize: true").train.digest())
    }

    @Test("new files of both kinds are read as those of training, for predictions without classes too")
    func newFiles() throws {
        let trained = try splits(Self.rows, "standardize: true").preprocessing
        let same = try trained.samples(from: files.path("t.tsv"))
        #expect(try same.digest() == splits(Self.rows, "standardize: true").train.digest())
        let bare = try files.write("bare.tsv", "1\t2\t3\n4\t5\t6\n")
        var notes: [String] = []
        #expect(try trained.inputs(from: bare) { notes.append($0) }.inputRows() == Array(same.inputRows().prefix(2)))
        #expect(notes == ["\(bare): 2 rows of 3 numbers, read as series without a class"])
        let unlabelled = try files.write("u.ts", "@classLabel false\n@data\n1,2,3\n")
        #expect(try trained.inputs(from: unlabelled).inputRows() == [same.inputRows()[0]])
        let unknown = try files.write("n.ts", "@classLabel true 10 2 -1\n@data\n1,2,3:?\n")
        #expect(try trained.inputs(from: unknown).inputRows() == [same.inputRows()[0]])
        #expect(try trained.samples(from: files.write("l.ts", "@classLabel true 10 2 -1\n@data\n1,2,3:10\n")).classList == [2])
        func refuse(_ text: String, _ says: String..., isLabelled: Bool = true) throws {
            let path = try files.write("bad", text)
            for part in says {
                expectFailure(.badData, part) { _ = try isLabelled ? trained.samples(from: path) : trained.inputs(from: path) }
            }
        }
        try refuse("7\t1\t2\t3\n", "bad:1: \"7\" is not one of the classes of the training data", "known: -1, 2, 10")
        try refuse("2\t1\t2\n", "bad:1: a series of 2 steps; expected 3, as all of the training data have")
        try refuse("2\t1\t2\t3\t4\n", "bad:1: a series of 4 steps", isLabelled: false)
        try refuse("@classLabel true 2\n@data\n1,2,3:4,5,6:2\n", "bad:3: a series of 2 dimensions; expected 1")
        try refuse("@classLabel false\n@data\n1,2,3\n", "its header names no classes")
        let lengthy = try splits("a\t1\t2\t3\nb\t4\tNaN\tNaN\n", name: "x.tsv").preprocessing
        notes = []
        #expect(
            try lengthy.inputs(from: files.write("y.tsv", "a\t1\t2\t3\t4\n")) { notes.append($0) }.inputRows() == [[1, 2, 3]])
        #expect(notes.count == 1 && notes[0].contains("1 series longer than 3 steps; cut"))
    }

    @Test("what can't be used is refused by place and name")
    func refusals() throws {
        func refuse(
            _ text: String, options: String = "", name: String = "t.tsv", _ code: ExitCode = .badData, _ says: String...
        ) throws {
            for part in says { expectFailure(code, part) { _ = try splits(text, options, name: name) } }
        }
        try refuse("", .badData, "t.tsv: an empty set: no series")
        try refuse("a\t1\na\t2\n", .badData, "one class \"a\"")
        try refuse("a\t1\t?\t3\nb\t1\t2\t3\n", .badData, "t.tsv:1: a value inside of the series is missing (\"?\")")
        try refuse("a\t1\t2\t3\nb\tNaN\t2\t3\n", .badData, "t.tsv:2: a value inside of the series is missing (\"NaN\")")
        try refuse("a\t1\nb\t\t2\n", .badData, "t.tsv:2", "missing (\"\")")
        try refuse("a\tNaN\tNaN\nb\t1\t2\n", .badData, "t.tsv:1: a series without a step")
        try refuse("a\n", .badData, "t.tsv:1: expected a class and numbers behind it with tabs between, found \"a\"")
        try refuse("a\t1\nb\t1x\n", .badData, "t.tsv:2: expected a finite number, found \"1x\"")
        try refuse("a\t1\nb\tinf\n", .badData, "t.tsv:2: expected a finite number")
        try refuse("a\t1\n\t2\n", .badData, "t.tsv:2: expected the class of the series")
        try refuse("a\t1\nb\t1e300\n", .badData, "t.tsv:2", "too large for Float32")
        let head = "@classLabel true x y\n@data\n"
        try refuse(head + "1,2:3:x\n", .badData, "t.tsv:3: dimension 2 has 1 value, but the first has 2")
        try refuse(
            head + "1,2:3,4:x\n1,2:y\n", .badData, "t.tsv:4: expected 2 dimensions and the class with : between, found 2 parts")
        try refuse(head + "1,2:z\n", .badData, "t.tsv:3: the class \"z\" isn't among those that the header lists: x, y")
        try refuse(head + ":x\n", .badData, "t.tsv:3: a series without a step")
        try refuse(head + "1,?:x\n", .badData, "t.tsv:3", "missing (\"?\")")
        try refuse(head + "1,NaN:x\n", .badData, "t.tsv:3", "missing (\"NaN\")")
        try refuse(head + "(0,1),(1,2):x\n", .badData, "t.tsv:3", "times of their own")
        try refuse(
            "@seriesLength 3\n" + head + "1,2:x\n", .badData, "t.tsv:4: expected 3 values, as @seriesLength says, found 2")
        try refuse("@timeStamps true\n", .badData, "t.tsv:1: @timeStamps true")
        try refuse("@targetLabel true\n", .badData, "t.tsv:1: @targetLabel true")
        try refuse("@dimensions 70000\n", .badData, "t.tsv:1", "1 to 65536")
        try refuse("@classLabel true a a\n", .badData, "t.tsv:1", "listed twice")
        try refuse("@problemName x\n1,2:x\n", .badData, "t.tsv:2: expected a line of the header (@…), found \"1,2:x\"")
        try refuse("@problemName x\n", .badData, "there is no line @data")
        for (options, part) in [
            ("length: 0", "data.length"), ("normalize: {scale: 2}", "set standardize: true"),
            ("class_names: [a, b]", "format: ucr"),
            ("target_kind: input", "format: ucr"), ("window: 3", "window")
        ] {
            try refuse(Self.rows, options: options, .badConfiguration, part)
        }
        let latin = try files.write("l.tsv", Array("a\t1\n".utf8) + [0xE9] + Array("\t1\n".utf8))
        expectFailure(.badData, "l.tsv:2: a class that isn't text in UTF-8") {
            _ = try load("format: ucr\ntrain: {path: \(latin)}")
        }
        let other = try files.write("v.tsv", "5\t1\t2\t3\n")
        try refuse(Self.rows, options: "validation: {path: \(other)}", .badData, "v.tsv:1: \"5\" is not one of the classes")
        let trained = try splits(Self.rows).preprocessing
        expectFailure(.badConfiguration, "trained on samples of 3 steps") {
            _ = try configuration("format: ucr\ntrain: {path: \(files.path("t.tsv"))}\nlength: 9").load(with: trained)
        }
        // Many dimensions of which one is long take no memory.
        let wide =
            head + Array(repeating: "1", count: 100_000).joined(separator: ",") + String(repeating: ":", count: 60_000) + ":x\n"
        try refuse(wide, .badData, "t.tsv:3: dimension 2 has 0 values, but the first has 100000")
    }

    @Test("a file that is cut anywhere, or damaged anywhere, is read or refused", arguments: [rows, archive])
    func damage(_ text: String) throws {
        let whole = Array(text.utf8)
        let trained = try splits(text).preprocessing
        var state: UInt64 = 11
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let bytes = Array("0123456789,-:\t \n@#(\"\r.eE?Nan\u{0}é".utf8) + [0xFF]
        for round in 0..<1500 {
            var damaged = round < whole.count ? Array(whole[..<round]) : whole
            if round >= whole.count { for _ in 0...next(4) { damaged[next(damaged.count)] = bytes[next(bytes.count)] } }
            // Another file each time: to write one anew waits for the disk.
            let path = try files.write("d-\(round)", damaged)
            defer { try? FileManager.default.removeItem(atPath: path) }
            do {
                let splits = try load("format: ucr\ntrain: {path: \(path)}\nstandardize: true")
                _ = try splits.train.digest()
                _ = splits.train.stepStatistics(splits.preprocessing)
            } catch let failure as Failure {
                #expect(failure.code == .badData, "\(failure)")
            }
            if let new = try? trained.inputs(from: path) { _ = new.inputRows() }
            if let new = try? trained.samples(from: path) { _ = try new.digest() }
        }
    }
}
