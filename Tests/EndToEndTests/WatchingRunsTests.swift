import Foundation
import TestSupport
import Testing

/// What a person or a program sees of runs: the terminal, `--json`, `ls`, `diff`.
@Suite("Watching runs")
struct WatchingRunsTests {
    private static let script = "/usr/bin/script"

    /// What a terminal of so many columns gets to see.
    private func terminal(
        _ bench: Workbench, columns: Int, _ arguments: String, environment: String = "TERM=xterm"
    ) throws -> String {
        // Whoever runs the tests may want no colours.
        let command =
            "stty cols \(columns) rows 24; unset NO_COLOR CLICOLOR CLICOLOR_FORCE; \(environment) exec '\(Workbench.program)' \(arguments)"
        return try bench.run(Self.script, ["-qec", command, "/dev/null"]).output
    }

    private func rows(_ text: String) -> [Substring] {
        text.replacing(/\u{1b}\[\d+m/, with: "").split { $0 == "\r" || $0 == "\n" || $0 == "\r\n" }
    }

    @Test(
        "on a terminal of any width no drawn line reaches the last column, and the time left is said where there is room",
        .enabled(if: access(script, X_OK) == 0, "there is no \(script)"), arguments: [40, 80, 200])
    func widths(columns: Int) throws {
        try withWorkbench { bench in
            let text = try terminal(bench, columns: columns, "--run run --set training.epochs=60")
            let drawn = rows(text).filter { $0.hasPrefix("Epoch ") }
            #expect(drawn.contains { $0.contains("/23") } && drawn.contains { $0.contains("/60") })
            #expect(drawn.allSatisfy { $0.count < columns }, "\(drawn.map(\.count).max() ?? 0)")
            if columns == 200 { #expect(drawn.contains { $0.contains(" s left of ") && $0.contains(" best 0.") }) }
            #expect(text.contains("\u{1b}[1mEpoch "))
        }
    }

    @Test(
        "NO_COLOR and CLICOLOR=0 leave out colours, TERM=dumb drawing over lines too",
        .enabled(if: access(script, X_OK) == 0, "there is no \(script)"))
    func colors() throws {
        try withWorkbench { bench in
            for (number, environment) in ["NO_COLOR=1 CLICOLOR_FORCE=1", "CLICOLOR=0 TERM=xterm"].enumerated() {
                let text = try terminal(bench, columns: 80, "--run run\(number)", environment: environment)
                #expect(!text.contains("\u{1b}") && text.contains("\rEpoch 1/25"), "\(environment)")
            }
            let dumb = try terminal(bench, columns: 50, "--run dumb", environment: "TERM=dumb")
            #expect(!dumb.contains("\u{1b}") && rows(dumb).filter { $0.hasPrefix("Epoch ") }.count == 25)
            #expect(rows(dumb).filter { $0.hasPrefix("Epoch ") }.allSatisfy { $0.count < 50 })
            let forced = try bench.dtrain(["--run", "forced"], environment: ["CLICOLOR_FORCE": "1", "NO_COLOR": ""])
            #expect(forced.output.contains("\u{1b}[1mEpoch 1/25\u{1b}[0m"))
        }
    }

    @Test("--json prints the lines of metrics.jsonl and nothing else", arguments: [nil, 2] as [Int?])
    func json(ranks: Int?) throws {
        if ranks != nil, !MPIRun.isAvailable { return }
        try withWorkbench { bench in
            let outcome = try bench.dtrain(["--run", "run", "--json", "--set", "training.epochs=2"], ranks: ranks)
            expectSuccess(outcome)
            #expect(outcome.output.replacing("\r\n", with: "\n") == bench.text("run/metrics.jsonl"))
            #expect(outcome.outputLines.last?.contains("\"event\":\"end\"") == true)
        }
    }

    @Test(
        "--rank-rates says behind each epoch how fast each rank was",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func rankRates() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(["--run", "run", "--rank-rates", "--set", "training.epochs=2"], ranks: 2)
            expectSuccess(outcome)
            let lines = outcome.outputLines.filter { $0.hasPrefix("rank 0 ") }
            #expect(lines.count == 2)
            let form = /rank 0 [\d,]+ samples\/s, \d+ % waiting \| rank 1 [\d,]+ samples\/s, \d+ % waiting\s*/
            #expect(lines.allSatisfy { $0.wholeMatch(of: form) != nil }, "\(lines)")
        }
    }

    @Test("options that exclude each other are refused")
    func exclusions() throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain("--json", "--quiet"), .usage, ["--json and --quiet exclude each other"])
            expectRefusal(
                try bench.dtrain("--rank-rates", "--json"), .usage, ["--rank-rates prints lines that --json leaves out"])
        }
    }

    @Test("ls tells running, finished, interrupted and failed runs apart")
    func states() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain("--run", "runs/done", "--quiet", "--set", "training.epochs=2"))
            expectSuccess(try bench.dtrain("--run", "runs/short", "--quiet", "--steps", "10"))
            // A job that is killed, and one that is at work.
            let endless = ["--set", "training.epochs=1000000", "--quiet"]
            let killed = try bench.start(["--run", "runs/killed"] + endless)
            let running = try bench.start(["--run", "runs/running"] + endless)
            let processes = try [killed.begin(), running.begin()]
            defer { for process in processes { kill(process.identifier, SIGKILL) } }
            for name in ["killed", "running"] {
                while !bench.exists("runs/\(name)/metrics.jsonl") || bench.bytes("runs/\(name)/metrics.jsonl").isEmpty {
                    usleep(10_000)
                }
            }
            kill(processes[0].identifier, SIGKILL)
            _ = try killed.wait()
            try bench.write("runs/notes.txt", "no run")
            let outcome = try bench.dtrain("ls", "--json")
            expectSuccess(outcome)
            var states: [String: String] = [:]
            for line in outcome.outputLines {
                let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                states[object["run"] as? String ?? ""] = object["state"] as? String
                if object["run"] as? String == "runs/done" {
                    #expect(object["step"] as? Int == 46 && object["total_steps"] as? Int == 46)
                    #expect((object["best"] as? [String: Any])?["monitor"] as? String == "validation_loss")
                }
            }
            #expect(
                states == [
                    "runs/done": "finished", "runs/short": "interrupted", "runs/killed": "failed", "runs/running": "running"
                ])
            let table = try bench.dtrain("ls", "runs/")
            #expect(table.outputLines.count == 5 && table.outputLines[0].hasPrefix("run "))
            #expect(table.output.contains("it was killed, or its machine stopped"))
            #expect(try bench.dtrain("ls", "runs/short").output.contains("10/575"))
        }
    }

    @Test("ls of what isn't there, and of a folder without runs")
    func noRuns() throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain("ls", "none"), .missingInput, ["none: open failed: No such file or directory"])
            try bench.write("empty/x", "")
            #expect(try bench.dtrain("ls", "empty").output == "empty: no runs\n")
        }
    }

    @Test("diff names the settings that differ, of runs, checkpoints and configurations")
    func differences() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain("--run", "a", "--quiet", "--steps", "3"))
            expectSuccess(
                try bench.dtrain(
                    "--run", "b", "--quiet", "--steps", "3", "--seed", "7", "--set", "model.layers.0.dense.units=64"))
            let outcome = try bench.dtrain("diff", "a", "b")
            expectEnd(outcome, .negative)
            #expect(
                outcome.outputLines == [
                    "setting                     a    b", "model.layers.0.dense.units  128  64",
                    "training.seed               0    7"
                ])
            expectEnd(try bench.dtrain("diff", "a", "b/checkpoints/step-00000003"), .negative)
            let same = try bench.dtrain("diff", "a", "a/checkpoints/step-00000003")
            expectSuccess(same)
            #expect(same.output == "no setting differs\n")
            // The effective configuration is a configuration.
            expectSuccess(try bench.dtrain("diff", "a", "a/config.yaml"))
            #expect(
                try bench.dtrain("diff", "a", "b", "--json").outputLines.last
                    == "{\"setting\":\"training.seed\",\"first\":\"0\",\"second\":\"7\"}")
            expectRefusal(try bench.dtrain("diff", "a", "none"), .missingInput, ["none"])
        }
    }
}
