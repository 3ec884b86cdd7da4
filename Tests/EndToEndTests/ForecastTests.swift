import Diagnostics
import Foundation
import TestSupport
import Testing

/// `format: series` and `format: ucr` from the file to predictions.
@Suite("Series")
struct ForecastTests {
    private func train(_ bench: Workbench, steps: Int = 60, _ options: [String] = []) throws {
        try bench.write("t.csv", Material.stations())
        try bench.write(
            "c.yaml",
            Material.series(
                "t.csv", columns: "inputs: [level, rain], target: [level], time: date, key: station",
                data: "window: 12\n  horizon: 3\n  season: 12\n  standardize: true\n  validation_fraction: 0.2", units: 3,
                steps: steps))
        expectSuccess(try bench.dtrain(["train", "c.yaml", "--run", "run", "--quiet"] + options))
    }

    @Test("what comes next is foreseen in the file's unit, with the series and the times that go on")
    func forecasts() throws {
        try withWorkbench { bench in
            try train(bench, steps: 400)
            let outcome = try bench.dtrain("predict", "run", "t.csv")
            expectSuccess(outcome)
            #expect(outcome.outputLines.count == 7 && outcome.outputLines[0] == "station,date,level")
            for (line, expected) in zip(outcome.outputLines.dropFirst(), Material.stationsGoOn()) {
                let cells = line.split(separator: ",").map(String.init)
                try #require(cells.count == 3, "\(line)")
                #expect(cells[0] == expected.station && cells[1] == expected.date)
                #expect(abs((Double(cells[2]) ?? 0) - expected.level) < 1, "\(line), not \(expected.level)")
            }
            // Only what is learnt from is needed, in any order of columns.
            let rows = bench.text("t.csv").split(separator: "\n").suffix(24).map { $0.split(separator: ",") }
            try bench.write(
                "new.csv", "rain,station,level,date\n" + rows.map { "\($0[3]),\($0[0]),\($0[2]),\($0[1])\n" }.joined())
            let new = try bench.dtrain("predict", "run", "new.csv", "--output", "out.csv")
            expectSuccess(new)
            #expect(bench.text("out.csv") == outcome.output)
            let scored = try bench.dtrain("eval", "run", "--data", "t.csv")
            expectSuccess(scored)
            // 60 rows of each station, of which 14 begin no window.
            #expect(scored.output.contains("92 samples"), "\(scored)")
            expectSuccess(try bench.dtrain("eval", "run", "--split", "train"))
            try bench.write("gap.csv", "station,date,level,rain\nn,2001-01,1,2\nn,2001-03,1,2\n")
            expectRefusal(
                try bench.dtrain("predict", "run", "gap.csv"), .badData,
                ["gap.csv:3: column \"date\": expected 2001-02, 1 month after line 2, as in the training data, found 2001-03"])
            expectRefusal(
                try bench.dtrain("predict", "run", "t.csv", "--set", "data.train.delimiter=;"), .badData,
                ["t.csv:1", "delimiter"])
        }
    }

    @Test("data says what there is, split by split, and what simple forecasts would be")
    func reports() throws {
        try withWorkbench { bench in
            try train(bench, steps: 1)
            let data = try bench.dtrain("data", "c.yaml")
            expectSuccess(data)
            for line in [
                "train: 68 samples of shape [12, 2], target: 3 numbers",
                "  2 series, 96 rows: 2000-01 to 2003-12, 1 month apart",
                "validation: 20 samples of shape [12, 2], target: 3 numbers",
                "  2 series, 24 rows: 2004-01 to 2004-12, 1 month apart",
                "  level: ", "  rain: ", "  forecast by the last value: squared error ",
                "  forecast by the value a season (12 rows) before: squared error ", "(of standardized targets)"
            ] {
                #expect(data.output.contains(line), "\(line) in \(data)")
            }
            let inspect = try bench.dtrain("inspect", "run")
            expectSuccess(inspect)
            expectSuccess(try bench.dtrain("gradcheck", "c.yaml"))
        }
    }

