import Checkpointing
import Foundation
import TestSupport
import Testing

/// `--resume CHECKPOINT`, however it is written: a checkpoint inside a run directory goes on in that run, and what lies
/// after it is set aside; one from elsewhere needs `--run`.
@Suite("The path of a resume", .serialized)
struct ResumePathTests {
    /// Runs `body` with `whole`, a finished run, and `run`, a copy of it.
    private func withRuns(_ body: (Workbench) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", ResumeTests.configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole", "--quiet"))
            try bench.copy("whole", to: "run")
            try body(bench)
        }
    }

    /// Runs dtrain in a directory of the workbench.
    private func dtrain(_ bench: Workbench, in directory: String, _ arguments: String...) throws -> Outcome {
        Outcome(result: try ChildProcess(Workbench.program, arguments, directory: bench.path(directory)).run(), survivors: [])
    }

    @Test("a slash at the end, dots, links, and paths from anywhere all mean the same checkpoint of the same run")
    func forms() throws {
        try withRuns { bench in
            try FileManager.default.createSymbolicLink(atPath: bench.path("to-run"), withDestinationPath: "run")
            try FileManager.default.createSymbolicLink(
                atPath: bench.path("to-step"),
                withDestinationPath: "run/checkpoints/step-00000018")
            let forms: [(directory: String, path: String)] = [
                (".", "run/checkpoints/step-00000018/"), (".", "run/checkpoints/step-00000018///"),
                (".", "./run/./checkpoints/../checkpoints//step-00000018"),
                (".", bench.path("run/checkpoints/step-00000018")), (".", "to-run/checkpoints/step-00000018/"),
                (".", "to-step"), (".", "to-step/"), ("run", "checkpoints/step-00000018"),
                ("run/checkpoints", "step-00000018/"), ("run/checkpoints/step-00000018", "."),
                ("run/checkpoints/best", "../step-00000018")
            ]
            for (directory, path) in forms {
                let configuration = bench.path("c.yaml")
                let outcome = try dtrain(bench, in: directory, "train", configuration, "--resume", path, "--steps", "20")
                expectSuccess(outcome)
                #expect(bench.files("run").steps == [0, 9, 18, 20], "\(path) in \(directory): \(outcome)")
                #expect(outcome.errors.contains("set aside: ") && outcome.errors.contains("step-00000060.superseded-1"))
                #expect(try bench.files("run").log("step").map(\.step) == Array(1...20))
                #expect(!bench.exists(directory + "/runs"), "\(path) in \(directory) began a new run")
                try bench.remove("run")
                try bench.copy("whole", to: "run")
            }
        }
    }

    @Test("the best checkpoint goes on in its run: later steps are set aside, and the end is the same")
    func best() throws {
        try withRuns { bench in
            // One that isn't the newest.
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "short", "--steps", "24"))
            let step = try LoadedCheckpoint(path: bench.path("short/checkpoints/best")).step
            for name in bench.files("short").checkpoints where name != "best" && name != "step-00000000" {
                try bench.remove("short/checkpoints/\(name)")
            }
            for later in [27, 36] where later > step {
                try bench.copy("whole/checkpoints/step-000000\(later)", to: "short/checkpoints/step-000000\(later)")
            }
            let outcome = try bench.dtrain("train", "c.yaml", "--resume", "short/checkpoints/best/", "--steps", "\(step + 1)")
            expectSuccess(outcome)
            #expect(bench.files("short").steps == [0, step, step + 1], "\(outcome)")
            #expect(bench.names("short/checkpoints").contains("step-00000036.superseded-1"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "short", "--resume"))
            expectSameResult(bench.files("short"), bench.files("whole"))
            #expect(bench.files("short").model("best") == bench.files("whole").model("best"))
            #expect(try bench.files("short").log("step").map(\.step) == Array(1...60))
        }
    }

    @Test("a checkpoint that was set aside goes on in its run; what has taken its number is set aside in turn")
    func superseded() throws {
        try withRuns { bench in
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--resume", "run/checkpoints/step-00000018", "--set",
                    "optimizer.adam.learning_rate=0.001"))
            let other = bench.files("run").model("step-00000027")
            #expect(other != bench.files("whole").model("step-00000027"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--resume", "run/checkpoints/step-00000027.superseded-1"))
            // The log of the steps up to there was cut when that checkpoint was set aside; the weights come back.
            #expect(bench.files("run").model("step-00000060") == bench.files("whole").model("step-00000060"))
            #expect(bench.files("run").optimizer("step-00000060") == bench.files("whole").optimizer("step-00000060"))
            #expect(bench.files("run").model("step-00000027.superseded-2") == other)
        }
    }

    @Test("going back before the best checkpoint sets that aside, and the run finds another")
    func bestAside() throws {
        try withRuns { bench in
            let best = try LoadedCheckpoint(path: bench.path("run/checkpoints/best")).step
            try #require(best > 9)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--resume", "run/checkpoints/step-00000009", "--steps", "10"))
            #expect(bench.exists("run/checkpoints/best.superseded-1"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume"))
            #expect(bench.files("run").model("best") == bench.files("whole").model("best"))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }

    @Test("a run directory stands for its newest checkpoint, and goes on in itself, or in a new directory")
    func runDirectory() throws {
        try withRuns { bench in
            try bench.remove("run/checkpoints/step-00000060")
            for arguments in [["--resume", "run/", "--steps", "55"], ["--run", "run", "--resume", "./run"]] {
                let outcome = try bench.dtrain(["train", "c.yaml"] + arguments)
                expectSuccess(outcome)
                #expect(!outcome.errors.contains("set aside") && !bench.exists("runs"), "\(outcome)")
            }
            expectSameResult(bench.files("run"), bench.files("whole"))
            expectSuccess(
                try bench.dtrain("train", "c.yaml", "--run", "new", "--resume", "whole", "--set", "training.epochs=5"))
            #expect(bench.files("new").steps.first == 60 && bench.files("whole").steps.last == 60)
        }
    }

    @Test("a checkpoint from elsewhere needs --run, and never goes into a run of others", arguments: [nil, 2])
    func elsewhere(ranks: Int?) throws {
        guard ranks == nil || MPIRun.isAvailable else { return }
        try withRuns { bench in
            try bench.copy("whole/checkpoints/step-00000018", to: "kept/good")
            let before = bench.snapshot()
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--resume", "kept/good/", ranks: ranks), .usage,
                ["kept/good: a checkpoint that is in no run directory", "--run"])
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "kept/good", ranks: ranks),
                .cannotCreate, ["run: holds a run already", "kept/good", "--resume alone", "--run"])
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "new", "--resume", "kept/bad", ranks: ranks),
                .missingInput, ["kept/bad: there is no checkpoint here"])
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--resume", "kept", ranks: ranks), .badData,
                ["kept: not a checkpoint"])
            #expect(bench.snapshot() == before)
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "new", "--resume", "kept/good", "--steps", "20",
                    ranks: ranks))
            #expect(bench.files("new").steps == [18, 20])
        }
    }

    @Test("checkpoints that have gone, as on a disk that isn't mounted, don't cost the log", arguments: [true, false])
    func unmounted(isEmpty: Bool) throws {
        try withRuns { bench in
            try bench.remove("run/checkpoints")
            if isEmpty { mkdir(bench.path("run/checkpoints"), 0o755) }
            let before = bench.snapshot()
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "run", "--resume"), .missingInput,
                ["run: metrics.jsonl tells of step 60, but there is no checkpoint in run/checkpoints", "mounted"])
            #expect(bench.snapshot() == before)
        }
    }

    @Test("a kill between a checkpoint and its place as the best one is made up for")
    func bestMissing() throws {
        try withRuns { bench in
            let step = try LoadedCheckpoint(path: bench.path("whole/checkpoints/best")).step
            // Stopped there, the numbered checkpoint of the best step is the newest; then `best` never came.
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "cut", "--steps", "\(step)"))
            try bench.remove("cut/checkpoints/best")
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "cut", "--resume"))
            #expect(bench.files("cut").model("best") == bench.files("whole").model("best"))
        }
    }
}
