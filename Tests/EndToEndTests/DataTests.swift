import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

/// Data files of strangers, and what is made of their words.
@Suite("Data")
struct DataTests {
    // MARK: - predict's output

    /// Names that a careless writer or reader of CSV would spoil.
    private static let names = [
        "a,b", "say \"x\"", "\"", "\"\"", "new\nline", "cr\rhere", "crlf\r\nhere", " lead", "trail ", "\ttab", "end\r",
        "\nstart",
        ",\u{301}", "\"\u{301}", "\n\u{308}", "\u{FEFF}mark", "=1+1", "#", ";", "'", "\u{2028}", "\u{85}", "\u{B}", "🙂",
        "o\u{308}",
        "NA x", "1.10", "a\\\"b", "\\n", "%s"
    ]

    @Test(
        "is read back by Python's csv, whatever the classes are called",
        .enabled(if: Self.python != nil, "no python3"))
    func pythonReadsPredictions() throws {
        try withWorkbench { bench in
            func quoted(_ text: String) -> String {
                var scalars = String.UnicodeScalarView("\"".unicodeScalars)
                for scalar in text.unicodeScalars { scalars.append(contentsOf: scalar == "\"" ? [scalar, scalar] : [scalar]) }
                scalars.append("\"")
                return String(scalars)
            }
            let rows = (0..<2 * Self.names.count).map { row in
                "\(Double(row * 37 % 101) / 10),\(quoted(Self.names[row % Self.names.count]))\n"
            }
            try bench.write("t.csv", "u,\(quoted("na,me\""))\n" + rows.joined())
            try bench.write(
                "c.yaml",
                """
                data: {format: csv, train: {path: t.csv, target: 1}, target_kind: class}
                model: {layers: [dense: {units: \(Self.names.count)}]}
                training: {max_steps: 2, global_batch_size: 8, micro_batch_size: 4}
                """)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let outcome = try bench.dtrain("predict", "run", "t.csv", "--output", "out.csv")
            expectSuccess(outcome)
            let program =
                "import csv, json, sys; rows = list(csv.reader(open(sys.argv[1], newline='', encoding='utf-8'))); "
                + "print(json.dumps(rows))"
            let read = try bench.run(try #require(Self.python), ["-c", program, "out.csv"])
            #expect(read.status == 0, "\(read)")
            let table = try JSONDecoder().decode([[String]].self, from: Data(read.output.utf8))
            #expect(table.count == rows.count + 1)
            func bytes(_ texts: some Sequence<String>) -> Set<[UInt8]> { Set(texts.map { Array($0.utf8) }) }
            #expect(bytes(table[0].dropFirst()) == bytes(Self.names.map { "probability_" + $0 }))
            for row in table.dropFirst() {
                #expect(row.count == Self.names.count + 1)
                let numbers = row.dropFirst().compactMap { Double($0) }
                let best = numbers.indices.max { numbers[$0] < numbers[$1] } ?? 0
                #expect(numbers.count == Self.names.count && abs(numbers.reduce(0, +) - 1) < 1e-5)
                #expect(Array(("probability_" + row[0]).utf8) == Array(table[0][best + 1].utf8))
            }
            // What dtrain wrote, dtrain reads as well.
            expectSuccess(try bench.dtrain("eval", "run", "--data", "t.csv"))
        }
    }

    private static let python: String? = {
        let probe = try? ChildProcess("/usr/bin/env", ["python3", "-c", "import sys; print(sys.executable)"]).run()
        guard let probe, probe.status == 0 else { return nil }
        return probe.output.split(separator: "\n").first.map(String.init)
    }()

    // MARK: - Files that change

