import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// What a column is, all its cells decide.
struct ColumnKindTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Loads a table with a column `x` of these cells.
    private func splits(_ cells: [String], delimiter: String = ";", _ options: String = "") throws -> DataSplits {
        let text = "x\(delimiter)y\n" + cells.enumerated().map { "\($1)\(delimiter)\($0 % 2 == 0 ? "p" : "q")\n" }.joined()
        let path = try files.write("table.csv", text)
        return try load("format: csv\ntrain: {path: \(path), target: y, delimiter: \"\(delimiter)\"\(options)}")
    }

    @Test(
        "a column that is mostly numbers in some form is refused with line, cell and what helps",
        arguments: [
            (["1,5", "2,25", "-3,0"], 2, "1,5", ["data.train.decimal: \",\""]),
            (["1", "2,25", "3,5", "4"], 3, "2,25", ["data.train.decimal: \",\""]),
            (["1,234", "5,678,901", "12"], 2, "1,234", ["data.train.thousands: \",\""]),
            (["1,234", "5,678", "7,901"], 2, "1,234", ["data.train.decimal: \",\"", "data.train.thousands: \",\""]),
            (["1.234,5", "7,25", "1.000"], 2, "1.234,5", ["decimal: \",\"", "thousands: \".\""]),
            (["1 234.5", "7", "12 000"], 2, "1 234.5", ["data.train.thousands: \" \""]),
            (["1'234", "1'000'000", "4"], 2, "1'234", ["data.train.thousands: \"'\""]),
            (["1\u{A0}234,5", "3,5", "3"], 2, "1\u{A0}234,5", ["decimal: \",\"", "thousands: \"\u{A0}\""]),
            (["1_000", "2_000", "30"], 2, "1_000", ["data.train.thousands: \"_\""]),
            (["12%", "3.5 %", "7%"], 2, "12%", ["take \"%\" out", "categorical: [\"x\"]"]),
            (["$5", "$1,234.50", "$-3"], 2, "$5", ["take \"$\" out"]),
            (["5 €", "12,50 €", "3 €"], 2, "5 €", ["take \"€\" out"]),
            (["EUR 5", "EUR 6", "7"], 2, "EUR 5", ["take \"EUR\" out"]),
            (["5 kg", "6kg", "7.5 kg"], 2, "5 kg", ["take \"kg\" out"]),
            (["(5)", "(6.5)", "7"], 2, "(5)", ["take \"( )\" out"]),
            (["\u{2212}5", "\u{2212}6", "7"], 2, "\u{2212}5", ["write \"-\" for \"\u{2212}\""]),
            (["None", "2", "3"], 2, "None", ["data.train.missing_values: [\"NA\", \"NaN\", \"null\", \"?\", \"None\"]"]),
            (["1", "-", "3", "n.a.", "5"], 3, "-", ["missing_values", "\"-\", \"n.a.\"]"]),
            (["#N/A", "2", "#DIV/0!", "3"], 2, "#N/A", ["missing_values", "\"#N/A\", \"#DIV/0!\"]"]),
            (["-", "-", "-", "5"], 2, "-", ["missing_values"]),
            (["1", "2", "3", "4O"], 5, "4O", ["correct it", "categorical: [\"x\"]"]),
            (["tall", "2", "3", "4"], 2, "tall", ["correct it", "categorical: [\"x\"]"]),
            (["1", "2.5.1", "3"], 3, "2.5.1", ["correct it"])
        ])
    func numbersInDisguise(_ cells: [String], _ line: Int, _ found: String, _ advice: [String]) throws {
        do {
            _ = try splits(cells)
            Issue.record("accepted: \(cells)")
        } catch let failure as Failure {
            #expect(failure.code == .badData)
            let start = "table.csv:\(line): column \"x\": expected a number"
            for part in [start, "found \"\(found)\""] + advice {
                #expect(failure.message.contains(part), "\(failure.message)")
            }
        }
        let inputs = try splits(cells, ", categorical: [x]").train.inputRows()
        #expect(inputs.allSatisfy { $0.reduce(0, +) == 1 }, "categories where somebody says so")
    }

    @Test(
        "each piece of advice makes the table readable",
        arguments: [
            (["1,5", "2,25", "-3,0"], "decimal: \",\"", [1.5, 2.25, -3]),
            (["1,234", "5,678,901", "12"], "thousands: \",\"", [1234, 5_678_901, 12]),
            (["1.234,5", "7,25", "1.000"], "decimal: \",\", thousands: \".\"", [1234.5, 7.25, 1000]),
            (["1'234", "1'000'000", "4"], "thousands: \"'\"", [1234, 1_000_000, 4])
        ])
    func advice(_ cells: [String], _ options: String, _ expected: [Float]) throws {
        #expect(try splits(cells, ", " + options).train.inputRows() == expected.map { [$0] })
    }

    @Test(
        "texts that come again are categories, also where some look like numbers and the first is one",
        arguments: [
            ["red", "blue", "red"], ["1", "few", "many", "few", "many"], ["1st", "2nd", "3rd", "3rd", "3rd"],
            ["yes", "no", "NO"], ["A1", "B2", "A1"], ["25-34", "35-44", "25-34"], ["10+", "few", "none"], ["x", "1.2.3", "x"],
            ["2024-01-01", "2024-01-02", "2024-01-01"], ["EUROPE", "ASIA", "EUROPE"]
        ])
    func categories(_ cells: [String]) throws {
        let splits = try splits(cells)
        #expect(splits.train.inputShape == Shape([Set(cells).count]))
        #expect(splits.train.inputRows().allSatisfy { $0.reduce(0, +) == 1 })
    }

    @Test("numbers stay numbers, whatever stands in the other columns and wherever a cell is missing")
    func numbers() throws {
        let path = try files.write("t.csv", "a,b,c,y\n?,1,u,p\n2,NA,v,q\n3,5,u,p\n")
        let splits = try load("format: csv\ntrain: {path: \(path), target: y}\nmissing: mean")
        #expect(splits.train.inputRows() == [[2.5, 1, 1, 0], [2, 3, 0, 1], [3, 5, 1, 0]])
    }

    @Test("texts that are nearly all different are refused, unless categorical names the column")
    func keys() throws {
        let names = (0..<12).map { "name \($0 % 11)" }
        expectFailure(
            .badData, "table.csv:2: column \"x\" holds 11 different texts in 12 cells", "\"name 0\"",
            "data.train.features", "categorical: [\"x\"]"
        ) { _ = try splits(names) }
        #expect(try splits(names, ", categorical: [x]").train.inputShape == Shape([11]))
        #expect(try splits((0..<12).map { "name \($0 % 6)" }).train.inputShape == Shape([6]))
        let words = (0..<9).map { "name \($0)" }
        #expect(try splits(words).train.inputShape == Shape([9]), "few rows prove nothing")
        expectFailure(.badData, "more than 65536 different texts") { _ = try splits((0...70_000).map { "n\($0)" }) }
        #expect(try splits((0..<1500).map { "n\($0)" }, ", categorical: [x]").train.inputShape == Shape([1500]))
    }

    @Test("targets are judged alike, and data.target_kind: class overrules")
    func targets() throws {
        func load(_ cells: [String], _ extra: String = "") throws -> DataSplits {
            let text = "a;y\n" + cells.enumerated().map { "\($0);\($1)\n" }.joined()
            let path = try files.write("targets.csv", text)
            return try DatasetsTests.load("format: csv\ntrain: {path: \(path), target: y, delimiter: \";\"}\n\(extra)")
        }
        expectFailure(.badData, "targets.csv:2: column \"y\"", "found \"1,5\"", "data.train.decimal") {
            _ = try load(["1,5", "2,5"])
        }
        expectFailure(.badData, "targets.csv:4: column \"y\"", "found \"x\"", "data.target_kind: class") {
            _ = try load(["1", "2", "x"])
        }
        expectFailure(.badData, "column \"y\" holds 12 different texts", "data.target_kind: class") {
            _ = try load((0..<12).map { "id \($0)" })
        }
        #expect(try load(["1,5", "2,5"], "target_kind: class").train.classNames == ["1,5", "2,5"])
        #expect(try load(["1", "2", "x"], "target_kind: class").train.classNames == ["1", "2", "x"])
    }

    @Test("a file whose header was declared away is told so")
    func forgottenHeader() throws {
        let path = try files.write("t.csv", "size,kind\n1,p\n2,q\n3,p\n")
        expectFailure(.badData, "t.csv:1: column \"0\"", "found \"size\"", "data.train.header: true") {
            _ = try load("format: csv\ntrain: {path: \(path), target: -1, header: false}")
        }
    }

    @Test("a column that turns into texts is read as they stand, however late")
    func lateTexts() throws {
        let cells = (0..<3000).map { $0 < 1000 ? "1.0" : $0 % 2 == 0 ? "few" : "many" }
        let splits = try splits(cells)
        #expect(splits.train.inputShape == Shape([3]))
        #expect(splits.train.inputRows([0, 1000, 1001]) == [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    }
}
