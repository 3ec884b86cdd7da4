import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// The forms of tables that are around: how numbers, lines and missing values are written.
struct TableFormTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func splits(_ text: String, train: String = "target: y", extra: String = "") throws -> DataSplits {
        let path = try files.write("table.csv", text)
        return try load("format: csv\ntrain: {path: \(path), \(train)}\n\(extra)")
    }

    // MARK: - Lines

    @Test("LF, CRLF, CR and CR CR LF end lines, and empty lines are passed over", arguments: ["\n", "\r\n", "\r", "\r\r\n"])
    func lineEnds(_ end: String) throws {
        let plain = try splits("a,y\n1,x\n2,z\n3,x\n").train.digest()
        let lines = ["", "a,y", "", "1,x", "  ", "", "2,z", "\t", "3,x", "", ""]
        #expect(try splits(lines.joined(separator: end)).train.digest() == plain)
        #expect(try splits("a,y\(end)1,x\(end)2,z\(end)3,x").train.digest() == plain)
        expectFailure(.badData, "table.csv:4: expected 2 cells, found 3") {
            _ = try splits("a,y\(end)\(end)1,x\(end)1,2,3\(end)")
        }
        let quoted = try splits("a,y\(end)1,\"x\(end)x\"\(end)2,z\(end)").train
        #expect(quoted.classNames == ["x\(end)x", "z"])
    }

    @Test("in a tab-separated table a line of tabs is a row of missing cells, not an empty line")
    func tabs() throws {
        expectFailure(.badData, "table.csv:3: column \"a\": the value is missing") {
            _ = try splits("a\ty\n1\t2\n\t\n", train: "target: y, delimiter: tab")
        }
    }

    @Test("a comment ends a line, or is one; not inside of quotation marks")
    func comments() throws {
        let train = try splits(
            "# made by hand\na,y # names\n1,x#first\n  # nothing\n2,\"z#\" # last\n#\n",
            train: "target: y, comment: \"#\""
        ).train
        #expect(train.inputRows() == [[1], [2]])
        #expect(train.classNames == ["x", "z#"])
        expectFailure(.badConfiguration, "data.train.comment", "\",\" is also the delimiter") {
            _ = try splits("1", train: "target: 0, comment: \",\"")
        }
    }

    @Test("any one character may separate cells", arguments: ["|", ":", "~", "^", "§", "¦", "\u{1F}", ".", "x"])
    func delimiters(_ delimiter: String) throws {
        let rows = [["a", "b", "y"], ["1", "2", "\"p\(delimiter)q\""], ["3", "4", "r"]]
        let text = rows.map { $0.joined(separator: delimiter) }.joined(separator: "\n")
        let written = delimiter == "\u{1F}" ? "\"\\x1f\"" : "\"\(delimiter)\""
        let train = try splits(text, train: "target: y, delimiter: \(written)").train
        #expect(train.inputRows() == [[1, 2], [3, 4]])
        #expect(train.classNames == ["p\(delimiter)q", "r"])
    }

    // MARK: - Numbers

    @Test(
        "numbers are read with the decimal mark and the separators that the file has",
        arguments: [
            ("decimal: \",\"", ["1,5", "-0,25", "+3", "1,5e3", ",5", "7,"], [1.5, -0.25, 3, 1500, 0.5, 7]),
            ("thousands: \",\"", ["1,234.5", "-1,234,567", "12", "1,00,000", "1e3"], [1234.5, -1_234_567, 12, 100_000, 1000]),
            ("decimal: \",\", thousands: \".\"", ["1.234,5", "1.234.567", "0,5"], [1234.5, 1_234_567, 0.5]),
            ("decimal: \",\", thousands: space", ["1 234,5", "12 345 678"], [1234.5, 12_345_678]),
            ("thousands: \"'\"", ["1'234.5", "999"], [1234.5, 999]),
            ("thousands: \"\\u202F\", decimal: \",\"", ["1\u{202F}234,5", "2"], [1234.5, 2]),
            ("thousands: _", ["1_000", "2"], [1000, 2])
        ])
    func numberStyles(_ options: String, _ cells: [String], _ expected: [Double]) throws {
        let text = "a;y\n" + cells.enumerated().map { "\($1);\(Double($0) + 0.5)\n" }.joined()
        let asText = text.replacingOccurrences(of: ".5\n", with: options.contains("decimal") ? ",5\n" : ".5\n")
        let rows = try splits(asText, train: "target: y, delimiter: \";\", \(options)").train.inputRows()
        #expect(rows == expected.map { [Float($0)] })
    }

    @Test(
        "a separator in the wrong place is no number",
        arguments: [
            "1,5", "12,34", "1234,567", "1,2345", ",123", "1,234,5",
            "1.5,000", "1,,234"
        ])
    func misplacedSeparators(_ cell: String) throws {
        expectFailure(.badData, "table.csv:3: column \"a\"", "found \"\(cell)\"") {
            _ = try splits("a;y\n1,234;0.5\n\(cell);1\n5;2\n6;2\n", train: "target: y, delimiter: \";\", thousands: \",\"")
        }
    }

    @Test("quoted numbers may hold the delimiter, and blanks")
    func quotedNumbers() throws {
        #expect(
            try splits("a,y\n\"1,234\",0.5\n\" 7 \",1\n", train: "target: y, thousands: \",\"").train.inputRows()
                == [[1234], [7]])
    }

    @Test("what counts as missing can be said; then the usual markers are values")
    func missingValues() throws {
        let text = "a,c,y\n-999,NA,0.5\n1,-,1\n\"none\",NA,2\n3,-,3\n,,3\n"
        let splits = try splits(text, train: "target: y, missing_values: [\"-999\", none, \"-\"]", extra: "missing: mean")
        #expect(splits.train.inputRows() == [[2, 1], [1, 0], [2, 1], [3, 0], [2, 0]])
        expectFailure(.badData, "table.csv:2: column \"a\": the value is missing") {
            _ = try self.splits("a,y\nx,0.5\n1,1\n2,2\n", train: "target: y, missing_values: x")
        }
    }

    @Test("options that contradict each other are refused by name")
    func contradictions() throws {
        for (options, parts) in [
            ("thousands: \".\"", ["data.train.thousands", "decimal mark"]),
            ("decimal: \",\", thousands: \",\"", ["data.train.thousands", "decimal mark"]),
            ("delimiter: space, thousands: space", ["data.train.thousands", "a space is also the delimiter"]),
            ("thousands: \"0\"", ["data.train.thousands", "neither a digit"]), ("thousands: ab", ["data.train.thousands"]),
            ("decimal: x", ["data.train.decimal"]), ("comment: ab", ["data.train.comment", "one character"]),
            ("unknown_category: skip", ["data.train.unknown_category", "error, ignore"])
        ] {
            do {
                _ = try configuration("format: csv\ntrain: {path: a, target: y, \(options)}")
                Issue.record("accepted: \(options)")
            } catch let failure as Failure {
                #expect(failure.code == .badConfiguration)
                #expect(parts.allSatisfy(failure.message.contains), "\(failure.message)")
            }
        }
    }

    // MARK: - Each file for itself

    @Test("a validation file has the format of the training file, but for what it says itself")
    func validationFormat() throws {
        let held = try files.write("held.csv", "|1x3\na|b\n\"7,5\"|yes\n\n")
        let splits = try splits(
            "a;y\n1,5;no\n2;yes\n", train: "target: y, delimiter: \";\", decimal: \",\"",
            extra: "validation: {path: \(held), delimiter: \"|\", skip_lines: 1, header: false, "
                + "comment: a}")
        #expect(try #require(splits.validation).inputRows() == [[7.5]])
        #expect(splits.validation?.classList == [1])
    }

    @Test("lines in front of a validation file lead to skip_lines")
    func linesInFront() throws {
        let held = try files.write("held.csv", "|1x3 Cross validator\n5,cat\n")
        expectFailure(.badData, "held.csv:1: expected 2 columns", "found 1", "data.validation.skip_lines") {
            _ = try splits("1,cat\n2,dog\n", train: "target: -1, header: false", extra: "validation: {path: \(held)}")
        }
    }

    @Test("another file is read as the training file was, or as its options say")
    func otherFormat() throws {
        let yaml = "format: csv\ntrain: {path: \(try files.write("t.csv", "c,a,y\nred,1.5,no\nblue,2,yes\n")), target: y"
        let trained = try load(yaml + "}").preprocessing
        let new = try files.write("new.csv", "c;a\nred;3,5\ngreen;1\n")
        let options = try configuration(yaml + ", delimiter: \";\", decimal: \",\", unknown_category: ignore}").tableOptions
        var notes: [String] = []
        let inputs = try trained.inputs(from: new, options: options) { notes.append($0) }
        #expect(inputs.inputRows() == [[0, 1, 3.5], [0, 0, 1]])
        #expect(notes.count == 1 && notes.allSatisfy { $0.contains("1 cell") && $0.contains("\"green\" on line 3") })
        expectFailure(.badData, "new.csv:1", "found c;a", "delimiter") { _ = try trained.inputs(from: new) }
    }

    @Test("a file without the training data's header is told so", arguments: ["1,2\n", "red,5\nblue,6\n", "red,5\n"])
    func noHeader(_ text: String) throws {
        let trained = try splits("colour,size,y\nred,1,no\nblue,2,yes\n").preprocessing
        expectFailure(.badData, "new.csv:1", "header of the training data") {
            _ = try trained.inputs(from: try files.write("new.csv", text))
        }
    }

    // MARK: - Unknown categories

    @Test("a category that training didn't have is refused, or none of its, in validation and later alike")
    func unknownCategories() throws {
        let held = try files.write("held.csv", "c,y\ngreen,0.5\nred,1\n")
        let text = "c,y\nred,0.5\nblue,1\nred,2\n"
        expectFailure(
            .badData, "held.csv:2: column \"c\": \"green\" is not one of the categories",
            "data.validation.unknown_category: ignore"
        ) {
            _ = try self.splits(text, extra: "validation: {path: \(held)}")
        }
        let splits = try splits(text, train: "target: y, unknown_category: ignore", extra: "validation: {path: \(held)}")
        #expect(try #require(splits.validation).inputRows() == [[0, 0], [0, 1]])
        #expect(splits.notes.contains { $0.contains("held.csv") && $0.contains("\"green\"") })
        let stored = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(splits.preprocessing))
        #expect(try stored.inputs(from: held).inputRows() == [[0, 0], [0, 1]])
        #expect(try stored.samples(from: held).inputRows() == [[0, 0], [0, 1]])
    }

    @Test("what the columns are taken for is said")
    func notes() throws {
        #expect(try splits("c,a,y\nred,1,no\nblue,2,yes\n").notes.contains { $0.contains("c (2)") })
        #expect(try splits("c,a,y\nred,1,no\nblue,2,yes\n", train: "target: y, categorical: [c]").notes.isEmpty)
    }
}
