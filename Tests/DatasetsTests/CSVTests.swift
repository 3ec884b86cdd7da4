import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

struct CSVTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Loads a table as training data; `train` and `extra` are further options.
    private func splits(_ text: String, train: String = "target: y", extra: String = "") throws -> DataSplits {
        let path = try files.write("table.csv", text)
        return try load("format: csv\ntrain: {path: \(path), \(train)}\n\(extra)")
    }

    @Test("columns become inputs in order, the target by name; text classes are sorted")
    func basics() throws {
        let splits = try splits("a,y,b\n1,dog,-2.5\n+3e1,cat,.5\n0.125,dog,4.\n")
        #expect(splits.train.inputRows() == [[1, -2.5], [30, 0.5], [0.125, 4]])
        #expect(splits.train.targetKind == .classes(count: 2))
        #expect(splits.train.classNames == ["cat", "dog"])
        #expect(splits.train.classList == [1, 0, 1])
        #expect(splits.validation == nil)
        #expect(splits.train.inputShape == Shape([2]))
    }

    @Test("CRLF, a byte order mark, quotation marks, blanks, no last line end and blank last lines are read")
    func dialects() throws {
        let plain = try splits("a,y\n1,x\n2,z\n").train
        for text in [
            "a,y\r\n1,x\r\n2,z\r\n", "\u{FEFF}a,y\n1,x\n2,z", "\"a\",\"y\"\n\"1\",x\n 2 ,\t\"z\" \n\n \r\n\n",
            "a,y\n1,x\n2,z\r"
        ] {
            let other = try splits(text).train
            #expect(other.inputRows() == plain.inputRows(), "\(text)")
            #expect(other.classNames == plain.classNames, "\(text)")
            #expect(try other.digest() == plain.digest(), "\(text)")
        }
    }

    @Test("quoted cells hold delimiters, line ends and doubled quotation marks, and lines are still counted")
    func quotes() throws {
        let text = "a,\"y, or \"\"why\"\"\"\n1,\"new\nline, \"\"x\"\"\"\n2,\"\"\"\"\n"
        #expect(try splits(text, train: "target: 1").train.classNames == ["\"", "new\nline, \"x\""])
        expectFailure(.badData, "table.csv:5: expected 2 cells, found 1") {
            _ = try splits(text + "9\n", train: "target: 1")
        }
        expectFailure(.badData, "table.csv:2: a quotation mark is opened and never closed") {
            _ = try splits("a,y\n1,\"x\n2,z\n")
        }
        expectFailure(.badData, "table.csv:2: text follows a closing quotation mark") {
            _ = try splits("a,y\n1,\"x\"z\n")
        }
        #expect(try splits("a,y\n1,5\" pipe\n2,x\n").train.classNames == ["5\" pipe", "x"])
    }

    @Test("semicolons, tabs and runs of blanks separate cells where the configuration says so")
    func delimiters() throws {
        let expected: [[Float]] = [[1, 2], [3, 4]]
        for (text, delimiter) in [
            ("1;2;0\n3;4;1", "\";\""), ("1\t2\t0\n3\t4\t1", "tab"),
            ("  1 2  0\n3\t4 1  \n", "space")
        ] {
            let train = try splits(text, train: "target: -1, header: false, delimiter: \(delimiter)").train
            #expect(train.inputRows() == expected, "\(delimiter)")
        }
        for wrong in ["\"||\"", "''", "'\"'"] {
            expectFailure(.badConfiguration, "data.train.delimiter", "expected one character") {
                _ = try splits("1", train: "target: 0, delimiter: \(wrong)")
            }
        }
    }

    @Test("a gzip table reads like a plain one, and one that is damaged is refused")
    func compressed() throws {
        let text = "a,y\n" + (0..<3000).map { "\($0),c\($0 % 3)\n" }.joined()
        let packed = try gzip(Array(text.utf8))
        let path = try files.write("table.gz", packed)
        let train = try load("format: csv\ntrain: {path: \(path), target: y}").train
        #expect(try train.digest() == splits(text).train.digest())
        let torn = try files.write("torn.gz", Array(packed.dropLast(40)))
        expectFailure(.badData, "torn.gz: the gzip data end in the middle") {
            _ = try load("format: csv\ntrain: {path: \(torn), target: y}")
        }
    }

    @Test("skip_lines passes over a first line such as scikit-learn's")
    func skippedLines() throws {
        let text = "3,2,setosa,virginica\n5.1,3.5,0\n4.9,3,1\n4.7,3.2,0\n"
        let splits = try splits(
            text, train: "header: false, skip_lines: 1, target: -1",
            extra: "class_names: [setosa, virginica]")
        #expect(splits.train.inputRows() == [[5.1, 3.5], [4.9, 3], [4.7, 3.2]])
        #expect(splits.train.classList == [0, 1, 0])
        #expect(splits.train.classNames == ["setosa", "virginica"])
        let new = try files.write("new.csv", "5.1,3.5\n4.9,3\n")
        let labelled = try files.write("labelled.csv", text)
        #expect(try splits.preprocessing.inputs(from: new).count == 2)
        #expect(try splits.preprocessing.inputs(from: labelled).count == 3)
        #expect(try splits.preprocessing.samples(from: labelled).classList == [0, 1, 0])
    }

    @Test("targets may be a file of their own with as many rows")
    func targetFile() throws {
        let table = try files.write("x.csv.gz", try gzip(Array("1 2\n3 4\n5 6\n".utf8)))
        let targets = try files.write("y.csv.gz", try gzip(Array("1.510000000000000000e+02\n7.5e1\n141\n".utf8)))
        let options = "header: false, delimiter: space"
        let splits = try load(
            "format: csv\ntrain: {path: \(table), targets: \(targets), \(options)}\n"
                + "validation: {path: \(table), targets: \(targets)}")
        for dataset in [splits.train, try #require(splits.validation)] {
            #expect(dataset.targetKind == .values(count: 1))
            #expect(dataset.targetRows(columns: 1) == [[151], [75], [141]])
            #expect(dataset.inputRows() == [[1, 2], [3, 4], [5, 6]])
        }
        let short = try files.write("short.csv", "1\n2\n")
        expectFailure(.badData, "short.csv: 2 rows of targets", "x.csv.gz has 3 rows") {
            _ = try load("format: csv\ntrain: {path: \(table), targets: \(short), \(options)}")
        }
    }

    // MARK: - Targets

    @Test("whole numbers 0 … K−1 that all occur are classes, other numbers values, unless target_kind decides")
    func targetKinds() throws {
        func kind(_ targets: [String], _ extra: String = "") throws -> TargetKind {
            try splits("a,y\n" + targets.map { "1,\($0)\n" }.joined(), extra: extra).train.targetKind
        }
        #expect(try kind(["0", "2", "1.0"]) == .classes(count: 3))
        #expect(try kind(["0", "2", "3"]) == .values(count: 1))
        #expect(try kind(["0", "0"]) == .values(count: 1))
        #expect(try kind(["0", "1", "0.5"]) == .values(count: 1))
        #expect(try kind(["0", "1"], "target_kind: value") == .values(count: 1))
        #expect(try kind(["0", "2"], "classes: 4") == .classes(count: 4))
        #expect(try kind((0...1000).map(String.init)) == .values(count: 1))
        #expect(try kind((0..<1000).map(String.init)) == .classes(count: 1000))
        let numbered = try splits("a,y\n1,3\n1,-1\n1,3\n", extra: "target_kind: class").train
        #expect(numbered.classNames == ["-1", "3"])
        #expect(numbered.classList == [1, 0, 1])
        #expect(try kind(["1", "0.5"], "target_kind: class") == .classes(count: 2))
        expectFailure(.badData, "table.csv:3: column \"y\": label out of range", "0 to 1", "found 2") {
            _ = try kind(["1", "2"], "classes: 2")
        }
        expectFailure(.badData, "table.csv:2: column \"y\"", "number", "red", "target_kind: class") {
            _ = try kind(["red"], "target_kind: value")
        }
    }

    @Test("several targets are values; two classes are given as 0 and 1, or one-hot")
    func severalTargets() throws {
        let train = try splits("a,u,v\n1,2,3\n4,5,6\n", train: "target: [v, u]").train
        #expect(train.targetKind == .values(count: 2))
        #expect(train.targetRows(columns: 2) == [[3, 2], [6, 5]])
        let binary = try splits("a,y\n1,no\n2,yes\n").train
        #expect(binary.targetRows(columns: 1) == [[0], [1]])
        #expect(binary.targetRows(columns: 2) == [[1, 0], [0, 1]])
    }

    @Test("given class names fix the order of text classes; others are refused with their line")
    func givenClassNames() throws {
        let names = "class_names: [small, large]"
        #expect(try splits("a,y\n1,small\n2,large\n", extra: names).train.classList == [0, 1])
        expectFailure(
            .badData, "table.csv:3: column \"y\"", "\"larg\" is not one of the classes",
            "did you mean \"large\""
        ) {
            _ = try splits("a,y\n1,small\n2,larg\n", extra: names)
        }
    }

    // MARK: - Columns

    @Test("text columns become one input per category, sorted; numbers can be made categories")
    func categorical() throws {
        let text = "colour,size,y\nred,1,0.5\nblue,2,1\nred,10,2\n"
        #expect(try splits(text).train.inputRows() == [[0, 1, 1], [1, 0, 2], [0, 1, 10]])
        #expect(
            try splits(text, train: "target: y, categorical: [size]").train.inputRows()
                == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]])
        let standardized = try splits(text, extra: "standardize: true")
        #expect(standardized.preprocessing.normalization.mean[..<2] == [0, 0])
        #expect(standardized.train.inputRows().map { Array($0[..<2]) } == [[0, 1], [1, 0], [0, 1]])
        expectFailure(.badData, "column \"id\" holds 1001 different texts") {
            _ = try splits("id,y\n" + (0...1000).map { "n\($0),1\n" }.joined())
        }
    }

    @Test("features chooses and orders the inputs, by name or number")
    func features() throws {
        #expect(
            try splits("a,b,c,y\n1,2,3,4\n5,6,7,9\n", train: "target: y, features: [c, 0]").train.inputRows()
                == [[3, 1], [7, 5]])
        expectFailure(.badConfiguration, "data.train.features", "no column \"bb\"", "did you mean \"b\"") {
            _ = try splits("a,b,y\n1,2,3\n", train: "target: y, features: [bb]")
        }
        expectFailure(.badConfiguration, "data.train.features", "\"a\" is named twice") {
            _ = try splits("a,b,y\n1,2,3\n", train: "target: y, features: [a, 0]")
        }
        expectFailure(.badConfiguration, "data.train.features", "\"y\" is the target") {
            _ = try splits("a,b,y\n1,2,3\n", train: "target: y, features: [a, y]")
        }
    }

    @Test("an unknown target is refused with the nearest name, a number out of range with the range")
    func unknownTarget() throws {
        expectFailure(
            .badConfiguration, "data.train.target", "no column \"specis\"", "did you mean \"species\"",
            "its columns: a, species"
        ) { _ = try splits("a,species\n1,x\n", train: "target: specis") }
        expectFailure(.badConfiguration, "data.train.target", "no column -3", "0 to 1") {
            _ = try splits("1,2\n", train: "header: false, target: -3")
        }
        expectFailure(.badConfiguration, "data.train.target", "read without a header") {
            _ = try splits("1,2\n", train: "header: false, target: y")
        }
        expectFailure(.badConfiguration, "no column to learn from") { _ = try splits("y\n1\n") }
    }

    @Test("a header with a name twice, or of nothing but numbers, is refused")
    func headers() throws {
        expectFailure(.badData, "table.csv:1", "two columns are called \"a\"") { _ = try splits("a,a,y\n1,2,3\n") }
        expectFailure(.badData, "table.csv:1", "found only numbers", "data.train.header: false") {
            _ = try splits("5.1,3.5,0\n4.9,3,1\n", train: "target: -1")
        }
        #expect(try splits("0,1,2\n4.9,3,1\n", train: "target: \"2\"").train.count == 1)
    }

    // MARK: - Refused cells

    @Test("text where numbers stand is refused with line, column and what to do")
    func textAmongNumbers() throws {
        expectFailure(
            .badData, "table.csv:4: column \"b\": expected a number", "2 of the column's 3", "found \"4O\"",
            "categorical: [\"b\"]"
        ) { _ = try splits("a,b,y\n1,2,0\n1,3,1\n1,4O,1\n") }
        expectFailure(.badData, "table.csv:2: column \"1\"", "0x10") {
            _ = try splits("1,2,0\n1,0x10,1\n", train: "header: false, target: -1")
        }
    }

    @Test("a row with fewer or more cells is refused with its line and both counts")
    func ragged() throws {
        expectFailure(.badData, "table.csv:3: expected 2 cells, found 3") { _ = try splits("a,y\n1,2\n1,2,3\n") }
        expectFailure(.badData, "table.csv:4: expected 2 cells, found 1") { _ = try splits("a,y\n1,2\n\n1\n1,2\n") }
    }

    @Test(
        "missing values are refused with line and column",
        arguments: ["", "NA", "nan", "NaN", "N/A", "null", "?", "\"\""])
    func missing(_ cell: String) throws {
        expectFailure(.badData, "table.csv:3: column \"b\": the value is missing", "data.missing: mean") {
            _ = try splits("a,b,y\n1,2,0\n1,\(cell),1\n")
        }
        expectFailure(.badData, "table.csv:3: column \"y\": the value is missing") {
            _ = try splits("a,b,y\n1,2,0\n1,2,\(cell)\n", extra: "missing: mean")
        }
    }

    @Test("missing: mean fills in the mean of the training data, and no category")
    func missingMean() throws {
        let splits = try splits("a,c,y\n?,red,0.5\n2,NA,1\n6,blue,2\n", extra: "missing: mean\nstandardize: true")
        let deviation = (Double(8) / 3).squareRoot()
        #expect(splits.preprocessing.normalization.mean == [4, 0, 0])
        #expect(splits.preprocessing.normalization.std == [deviation, 1, 1])
        #expect(splits.train.inputRows() == [[0, 0, 1], [Float(-2 / deviation), 0, 0], [Float(2 / deviation), 1, 0]])
        let new = try files.write("new.csv", "a,c\nNA,?\n")
        #expect(try splits.preprocessing.inputs(from: new).inputRows() == [[0, 0, 0]])
        expectFailure(.badData, "column \"a\" has no value") {
            _ = try self.splits("a,c,y\nNA,1,0.5\n,2,1\n", extra: "missing: mean")
        }
    }

    @Test(
        "infinite numbers, and those too large for Float32, are refused",
        arguments: ["inf", "-Infinity", "1e999", "1e39"])
    func infinite(_ cell: String) throws {
        expectFailure(.badData, "table.csv:3: column \"a\"") { _ = try splits("a,y\n1,2\n\(cell),3\n") }
    }

    @Test("an empty file, a header alone, and what isn't UTF-8 text are refused")
    func noTable() throws {
        expectFailure(.badData, "table.csv: an empty set") { _ = try splits("") }
        expectFailure(.badData, "table.csv: an empty set") { _ = try splits("a,y\n\n") }
        for (bytes, message) in [
            ([0x61, 0x2C, 0x79, 0x0A, 0x31, 0x2C, 0xE9, 0x0A] as [UInt8], "isn't UTF-8"),
            ([0xFF, 0xFE, 0x61, 0], "UTF-16"), ([0x61, 0, 0x62], "not a text file")
        ] {
            let path = try files.write("bytes.csv", bytes)
            expectFailure(.badData, "bytes.csv", message) {
                _ = try load("format: csv\ntrain: {path: \(path), target: y}")
            }
        }
        expectFailure(.missingInput, "nowhere.csv") {
            _ = try load("format: csv\ntrain: {path: \(files.path("nowhere.csv")), target: y}")
        }
    }

    @Test("numbers are read as exactly as Swift reads them")
    func exactNumbers() throws {
        let numbers = [
            "0.1", "123456789.123", "9007199254740993e1", "1.7976931348623157e308", "4.9e-324", "1e23",
            "8.5e-22", "0.000000000000000000000012345678901234567890", "123456789012345678901234567890",
            "-0.30000000000000004",
            "1E+5", "007", "5e-1", "18446744073709551617", "3.1415926535897932384626433"
        ]
        for number in numbers {
            #expect(DecimalNumber.parse(Array(number.utf8), 0..<number.utf8.count) == Double(number), "\(number)")
        }
        for text in ["", "-", ".", "e5", "1e", "1e+", "1_000", "0x1p3", "1.2.3", "1 2", "nan", "--1", "1f"] {
            #expect(DecimalNumber.parse(Array(text.utf8), 0..<text.utf8.count) == nil, "\(text)")
        }
    }

    // MARK: - Other files

    @Test("another file is read by column names, with or without the target, in any order")
    func otherFiles() throws {
        let trained = try splits("colour,size,y\nred,1,cat\nblue,3,dog\n", extra: "standardize: true")
        let with = try files.write("with.csv", "y,size,note,colour\ndog,5,hm,blue\n")
        let without = try files.write("without.csv", "colour,size\nblue,5\n")
        #expect(try trained.preprocessing.inputs(from: with).inputRows() == [[1, 0, 3]])
        let unlabelled = try trained.preprocessing.inputs(from: without)
        #expect(unlabelled.inputRows() == [[1, 0, 3]])
        #expect(!unlabelled.hasTargets)
        let labelled = try trained.preprocessing.samples(from: with)
        #expect(labelled.classList == [1])
        #expect(labelled.classNames == ["cat", "dog"])
        expectFailure(.badData, "without.csv: no column \"y\"") { _ = try trained.preprocessing.samples(from: without) }
        let green = try files.write("green.csv", "colour,size,y\ngreen,5,cat\n")
        expectFailure(
            .badData, "green.csv:2: column \"colour\": \"green\" is not one of the categories",
            "known: blue, red"
        ) {
            _ = try trained.preprocessing.inputs(from: green)
        }
        let cow = try files.write("cow.csv", "colour,size,y\nred,5,cow\n")
        expectFailure(.badData, "cow.csv:2: column \"y\": \"cow\" is not one of the classes") {
            _ = try trained.preprocessing.samples(from: cow)
        }
    }

    @Test("without a header columns count: the same, or the same without the targets")
    func otherFilesWithoutHeader() throws {
        let trained = try splits("0,7,1.5\n1,8,2.5\n", train: "header: false, target: 0")
        let preprocessing = trained.preprocessing
        #expect(try preprocessing.inputs(from: files.write("a.csv", "1,2,3\n")).inputRows() == [[2, 3]])
        #expect(try preprocessing.inputs(from: files.write("b.csv", "2,3\n")).inputRows() == [[2, 3]])
        expectFailure(.badData, "c.csv:1: expected 3 columns", "2 without the target", "found 1") {
            _ = try preprocessing.inputs(from: files.write("c.csv", "2\n"))
        }
        expectFailure(.badData, "d.csv:1", "label out of range", "0 to 1", "found 2") {
            _ = try preprocessing.samples(from: files.write("d.csv", "2,2,3\n"))
        }
    }

    @Test("a validation file is read with the columns and numbers of the training file")
    func validationFile() throws {
        let held = try files.write("held.csv", "size,y,colour\n5,cat,blue\n")
        let splits = try splits(
            "colour,size,y\nred,1,cat\nblue,3,dog\n",
            extra: "standardize: true\nvalidation: {path: \(held)}")
        let validation = try #require(splits.validation)
        #expect(validation.inputRows() == [[1, 0, 3]])
        #expect(validation.classList == [0])
    }

    @Test("missing: mean takes the mean of the training rows alone")
    func missingMeanOfTraining() throws {
        let text = "a,y\n" + (0..<20).map { "\($0 == 7 ? "?" : "\($0 * $0)"),\($0)\n" }.joined()
        let splits = try splits(text, extra: "target_kind: value\nmissing: mean\nvalidation_fraction: 0.4")
        let rows = splits.train.targetRows(columns: 1).map { Double($0[0]) }.filter { $0 != 7 }
        let mean = rows.reduce(0) { $0 + $1 * $1 } / Double(rows.count)
        let new = try files.write("new.csv", "a\n?\n")
        #expect(try splits.preprocessing.inputs(from: new).inputRows() == [[Float(mean)]])
    }
}
