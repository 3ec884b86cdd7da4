import Diagnostics

extension BadInput {
    /// A table of series that is wrong, named `t.csv`.
    private static func series(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badData, _ table: String,
        columns: String = "target: a, time: t", data: String = "window: 2"
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            try bench.write("t.csv", table)
            try bench.write("c.yaml", Material.series("t.csv", columns: columns, data: data))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    /// A file of classified series that is wrong, named `t.ts`.
    private static func classified(_ name: String, says: [String], onRanks: Bool = false, _ text: [UInt8], data: String = "")
        -> BadInput
    {
        BadInput(name, .badData, says: says, onRanks: onRanks) { bench in
            try bench.write("t.ts", text)
            try bench.write("c.yaml", Material.classifiedSeries("t.ts", data: data))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    private static let good = "t,a,k\n2000-01,1,x\n2000-02,2,x\n2000-03,3,x\n2000-04,4,x\n2000-05,5,x\n"
    private static let head = "@classLabel true up down\n@data\n1,2:up\n"

    static let series: [BadInput] = [
        series(
            "a series with a gap", says: ["t.csv:4: column \"t\": expected 2000-03, 1 month after line 3, found 2000-04"],
            onRanks: true, "t,a\n2000-01,1\n2000-02,2\n2000-04,3\n2000-05,3\n"),
        series(
            "a series that isn't sorted", says: ["t.csv:3: column \"t\": 2000-01 comes after 2000-02 on line 2; sort the rows"],
            "t,a\n2000-02,1\n2000-01,2\n2000-03,3\n"),
        series(
            "a time that is there twice", says: ["t.csv:3: column \"t\": 2000-01 is also the time of line 2", "data.train.key"],
            "t,a\n2000-01,1\n2000-01,2\n2000-02,3\n"),
        series(
            "no time", says: ["t.csv:3: column \"t\": expected a time", "found \"May\""], "t,a\n2000-01,1\nMay,2\n2000-02,3\n"),
        series(
            "a series with a missing value", says: ["t.csv:3: column \"a\": the value is missing"],
            "t,a\n2000-01,1\n2000-02,\n2000-03,3\n"),
        series(
            "a series with an infinite value", says: ["t.csv:3: column \"a\": expected a finite number, found \"inf\""],
            "t,a\n2000-01,1\n2000-02,inf\n2000-03,3\n"),
        series(
            "a window longer than the series", says: ["t.csv:2: the series that begins here has 5 rows, but a sample takes 10"],
            onRanks: true, good, data: "window: 9"),
        series(
            "a horizon beyond the end", says: ["t.csv:2", "has 5 rows, but a sample takes 6 (data.window: 2, data.horizon: 4)"],
            good,
            data: "window: 2\n  horizon: 4"),
        series(
            "a series too short for validation",
            says: ["t.csv:2", "of which 1 is for validation, but a sample foresees 2", "data.validation_fraction"], good,
            data: "window: 1\n  horizon: 2\n  validation_fraction: 0.2"),
        series(
            "one series of several that is too short", says: ["t.csv:7: the series \"y\" that begins here has 1 row"],
            good + "2000-01,1,y\n", columns: "target: a, time: t, key: k"),
        series(
            "no column of times", says: ["data.train.time", "\"date\""], code: .badConfiguration, good,
            columns: "target: a, time: date"),
        series("no window", says: ["c.yaml", "data.window"], code: .badConfiguration, good, data: "horizon: 1"),
        series(
            "windows of no row", says: ["c.yaml", "data.window", "found 0"], code: .badConfiguration, good, data: "window: 0"),
        series(
            "series that are classes", says: ["c.yaml", "data.target_kind", "numbers are to be foreseen"],
            code: .badConfiguration,
            good, data: "window: 2\n  target_kind: class"),
        series(
            "a network for another horizon", says: ["1 output", "2 targets per sample", "units: 2"], code: .badConfiguration,
            good,
            data: "window: 2\n  horizon: 2"),
        BadInput(
            "streams of windows that overlap", .badConfiguration,
            says: ["training.stateful", "data.stride equal to data.window"]
        ) { bench in
            try bench.write("t.csv", good)
            try bench.write("c.yaml", Material.series("t.csv", columns: "target: a", data: "window: 2"))
            return [
                "train", "c.yaml", "--run", "run", "--set", "training.stateful=true", "--set", "training.global_batch_size=2",
                "--set",
                "training.micro_batch_size=1"
            ]
        },
        classified(
            "a series with a hole", says: ["t.ts:4: a value inside of the series is missing (\"?\")"], onRanks: true,
            Array((head + "1,?:down\n").utf8)),
        classified("an empty series", says: ["t.ts:4: a series without a step"], Array((head + ":down\n").utf8)),
        classified(
            "dimensions of different lengths", says: ["t.ts:4: dimension 2 has 1 value, but the first has 2"],
            Array("@classLabel true up down\n@data\n1,2:1,2:up\n1,2:3:down\n".utf8)),
        classified(
            "a class of series in another encoding", says: ["t.ts:4", "UTF-8"], Array((head + "1,2:").utf8) + [0xE9, 0x0A]),
        classified("series of one class", says: ["one class \"up\""], Array((head + "2,2:up\n").utf8)),
        classified(
            "an unknown class of series in validation", says: ["v.ts:1: \"left\" is not one of the classes"],
            Array((head + "3,4:down\n").utf8), data: "validation: {path: v.ts}"
        ).adding("v.ts", "left\t1\t2\n")
    ]
}
