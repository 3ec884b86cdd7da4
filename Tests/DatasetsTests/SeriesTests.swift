import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// `format: series`: from tables to windows and what comes behind them.
@Suite("Series")
struct SeriesTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Months from January 2000 on: `a` counts from 0, `b` goes down from 100.
    private static func months(_ count: Int) -> String {
        "date,a,b\n"
            + (0..<count).map { "\(2000 + $0 / 12)-\(String(format: "%02d", $0 % 12 + 1)),\($0),\(100 - $0)\n" }.joined()
    }

    private func yaml(_ table: String, _ options: String, columns: String = "target: a, time: date") throws -> String {
        "format: series\ntrain: {path: \(try files.write("t.csv", table)), \(columns)}\n\(options)"
    }

    private func splits(_ table: String, _ options: String, columns: String = "target: a, time: date") throws -> DataSplits {
        try load(try yaml(table, options, columns: columns))
    }

    // MARK: - Windows

    @Test("a sample is so many rows, its targets are the rows behind, step by step")
    func windows() throws {
        let splits = try splits(
            Self.months(9), "window: 3\nhorizon: 2\nstride: 2", columns: "inputs: [a, b], target: [b, a], time: date")
        #expect(splits.train.inputShape == Shape([3, 2]) && splits.train.targetKind == .values(count: 4))
        #expect(splits.train.inputRows() == [[0, 100, 1, 99, 2, 98], [2, 98, 3, 97, 4, 96], [4, 96, 5, 95, 6, 94]])
        #expect(splits.train.targetRows(columns: 4) == [[97, 3, 96, 4], [95, 5, 94, 6], [93, 7, 92, 8]])
        let narrow = try self.splits(Self.months(4), "window: 3").train
        #expect(narrow.inputRows() == [[0, 1, 2]] && narrow.targetRows(columns: 1) == [[3]])
        let other = try self.splits(Self.months(4), "window: 2", columns: "inputs: a, target: b").train
        #expect(other.inputRows() == [[0, 1], [1, 2]] && other.targetRows(columns: 1) == [[98], [97]])
        #expect(!other.hasLengths && other.tokenKinds == nil && other.hasTargets)
    }

    @Test(
        "validation is the end of each series: its targets lie there, its inputs may lie before, and none of it is trained on")
    func splitByTime() throws {
        let splits = try splits(Self.months(10), "window: 3\nhorizon: 2\nvalidation_fraction: 0.3")
        #expect(splits.train.inputRows() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]])
        #expect(splits.train.targetRows(columns: 2) == [[3, 4], [4, 5], [5, 6]])
        let held = try #require(splits.validation)
        #expect(held.inputRows() == [[4, 5, 6], [5, 6, 7]] && held.targetRows(columns: 2) == [[7, 8], [8, 9]])
        let other = try files.write("v.tsv", "b\ta\tdate\n0\t7\t2010-01\n0\t8\t2010-02\n0\t9\t2010-03\n")
        let separate = try self.splits(Self.months(10), "window: 2\nvalidation: {path: \(other), delimiter: tab}")
        #expect(separate.validation?.inputRows() == [[7, 8]] && separate.validation?.targetRows(columns: 1) == [[9]])
        #expect(separate.train.count == 8)
    }

    @Test("rows of several series may be mixed; no window leaves its series, and the end of each is held back")
    func keys() throws {
        let table = "who,n\nx,0\ny,10\nx,1\nx,2\ny,11\ny,12\ny,13\nx,3\ny,14\nx,4\n"
        let all = try splits(table, "window: 2", columns: "target: n, key: who").train
        #expect(all.inputRows() == [[0, 1], [1, 2], [2, 3], [10, 11], [11, 12], [12, 13]])
        #expect(all.targetRows(columns: 1) == [[2], [3], [4], [12], [13], [14]])
        let splits = try splits(table, "window: 2\nvalidation_fraction: 0.2", columns: "target: n, key: who")
        #expect(splits.train.targetRows(columns: 1) == [[2], [3], [12], [13]])
        #expect(splits.validation?.targetRows(columns: 1) == [[4], [14]])
        let statistics = try #require(splits.train.seriesStatistics(splits.preprocessing))
        #expect(
            statistics.seriesCount == 2 && statistics.rowCount == 8 && statistics.windowCount == 4 && statistics.span == nil)
    }

    @Test(
        "columns are standardised with the training rows alone, targets like inputs, and forecasts come back in the file's unit"
    )
    func standardize() throws {
        let table = "a,b\n1,7\n3,7\n1,7\n3,7\n1000,7\n"
        let splits = try splits(
            table, "window: 2\nvalidation_fraction: 0.2\nstandardize: true", columns: "inputs: [a, b], target: a")
        #expect(
            splits.train.inputRows() == [[-1, 0, 1, 0], [1, 0, -1, 0]] && splits.train.targetRows(columns: 1) == [[-1], [1]])
        #expect(splits.validation?.targetRows(columns: 1) == [[998]])
        let schema = try #require(splits.preprocessing.series)
        #expect(schema.undone(0.5, target: 0) == 2.5 && schema.isStandardized && schema.forecastColumns == ["step", "a"])
        let statistics = try #require(splits.train.seriesStatistics(splits.preprocessing))
        #expect(statistics.columns.map(\.name) == ["a", "b"] && statistics.columns[0].numbers.least == 1)
        #expect(statistics.columns[0].numbers.mean == 2 && statistics.columns[1].numbers.mean == 7)
    }

    @Test("the last value and that a season before are compared with, where there is one")
    func baselines() throws {
        let table = "a\n" + [0, 1, 5, 0, 1, 6, 0, 2, 5].map { "\($0)\n" }.joined()
        let splits = try splits(table, "window: 2\nhorizon: 2\nseason: 3", columns: "target: a")
        let found = try #require(splits.train.seriesStatistics(splits.preprocessing)).baselines
        // Targets: 5 0, 0 1, 1 6, 6 0, 0 2, 2 5; last values: 1 5 0 1 6 0.
        #expect(found.count == 2 && found[0].sampleCount == 6)
        #expect(found[0].squaredError == (17 + 41 + 37 + 26 + 52 + 29) / 12.0)
        // A season before, from the second window on: 0 1, 1 5, 5 0, 0 1, 1 6.
        #expect(
            found[1].sampleCount == 5 && found[1].squaredError == (0 + 1 + 1 + 1 + 2) / 10.0 && found[1].absoluteError == 0.5)
    }

    @Test("rows are stored once, however many windows they are in")
    func memory() throws {
        let path = try files.write("t.csv", "a\n" + (0..<100_000).map { "\($0 % 977)\n" }.joined())
        let splits = try load(
            "format: series\ntrain: {path: \(path), target: a}\nwindow: 500\nhorizon: 10\nvalidation_fraction: 0.2")
        #expect(splits.train.count == 79_491)
        #expect(splits.byteCount.allocated < 2_000_000 && splits.byteCount.mapped == 0)
        #expect(splits.train.inputRows([79_490])[0].last == Float(79_989 % 977))
    }

    @Test("the digest tells rows, windows and targets apart, not what belongs to no window of the split")
    func digests() throws {
        let options = "window: 3\nhorizon: 2"
        let rows = Self.months(9)
        let digests = try [
            (rows, options), (rows, "window: 2\nhorizon: 2"), (rows, "window: 3\nhorizon: 1"), (rows, options + "\nstride: 2"),
            (rows.replacing(",4,", with: ",4.5,"), options), (rows, options + "\nstandardize: true")
        ].map { try splits($0, $1).train.digest() }
        #expect(Set(digests).count == 6)
        #expect(try splits(rows, options, columns: "target: b").train.digest() != digests[0])
        let held = options + "\nvalidation_fraction: 0.4"
        #expect(
            try splits(rows, held).train.digest() == splits(rows.replacing(",8,", with: ",9,"), held).train.digest())
        #expect(try splits(rows.replacing("\n", with: "\r\n"), options).train.digest() == digests[0])
    }

    @Test("windows that follow each other are streams, of several series too where they are cut at their ends")
    func streams() throws {
        let one = try splits(Self.months(13), "window: 3\nstride: 3").train
        #expect(one.count == 4 && one.isCut(intoStreams: 1) && one.isCut(intoStreams: 2) && one.isCut(intoStreams: 4))
        #expect(try !splits(Self.months(13), "window: 3\nstride: 2").train.isCut(intoStreams: 1))
        #expect(try !splits(Self.months(13), "window: 3").train.isCut(intoStreams: 2))
        let table = "k,a\n" + (0..<18).map { "\($0 % 2),\($0)\n" }.joined()
        let two = try splits(table, "window: 2\nstride: 2", columns: "target: a, key: k").train
        #expect(two.count == 8 && two.isCut(intoStreams: 2) && two.isCut(intoStreams: 4) && !two.isCut(intoStreams: 1))
        #expect(try !splits(table, "window: 2", columns: "target: a, key: k").train.isCut(intoStreams: 14))
    }

    // MARK: - Times

    @Test(
        "times are numbers or dates one step apart; a forecast goes on with them",
        arguments: [
            (["1", "2", "3"], "1", "5"), (["2000", "2002", "2004"], "2", "2008"), (["0.1", "0.2", "0.3"], "0.1", "0.5"),
            (["1950.083", "1950.167", "1950.25"], "0.0835", "1950.417"), (["-3", "0", "3"], "3", "9"),
            (["2000-11", "2000-12", "2001-01"], "1 month", "2001-03"),
            (["2000-01", "2000-04", "2000-07"], "3 months", "2001-01"),
            (["1999-01", "2000-01", "2001-01"], "1 year", "2003-01"),
            (["2000-02-27", "2000-02-28", "2000-02-29"], "1 day", "2000-03-02"),
            (["1900-02-27", "1900-02-28", "1900-03-01"], "1 day", "1900-03-03"),
            (["2024-01-01", "2024-01-08", "2024-01-15"], "7 days", "2024-01-29"),
            // Calendar months, at their beginnings, in their middles and at their ends.
            (["2001-01-01", "2001-02-01", "2001-03-01"], "1 month", "2001-05-01"),
            (["2000-12-15", "2001-01-15", "2001-02-15"], "1 month", "2001-04-15"),
            (["2000-12-31", "2001-01-31", "2001-02-28"], "1 month", "2001-04-30"),
            (["2001-01-30", "2001-02-28", "2001-03-30"], "1 month", "2001-05-30"),
            (["2000-02-29", "2001-02-28", "2002-02-28"], "1 year", "2004-02-29"),
            (["2024-12-31T22:00", "2024-12-31T23:00", "2025-01-01T00:00"], "1 hour", "2025-01-01T02:00"),
            (["2024-01-01 00:00:00", "2024-01-01 00:15:00", "2024-01-01 00:30:00"], "15 minutes", "2024-01-01 01:00:00"),
            (
                ["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01.0Z", "2024-01-01T00:00:01.5Z"], "0.5 seconds",
                "2024-01-01T00:00:02.5Z"
            ),
            // The clock is put forward, and time goes on.
            (
                ["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"], "1 hour",
                "2024-03-31T05:00:00+01:00"
            ),
            (["2024-01-01T00:00", "2024-02-01T00:00", "2024-03-01T00:00"], "1 month", "2024-05-01T00:00"),
            (["2024-01-01T00:00", "2024-01-02T00:00", "2024-01-03T00:00"], "1 day", "2024-01-05T00:00"),
            (["0000-01-01", "0000-01-02", "0000-01-03"], "1 day", "0000-01-05"),
            // Behind the last year there is nothing to write.
            (["9999-12-29", "9999-12-30", "9999-12-31"], "1 day", ""), (["9999-10", "9999-11", "9999-12"], "1 month", "")
        ])
    func times(_ written: [String], _ step: String, _ next: String) throws {
        let table = "t,a\n" + written.enumerated().map { "\($1),\($0)\n" }.joined()
        let splits = try splits(table, "window: 1\nhorizon: 2", columns: "target: a, time: t")
        let span = try #require(splits.train.seriesStatistics(splits.preprocessing)?.span)
        #expect(span.step == step, "\(span)")
        let dataset = try splits.preprocessing.inputs(from: files.path("t.csv"))
        let forecast = try #require(dataset.forecast(of: 0, splits.preprocessing))
        #expect(forecast.key == nil && forecast.times.last == next, "\(forecast)")
        if step.contains("hour") == false || !written[0].contains("+") {
            #expect(span.first == written[0] && span.last == written[2], "\(span)")
        }
    }

    @Test(
        "what isn't a time, or not like the others, is refused by its line",
        arguments: [
            "2000-13", "2000-00", "2000-1", "2001-02-29", "1900-02-29", "2000-01-32", "2000-04-31", "2000-01-01T24:00",
            "2000-01-01T10",
            "2000-01-01T10:60", "2000-01-01T10:00:60", "2000-01-01T10:00:00.", "2000-01-01T10:00:00.1234567",
            "2000-01-01T10:00+1",
            "2000-01-01T10:00+24:00", "2000-01-01T10:00 ", "2000-01-01x10:00", "20000-01", "01.02.2000", "1/2/2000", "", "now",
            "nan",
            "inf", "1e16", "2000-01-01T10:00Zulu", "2000-", "-2000-01"
        ])
    func noTimes(_ text: String) throws {
        let table = "a,t\n1,\"\(text)\"\n2,2000-02\n3,2000-03\n"
        do {
            _ = try splits(table, "window: 1", columns: "target: a, time: t")
            Issue.record("\(text) was taken for a time")
        } catch let failure as Failure {
            #expect(failure.code == .badData, "\(failure)")
            #expect(
                failure.message.contains("t.csv:2: column \"t\": expected a time") || failure.message.contains("t.csv:3"),
                "\(failure)")
        }
    }

    @Test("gaps, repeated and unsorted times, and times of two kinds are refused with what was expected")
    func order() throws {
        func refuse(_ times: [String], key: [String]? = nil, _ says: String...) throws {
            let rows = times.enumerated().map { "\($1),\($0),\(key?[$0] ?? "k")\n" }
            let yaml = try yaml(
                "t,a,k\n" + rows.joined(), "window: 1", columns: "target: a, time: t" + (key == nil ? "" : ", key: k"))
            for part in says { expectFailure(.badData, part) { _ = try load(yaml) } }
        }
        try refuse(
            ["2000-01", "2000-02", "2000-04", "2000-05"],
            "t.csv:4: column \"t\": expected 2000-03, 1 month after line 3, found 2000-04; rows of a series are equally far apart"
        )
        try refuse(
            ["2000-01", "2000-03", "2000-04", "2000-05"], "t.csv:3: column \"t\": expected 2000-02, 1 month after line 2")
        try refuse(
            ["2000-01-01", "2000-02-01", "2000-03-01", "2000-05-01"], "t.csv:5", "expected 2000-04-01, 1 month after line 4")
        try refuse(["2000-02-28", "2000-02-29", "2000-03-02"], "t.csv:4: column \"t\": expected 2000-03-01, 1 day after line 3")
        try refuse(["1", "2", "3", "5"], "t.csv:5: column \"t\": expected 4, 1 after line 4, found 5")
        try refuse(["0.1", "0.2", "0.4"], "t.csv:4", "expected 0.3, 0.1 after line 3, found 0.4")
        try refuse(["20200130", "20200131", "20200201"], "write dates as YYYY-MM-DD")
        try refuse(
            ["2000-03", "2000-02"], "t.csv:3: column \"t\": 2000-02 comes after 2000-03 on line 2; sort the rows by time")
        try refuse(["1", "1"], "t.csv:3: column \"t\": 1 is also the time of line 2", "data.train.key")
        try refuse(["1", "1", "2", "1"], key: ["x", "y", "x", "x"], "t.csv:5: column \"t\": 1 comes after 2 on line 4")
        try refuse(
            ["1", "1", "2", "3"], key: ["x", "y", "x", "y"], "t.csv:5: column \"t\": expected 2, 1 after line 3, found 3")
        try refuse(["1", "2000-01"], "t.csv:3", "expected a time like a number, as on the lines before, found \"2000-01\"")
        try refuse(["2000-01-01T00:00Z", "2000-01-01T01:00"], "t.csv:3", "YYYY-MM-DDThh:mm with a time zone")
        // Not a gap: nothing says how far one row is from another.
        #expect(try splits("t,a\n5,1\n9,2\n", "window: 1", columns: "target: a, time: t").train.count == 1)
    }

    // MARK: - New files

    @Test(
        "a new file gives the last window of each series, whatever its columns' order, and without those that are only foreseen"
    )
    func newFiles() throws {
        let table = "who,when,n,m\n" + (0..<12).map { "\($0 % 2),\($0 / 2),\($0),\($0 * 10)\n" }.joined()
        let trained = try splits(table, "window: 2\nhorizon: 3", columns: "inputs: n, target: [m, n], time: when, key: who")
        let new = try files.write("new.csv", "n,when,who\n1,10,east\n2,11,east\n9,7,\"we,st\"\n3,12,east\n8,8,\"we,st\"\n")
        let dataset = try trained.preprocessing.inputs(from: new)
        #expect(dataset.inputRows() == [[2, 3], [9, 8]] && !dataset.hasTargets)
        let forecasts = (0..<2).compactMap { dataset.forecast(of: $0, trained.preprocessing) }
        #expect(forecasts.map(\.key) == ["east", "we,st"] && forecasts.map(\.times) == [["13", "14", "15"], ["9", "10", "11"]])
        #expect(trained.preprocessing.series?.forecastColumns == ["who", "when", "m", "n"])
        let labelled = try trained.preprocessing.samples(from: files.path("t.csv"))
        #expect(try labelled.count == 4 && labelled.digest() == trained.train.digest())
        #expect(labelled.forecast(of: 0, trained.preprocessing) == nil)
        func refuse(_ text: String, _ says: String..., isLabelled: Bool = false) throws {
            let path = try files.write("bad.csv", text)
            for part in says {
                expectFailure(.badData, part) {
                    _ = try isLabelled ? trained.preprocessing.samples(from: path) : trained.preprocessing.inputs(from: path)
                }
            }
        }
        try refuse(
            "n,when,who\n1,1,x\n2,2,x\n3,1,y\n",
            "bad.csv:4: the series \"y\" that begins here has 1 row, but a forecast takes 2")
        try refuse("n,when,who\n1,1,x\n2,3,x\n", "expected 2, 1 after line 2, as in the training data, found 3")
        try refuse("n,when,who\n1,2000-01,x\n", "expected a time like a number, as in the training data, found \"2000-01\"")
        try refuse("n,who\n1,x\n", "no column \"when\", which the training data have")
        try refuse("x,y\n1,2\n", "expected the header of the training data (n, m)")
        try refuse("n,when,who\n1,1,x\n2,2,x\n", "no column \"m\"", isLabelled: true)
        try refuse("n,when,who,m\n1,1,x,0\n2,2,x,0\n", "has 2 rows, but a sample takes 5", isLabelled: true)
        try refuse("n,when,who\n1e39,1,x\n2,2,x\n", "bad.csv:2: column \"n\": 1e+39 is too large for Float32")
        expectFailure(.badConfiguration, "--targets") { _ = try trained.preprocessing.samples(from: new, targets: new) }
    }

    @Test("what is trained on is read again with what the checkpoint keeps, and nothing else")
    func stored() throws {
        let options = "window: 3\nhorizon: 2\nstandardize: true\nvalidation_fraction: 0.3"
        let trained = try splits(Self.months(20), options)
        let longer = try yaml(Self.months(40), options)
        let again = try configuration(longer).load(with: trained.preprocessing)
        #expect(again.preprocessing == trained.preprocessing && again.train.inputRows()[0] == trained.train.inputRows()[0])
        for (options, columns) in [
            ("window: 4\nhorizon: 2", "target: a, time: date"), ("window: 3\nhorizon: 1", "target: a, time: date"),
            ("window: 3\nhorizon: 2", "target: a"), ("window: 3\nhorizon: 2", "target: [a, b], time: date")
        ] {
            expectFailure(.badConfiguration, "the checkpoint was trained with window: 3, horizon: 2, time: date, key: none") {
                _ = try configuration(try yaml(Self.months(20), options, columns: columns)).load(with: trained.preprocessing)
            }
        }
        let table = try files.write("n.csv", "a,label\n1,ham\n2,spam\n")
        let numbers = try load("format: csv\ntrain: {path: \(table), target: label}").preprocessing
        expectFailure(.badConfiguration, "not on series") { _ = try configuration(longer).load(with: numbers) }
        expectFailure(.badConfiguration, "not on a table") {
            _ = try configuration("format: csv\ntrain: {path: \(table), target: label}").load(with: trained.preprocessing)
        }
        let (inputs, targets) = (try files.write("x", idx([2, 3, 1], Array(0..<6))), try files.write("y", idx([2], [0, 1])))
        expectFailure(.badConfiguration, "trained on series") {
            _ = try configuration("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}").load(
                with: trained.preprocessing)
        }
        // An array of the same shape is none of its kind of file.
        expectFailure(.badData, "x: not a text file") { _ = try trained.preprocessing.inputs(from: inputs) }
    }

    // MARK: - Refusals

    @Test("what can't be used is refused by place and name")
    func refusals() throws {
        func refuse(
            _ code: ExitCode, _ table: String, options: String = "window: 2", columns: String = "target: a", _ says: String...
        ) throws {
            let yaml = try yaml(table, options, columns: columns)
            for part in says { expectFailure(code, part) { _ = try load(yaml) } }
        }
        let good = "a,b,k\n1,2,x\n2,3,x\n3,4,x\n4,5,x\n"
        for cell in ["", "NA", "nan", "?", "null"] {
            try refuse(.badData, "a,b\n1,0\n2,0\n\(cell),0\n4,0\n", "t.csv:4: column \"a\": the value is missing", "fill it in")
        }
        try refuse(.badData, "a\n1\ninf\n3\n", "t.csv:3: column \"a\": expected a finite number, found \"inf\"")
        try refuse(.badData, "a\n1\nx\n3\n", "t.csv:3: column \"a\": expected a number, found \"x\"")
        try refuse(.badData, "a\n1\n2\n1e39\n", "t.csv:4: column \"a\": 1e+39 is too large for Float32")
        try refuse(.badData, "a\n", "an empty set")
        try refuse(
            .badData, good, options: "window: 4", "t.csv:2: the series that begins here has 4 rows, but a sample takes 5")
        try refuse(.badData, good, options: "window: 3\nhorizon: 2", "data.window: 3, data.horizon: 2")
        try refuse(
            .badData, good, options: "window: 3\nvalidation_fraction: 0.25",
            "has 4 rows, of which 3 are for training, but a sample takes 4")
        try refuse(
            .badData, good, options: "window: 1\nhorizon: 2\nvalidation_fraction: 0.1",
            "has 4 rows, of which 1 is for validation, but a sample foresees 2", "data.validation_fraction")
        try refuse(
            .badData, "k,a\nx,1\nx,2\nx,3\ny,4\n", columns: "target: a, key: k",
            "t.csv:5: the series \"y\" that begins here has 1 row, but a sample takes 3")
        try refuse(
            .badData, "k,a\nx,1\n,2\n", columns: "target: a, key: k",
            "t.csv:3: column \"k\": expected the name of the row's series")
        try refuse(.badData, "a,b\n1,2\n3\n", "t.csv:3: expected 2 cells, found 1")
        try refuse(.badConfiguration, good, columns: "target: z", "data.train.target: no column \"z\"")
        try refuse(.badConfiguration, good, columns: "target: [a, a]", "data.train.target: column \"a\" is named twice")
        try refuse(
            .badConfiguration, good, columns: "inputs: [b, b], target: a", "data.train.inputs: column \"b\" is named twice")
        try refuse(
            .badConfiguration, good, columns: "target: a, time: a", "data.train.time: column \"a\" is named for something else")
        try refuse(.badConfiguration, good, columns: "target: a, time: b, key: b", "data.train.time: column \"b\" is named")
        try refuse(.badConfiguration, good, columns: "target: []", "data.train.target", "the column to be foreseen")
        try refuse(.badConfiguration, good, columns: "inputs: [], target: a", "data.train.inputs", "an empty list")
        for (options, part) in [
            ("horizon: 1", "data.window"), ("window: 0", "data.window"), ("window: 1048577", "data.window"),
            ("window: 2\nhorizon: 0", "data.horizon"), ("window: 2\nhorizon: 1048577", "data.horizon"),
            ("window: 2\nstride: 0", "data.stride"), ("window: 2\nseason: 0", "data.season"),
            ("window: 2\nnormalize: {scale: 2}", "set standardize: true"),
            ("window: 2\ntarget_kind: class", "leave it out with format: series"),
            ("window: 2\ntarget_kind: input", "leave it out with format: series"), ("window: 2\nclasses: 2", "format: series"),
            ("window: 2\nsplit_seed: 3", "by time, never at random"), ("window: 2\nmissing: mean", "missing")
        ] {
            try refuse(.badConfiguration, good, options: options, part)
        }
        let sorted = try yaml(good, "window: 2\naugment: [horizontal_flip]", columns: "target: a")
        expectFailure(.badConfiguration, "samples are series") {
            _ = try load(sorted).augmented(by: configuration(sorted).augmentations, seed: 0, globalBatchSize: 2)
        }
    }

    // MARK: - Hostile files

    @Test("a table that is cut anywhere, or damaged anywhere, is read or refused")
    func damage() throws {
        let table = Array(
            ("who,date,a,b\n"
                + (0..<12).map { "\($0 % 2),2000-\(String(format: "%02d", $0 / 2 + 1)),\($0).5,\($0)e1\n" }.joined()).utf8)
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let bytes = Array("0123456789,-:T \n\"\r.eE+Znaif\u{0}é".utf8) + [0xFF]
        let options = "window: 2\nhorizon: 2\nvalidation_fraction: 0.34\nseason: 2"
        let trained = try splits(
            String(decoding: table, as: UTF8.self), options, columns: "inputs: [a, b], target: a, time: date, key: who")
        var read = 0
        for round in 0..<1500 {
            var damaged = round < table.count ? Array(table[..<round]) : table
            if round >= table.count { for _ in 0...next(4) { damaged[next(damaged.count)] = bytes[next(bytes.count)] } }
            // Another file each time: to write one anew waits for the disk.
            let path = try files.write("d.csv-\(round)", damaged)
            defer { try? FileManager.default.removeItem(atPath: path) }
            do {
                let splits = try load(
                    "format: series\ntrain: {path: \(path), inputs: [2, 3], target: 2, time: 1, key: 0}\n\(options)")
                _ = try splits.train.digest()
                _ = splits.train.seriesStatistics(splits.preprocessing)
                read += 1
            } catch let failure as Failure {
                #expect(failure.code == .badData || failure.code == .badConfiguration, "\(failure)")
            }
            if let new = try? trained.preprocessing.inputs(from: path) { _ = new.inputRows() }
            if let new = try? trained.preprocessing.samples(from: path) { _ = try new.digest() }
        }
        #expect(read > 50)
    }
}