    @Test("a run of series goes on where it stopped, on other ranks too, and not with other rows")
    func resume() throws {
        try withWorkbench { bench in
            try train(bench, steps: 12)
            let whole = bench.files("run").digest
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "half", "--quiet", "--steps", "5"))
            let table = bench.text("t.csv")
            try bench.write("t.csv", table + "north,2005-01,1,1\n")
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "half", "--resume", "--quiet"), .badConfiguration, ["data"])
            try bench.write("t.csv", table)
            let rest = try bench.dtrain(
                "train", "c.yaml", "--run", "half", "--resume", "--quiet", "--set", "data.season=6",
                ranks: MPIRun.isAvailable ? 3 : nil)
            #expect(rest.status == 0 && rest.output.contains(whole), "\(rest)")
        }
    }

    @Test("the state goes on from window to window where they follow each other, of each series by itself")
    func streams() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.stations())
            try bench.write(
                "c.yaml",
                Material.series(
                    "t.csv", columns: "target: level, time: date, key: station",
                    data: "window: 6\n  stride: 6\n  horizon: 2\n  validation_fraction: 0.2", units: 2, steps: 7, batch: 2))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet", "--set", "training.stateful=true"))
            let stateless = try bench.dtrain("train", "c.yaml", "--run", "other", "--quiet", "--set", "training.shuffle=false")
            expectSuccess(stateless)
            #expect(bench.files("run").digest != bench.files("other").digest)
            expectRefusal(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "third", "--set", "training.stateful=true", "--set",
                    "training.global_batch_size=3", "--set",
                    "training.micro_batch_size=3"),
                .badConfiguration, ["training.stateful", "cuts them where they end"])
        }
    }

    @Test(
        "a checkpoint whose series were forged is refused before anything is done with it",
        arguments: [
            ("\"window\":12", "\"window\":9223372036854775807"), ("\"window\":12", "\"window\":13"),
            ("\"horizon\":3", "\"horizon\":4"),
            ("\"horizon\":3", "\"horizon\":-1"), ("\"stride\":1", "\"stride\":0"), ("\"inputCount\":2", "\"inputCount\":1"),
            ("\"months\":{\"_0\":1}", "\"months\":{\"_0\":0}"), ("\"months\":{\"_0\":1}", "\"days\":{\"_0\":1}"),
            ("\"kind\":\"month\"", "\"kind\":\"week\""), ("\"targets\":[0]", "\"targets\":[2]"),
            ("\"targets\":[0]", "\"targets\":[]")
        ])
    func forged(_ original: String, _ replacement: String) throws {
        try withWorkbench { bench in
            try train(bench, steps: 1)
            let checkpoint = "run/checkpoints/step-00000001"
            try bench.forge(checkpoint, original, replacement)
            for command in [["eval", checkpoint], ["inspect", checkpoint], ["predict", checkpoint, "t.csv"]] {
                expectRefusal(try bench.dtrain(command), .badData, [])
            }
        }
    }

    // MARK: - Classified series

    @Test("series of different lengths are told apart, in files of both archives, and new ones without their classes")
    func classified() throws {
        try withWorkbench { bench in
            let series = Material.waves(60)
            try bench.write(
                "t.tsv", series.map { "\($0.name)\t\($0.values.map { "\($0)" }.joined(separator: "\t"))\tNaN\n" }.joined())
            let archive = series.map { "\($0.values.map { "\($0)" }.joined(separator: ",")):\($0.name)\n" }.joined()
            try bench.write(
                "t.ts",
                "@problemName waves\n@univariate true\n@equalLength false\n@classLabel true rise wave\n@data\n" + archive)
            try bench.write("c.yaml", Material.classifiedSeries("t.tsv", data: "validation_fraction: 0.25", steps: 150))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let rows = try bench.dtrain("predict", "run", "t.tsv")
            expectSuccess(rows)
            #expect(rows.outputLines.first == "prediction,probability_rise,probability_wave" && rows.outputLines.count == 61)
            #expect(zip(rows.outputLines.dropFirst(), series).count { $0.hasPrefix($1.name + ",") } > 55, "\(rows)")
            try bench.write(
                "u.ts", "@classLabel false\n@data\n" + archive.replacing(":rise", with: "").replacing(":wave", with: ""))
            #expect(try bench.dtrain("predict", "run", "u.ts").output == rows.output)
            for file in ["t.tsv", "t.ts"] {
                let outcome = try bench.dtrain("eval", "run", "--data", file)
                expectSuccess(outcome)
                #expect(outcome.output.contains("60 samples"))
            }
            let same = try bench.dtrain(
                "train", "c.yaml", "--run", "same", "--quiet", "--set", "data.train.path=t.ts",
                ranks: MPIRun.isAvailable ? 3 : nil)
            #expect(same.status == 0 && same.output.contains(bench.files("run").digest), "\(same)")
            let data = try bench.dtrain("data", "c.yaml")
            for line in ["  rise: ", "  wave: ", "  lengths: 5 to ", " steps, median ", "  dimension 0: "] {
                #expect(data.output.contains(line), "\(line) in \(data)")
            }
        }
    }
}