    @Test(
        "a mapped file that is cut while it is used ends the job with an error that names it, and nothing is lost",
        arguments: MPIRun.isAvailable ? [nil, 2] : [nil] as [Int?])
    func cutFile(_ ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write("c.yaml", Material.pictures(steps: 100_000_000, sections: "checkpoint: {every_steps: 1000000000}"))
            let job = try bench.start(["train", "c.yaml", "--run", "run", "--quiet"], ranks: ranks)
            let running = try job.begin()
            try #require(running.waitUntil { _ in bench.exists("run/checkpoints/step-00000000/state.json") })
            try bench.truncate("x", to: 0)
            expectRefusal(try job.wait(), .inputOutput, ["x: it can't be read any more", "shrank"])
            try bench.write("x", Material.images)
            expectSuccess(try bench.dtrain("eval", "run", "--split", "train"))
        }
    }

    @Test(
        "a pipe where data belong is refused, also for predict and eval",
        arguments: [
            ["predict", "run", "pipe"], ["eval", "run", "--data", "pipe"], ["eval", "run", "--data", "x", "--targets", "pipe"],
            ["train", "c.yaml", "--run", "new", "--set", "data.train.targets=pipe"]
        ])
    func pipes(_ command: [String]) throws {
        try withWorkbench { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write("c.yaml", Material.pictures())
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            try #require(mkfifo(bench.path("pipe"), 0o600) == 0)
            expectRefusal(try bench.dtrain(command), .badData, ["pipe: a pipe, not a regular file"])
        }
    }

    // MARK: - State that somebody has made

    /// Replaces something in a state, which keeps a right seal.
    private func forge(_ bench: Workbench, _ file: String, _ original: String, _ replacement: String) throws {
        let mark = "\"sha256\": \""
        let text = bench.text(file).replacingOccurrences(of: original, with: replacement)
        try #require(text.contains(replacement), "\(text.prefix(3000))")
        let end = try #require(text.range(of: mark, options: .backwards)).lowerBound
        let sealed = text[..<end]
        let seal = try SHA256.hexadecimal(of: Array(sealed.utf8))
        try bench.write(file, sealed + "\(mark)\(seal)\"\n}\n")
    }

    @Test("a checkpoint of another arithmetic is gone on from, and it is said once that the bits differ from there on")
    func otherArithmetic() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let mine = "(arithmetic 4)"
            let older = "(x86_64, kernels 2, glibc 2.36, fma+avx2)"
            try forge(bench, "run/checkpoints/step-00000004/state.json", mine, older)
            func resume(to step: Int) throws -> [String] {
                let outcome = try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--resume", "--quiet", "--set", "training.max_steps=\(step)")
                #expect(outcome.status == 0, "\(outcome)")
                return (outcome.output + outcome.errors).split(separator: "\n").map(String.init)
                    .filter { $0.contains("the bits are not those") }
            }
            let said = try resume(to: 5)
            #expect(said.count == 1 && said[0].contains(older) && said[0].contains(mine), "\(said)")
            #expect(try resume(to: 6).isEmpty)
        }
    }

    @Test(
        "a checkpoint whose state was forged is refused before anything is done with it",
        arguments: [
            ("\"failures\":0", "\"failures\":9223372036854775807"), ("\"skippedSteps\":0", "\"skippedSteps\":-3"),
            ("\"skippedSteps\":0", "\"skippedSteps\":9"), ("\"epochSamples\":256", "\"epochSamples\":9223372036854775807"),
            ("\"epochSamples\":256", "\"epochSamples\":-1"), ("\"parameterCount\":1210", "\"parameterCount\":-1"),
            ("\"inputDimensions\":[64]", "\"inputDimensions\":[9223372036854775807]"),
            ("\"inputDimensions\":[64]", "\"inputDimensions\":[4294967296]"),
            ("\"inputDimensions\":[64]", "\"inputDimensions\":[]"), ("\"scale\":[16]", "\"scale\":[0]"),
            ("{\"classes\":{\"count\":10}}", "{\"classes\":{\"count\":9223372036854775807}}"),
            ("{\"classes\":{\"count\":10}}", "{\"values\":{\"count\":9223372036854775807}}")
        ])
    func forgedState(_ original: String, _ replacement: String) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            try forge(bench, "run/checkpoints/step-00000004/state.json", original, replacement)
            let checkpoint = "run/checkpoints/step-00000004"
            for command in [["eval", checkpoint], ["inspect", checkpoint]] {
                expectRefusal(try bench.dtrain(command), .badData, [])
            }
            // A resume finds in the data anew what was forged of the preprocessing, or refuses as well.
            let resumed = try bench.dtrain(
                "train", "c.yaml", "--run", "run", "--resume", "--quiet", "--set",
                "training.max_steps=5")
            if resumed.status == ExitCode.success.rawValue {
                expectSuccess(try bench.dtrain("eval", "run"))
            } else {
                expectRefusal(resumed, .badData, [])
            }
        }
    }
}
