import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// Standard input, output and error that are closed, full, or read by nobody.
    @Suite("Standard streams")
    struct StreamTests {
        /// Every command, on a run `r` and its input `p.csv`, and how it ends where all is well.
        static let commands: [[String]] = [
            ["--help"], ["--version"], ["help"], ["train", "--help"], ["eval", "--help"], ["predict", "--help"],
            ["inspect", "--help"], ["verify", "--help"], ["gradcheck", "--help"], ["bench", "--help"], ["doctor", "--help"],
            ["--generate-completion-script", "bash"],
            ["train", "c.yaml", "--run", "n", "--steps", "2"], ["train", "c.yaml", "--run", "n", "--quiet", "--steps", "2"],
            ["eval", "r"], ["eval", "r", "--json"], ["inspect", "r"], ["inspect", "c.yaml"],
            ["predict", "r", "p.csv"], ["verify", "r", "r"], ["gradcheck", "c.yaml", "--elements", "2"],
            ["bench", "c.yaml", "--windows", "2", "--seconds", "0.01"],
            ["bench", "c.yaml", "--windows", "2", "--seconds", "0.01", "--json"]
        ]

        /// A bench with a trained run `r` and inputs for it.
        private func withRun(_ body: (FaultBench) throws -> Void) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(layers: [4], steps: 30, every: 10))
                let header = (0..<64).map { "x\($0)" }.joined(separator: ",")
                try bench.write("p.csv", header + "\n" + [String](repeating: "0", count: 64).joined(separator: ",") + "\n")
                expectEnd(try bench.train(.plain, "r", ["--steps", "2"]), .success)
                try body(bench)
            }
        }

        /// Runs every command behind a shell's words, each with a run directory of its own.
        private func runAll(
            _ bench: FaultBench, _ before: String, _ after: String,
            _ check: (_ command: [String], _ ended: Ended) throws -> Void
        ) throws {
            for command in Self.commands {
                let ended = try bench.shell(before, command, after)
                #expect(!ended.result.errors.contains("Fatal error"), "\(command): \(ended)")
                try check(command, ended)
                if bench.exists("n") { try bench.remove("n") }
            }
        }

        @Test(
            "a full disk behind standard output is 74 with one message, of every command",
            arguments: ["> /dev/full", "1< c.yaml"])
        func full(redirection: String) throws {
            try withRun { bench in
                try runAll(bench, "exec", redirection) { command, ended in
                    #expect(ended.status == ExitCode.inputOutput.rawValue, "\(command): \(ended)")
                    #expect(
                        ended.messages.count == 1 && ended.messages[0].hasPrefix("standard output can't be written"),
                        "\(command): \(ended)")
                }
            }
        }

        @Test(
            "a file system that is full, and a limit on the size of files, likewise",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
        func realDisk() throws {
            try withRun { bench in
                try SmallDisk.run(bytes: 1 << 20) { disk in
                    try bench.write(disk + "/out", "")
                    SmallDisk.fill(disk + "/ballast")
                    let full = try bench.shell("exec", ["inspect", "r"], "> \(disk)/out")
                    expectRefusal(full, .inputOutput, ["No space left on device"])
                }
                let limited = try bench.shell("ulimit -f 1; exec", ["inspect", "c.yaml"], "> out")
                expectRefusal(limited, .inputOutput, ["File too large"])
                #expect(bench.bytes("out").count == 1024)
            }
        }

        @Test("a reader that has gone ends every command quietly")
        func readerGone() throws {
            try withRun { bench in
                // A pipe without a reader: one that reads is open while the writer opens it.
                let pipe = "mkfifo f; exec 3<>f 4>f 3<&-; rm f; exec"
                try runAll(bench, pipe, ">&4 4>&-") { command, ended in
                    // What the program has guessed is told on the other stream.
                    let others = ended.result.errors.split(separator: "\n").filter { !$0.hasPrefix("note: ") }
                    #expect(ended.status == 0 && others.isEmpty, "\(command): \(ended)")
                    if command[0] == "train", !command.contains("--help") {
                        #expect(bench.state("n").steps == [0, 2], "\(command)")
                    }
                }
                // An answer is given by the exit status all the same.
                expectEnd(try bench.train(.plain, "other", ["--steps", "3"]), .success)
                let answer = try bench.shell(pipe, ["verify", "r", "other"], ">&4 4>&-")
                #expect(answer.status == ExitCode.negative.rawValue && answer.result.errors.isEmpty, "\(answer)")
            }
        }

        @Test(
            "descriptors that are closed lead nowhere, and never into a file of the run",
            arguments: ["<&- >&- 2>&-", ">&- 2>&-", "<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&-"])
        func closed(redirections: String) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(layers: [4], steps: 30, every: 10, validateEvery: 5))
                let ended = try bench.shell(
                    "exec", ["train", "c.yaml", "--run", "r", "--set", "checkpoint.keep=1"], redirections)
                expectEnd(ended, .success)
                expectEnd(try bench.train(.plain, "whole", ["--set", "checkpoint.keep=1"]), .success)
                expectSame(bench.state("r"), bench.state("whole"))
                #expect(bench.text("r/metrics.jsonl") == bench.text("whole/metrics.jsonl"))
                #expect(bench.text("r/config.yaml") == bench.text("whole/config.yaml"))
                #expect(bench.text("r/.lock").split(separator: "\n").count <= 1)
            }
        }

        @Test("every command ends well without standard streams")
        func closedForAll() throws {
            try withRun { bench in
                try runAll(bench, "exec", "<&- >&- 2>&-") { command, ended in
                    #expect(ended.status == 0, "\(command): \(ended)")
                }
            }
        }

        @Test(
            "an error that can't be printed keeps its exit code",
            arguments: ["2> /dev/full", "2>&-", "2< c.yaml", "2> >(true)", "> /dev/full 2>&1", "<&- >&- 2>&-"])
        func errors(redirection: String) throws {
            try withRun { bench in
                let cases: [([String], ExitCode)] = [
                    (["--bogus"], .usage), (["eval"], .usage), (["--steps", "x"], .usage),
                    (["bench", "--windows", "0"], .usage),
                    (["train", "missing.yaml"], .missingInput), (["eval", "missing"], .missingInput),
                    (["predict", "r", "missing.csv"], .missingInput),
                    (["train", "c.yaml", "--set", "model.x=1"], .badConfiguration),
                    (["train", "c.yaml", "--run", "r"], .cannotCreate), (["predict", "r", "c.yaml"], .badData)
                ]
                for (arguments, code) in cases {
                    let ended = try bench.shell("exec", arguments, redirection)
                    #expect(ended.status == code.rawValue, "\(arguments) \(redirection): \(ended)")
                }
            }
        }

        @Test(
            "training goes on to its end where nobody hears it, and loses nothing",
            arguments: [("> /dev/full", ExitCode.inputOutput), (">&4 4>&-", ExitCode.success)])
        func training(redirection: String, code: ExitCode) throws {
            try withRun { bench in
                let ended = try bench.shell(
                    "mkfifo f; exec 3<>f 4>f 3<&-; exec", ["train", "c.yaml", "--run", "n"], redirection)
                expectEnd(ended, code)
                if code == .inputOutput { expectRefusal(ended, code, ["the checkpoint of step 30 is safe"]) }
                expectSame(bench.state("n"), try bench.reference(steps: 30))
            }
        }

        @Test("a run that a signal interrupts ends with 75 also where its words find no room")
        func interrupted() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.startShell("exec", ["train", "c.yaml", "--run", "r"], "> /dev/full")
                try #require(job.waitUntil { _ in bench.state("r").loggedStep >= 3 }, "\(job.errors)")
                job.send(SIGTERM)
                expectEnd(Ended(job), .interrupted)
            }
        }
    }
}
