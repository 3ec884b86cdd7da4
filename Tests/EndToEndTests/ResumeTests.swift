import Checkpointing
import Files
import Foundation
import TestSupport
import Testing

/// Law 3 as far as it can be seen from outside: an interrupted run ends in the bits of one that wasn't.
@Suite("Resume", .serialized)
struct ResumeTests {
    /// Everything that a checkpoint has to carry: 15 steps an epoch, the last of 38 samples.
    static let configuration = """
        data: {format: digits}
        model:
          layers:
            - dense: {units: 24}
            - relu
            - dropout: {rate: 0.2}
            - dense: {units: 10}
        optimizer: {adam: {learning_rate: 0.06}}
        schedule: {reduce_on_plateau: {patience: 0, factor: 0.7}}
        gradient_clipping: {norm: 1.0}
        early_stopping: {patience: 50}
        training: {epochs: 4, global_batch_size: 100, micro_batch_size: 20, log_every: 1}
        validation: {every_steps: 6}
        checkpoint: {every_steps: 9, keep: 20}

        """

    private func withWhole(_ body: (Workbench) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole"))
            let rates = try bench.files("whole").log("step").compactMap { $0.numbers["learning_rate"] }
            #expect(Set(rates).count >= 3, "the rate changes too seldom to show that a resume restores it")
            try body(bench)
        }
    }

    @Test("stopped after any step and resumed, a run ends in the same bits and logs each step once")
    func anyStep() throws {
        try withWhole { bench in
            // The first, within an epoch, an epoch's end, its first, a validation, a checkpoint, the last but one.
            for stop in [0, 1, 7, 15, 16, 18, 36, 59] {
                let run = "stop\(stop)"
                expectSuccess(try bench.dtrain("train", "c.yaml", "--run", run, "--steps", "\(stop)"))
                let outcome = try bench.dtrain("train", "c.yaml", "--run", run, "--resume")
                expectSuccess(outcome)
                #expect(outcome.output.contains("resumed from \(run)/checkpoints/step-000000"), "\(outcome)")
                expectSameResult(bench.files(run), bench.files("whole"), "stopped after \(stop)")
                #expect(bench.files(run).model("best") == bench.files("whole").model("best"))
                #expect(try bench.files(run).log("step").map(\.step) == Array(1...60))
                #expect(outcome.digest == bench.files("whole").digest)
            }
        }
    }

    @Test("a run that is resumed again and again, without a path too")
    func newest() throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--steps", "5"))
            for stop in [5, 20, 33] {
                expectSuccess(try bench.dtrain("train", "c.yaml", "--resume", "--steps", "\(stop)"))
            }
            expectSuccess(try bench.dtrain("train", "c.yaml", "--resume"))
            #expect(bench.names("runs") == ["c"])
            expectSameResult(bench.files("runs/c"), bench.files("whole"))
        }
    }

    @Test(
        "resumed on another number of ranks", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"),
        arguments: [(nil, 3), (3, nil), (2, 5), (5, 2)] as [(Int?, Int?)])
    func otherRankCount(_ before: Int?, _ after: Int?) throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "22", ranks: before))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", ranks: after))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }

    @Test("resumed from an older checkpoint by its path: what came later is set aside and written anew")
    func path() throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run"))
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--resume",
                    "run/checkpoints/step-00000018",
                    "--steps", "20"))
            #expect(bench.files("run").steps == [0, 9, 18, 20])
            expectSuccess(try bench.dtrain("train", "c.yaml", "--resume", "run/checkpoints/step-00000018"))
            expectSameResult(bench.files("run"), bench.files("whole"))
            #expect(try bench.files("run").log("step").map(\.step) == Array(1...60))
        }
    }

    @Test("resumed from the checkpoint of another run into a new directory")
    func elsewhere() throws {
        try withWhole { bench in
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "new", "--resume",
                    "whole/checkpoints/step-00000045"))
            #expect(bench.files("new").digest == bench.files("whole").digest)
            #expect(bench.files("new").optimizer("step-00000060") == bench.files("whole").optimizer("step-00000060"))
            #expect(try bench.files("new").log("step").map(\.step) == Array(46...60))
        }
    }

    @Test("a run that goes on elsewhere has a checkpoint of its own before its first step")
    func elsewhereFromTheStart() throws {
        try withWhole { bench in
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "new", "--steps", "46", "--resume",
                    "whole/checkpoints/step-00000045", "--set", "checkpoint.keep=9"))
            #expect(bench.files("new").steps == [45, 46])
            #expect(bench.files("new").model("step-00000045") == bench.files("whole").model("step-00000045"))
        }
    }

    @Test("a refused resume leaves the run as it was; an accepted one sets later checkpoints aside, by whatever path")
    func refusedResumeTouchesNothing() throws {
        try withWhole { bench in
            let steps = bench.files("whole").steps
            let refused = try bench.dtrain("train", "c.yaml", "--resume", "whole/checkpoints/step-00000018", "--seed", "7")
            #expect(refused.status == 78, "\(refused)")
            #expect(bench.files("whole").steps == steps)
            let accepted = try bench.dtrain(
                "train", "c.yaml", "--run", "./whole/", "--steps", "19", "--resume",
                "whole/checkpoints/step-00000018")
            expectSuccess(accepted)
            #expect(bench.files("whole").steps == [0, 9, 18, 19])
        }
    }

    @Test(
        "metrics may change on a resume within an epoch",
        arguments: [
            ("[accuracy, f1]", "[accuracy]"),
            ("[accuracy]", "[accuracy, f1]")
        ])
    func changedMetrics(before: String, after: String) throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "20", "--set", "metrics=\(before)"))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--set", "metrics=\(after)")
            expectSuccess(outcome)
            #expect(bench.files("run").digest == bench.files("whole").digest)
        }
    }

    @Test("where the newest checkpoint is damaged the run goes on from the one before, and says so")
    func fallBack() throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "30"))
            try bench.truncate("run/checkpoints/step-00000030/optimizer.safetensors", to: 1000)
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume")
            expectSuccess(outcome)
            #expect(outcome.output.contains("resumed from run/checkpoints/step-00000027"))
            #expect(outcome.errors.contains("run/checkpoints/step-00000030/optimizer.safetensors: truncated"))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }

    @Test("a directory where no checkpoint was ever completed: from the start, saying so")
    func nothingToResume() throws {
        try withWhole { bench in
            try bench.write("run/metrics.jsonl", "")
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("warning: run: no checkpoint was completed in it"))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }

    @Test("resuming a finished run changes nothing and repeats its digest")
    func finished() throws {
        try withWhole { bench in
            let model = bench.files("whole").model("step-00000060")
            let steps = bench.files("whole").rawLines("step")
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "whole", "--resume")
            expectSuccess(outcome)
            #expect(bench.files("whole").model("step-00000060") == model)
            #expect(bench.files("whole").rawLines("step") == steps)
            #expect(outcome.digest == bench.files("whole").digest)
        }
    }

    @Test(
        "epochs, learning rate and intervals may change; the change is told and logged",
        arguments: [
            ("training.epochs=5", "training.epochs: 4 → 5"),
            ("optimizer.adam.learning_rate=0.001", "optimizer.adam.learning_rate: 0.06 → 0.001"),
            ("checkpoint.every_steps=11", "checkpoint.every_steps: 9 → 11"),
            ("training.threads=2", "training.threads: 1 → 2")
        ])
    func allowed(_ override: String, change: String) throws {
        try withWhole { bench in
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "20"))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--set", override)
            expectSuccess(outcome)
            #expect(outcome.errors.contains(change), "\(outcome)")
            #expect(bench.files("run").rawLines("change").count == 1)
            #expect(bench.files("run").rawLines("change").first?.contains(change) ?? false)
            #expect(bench.files("run").last == (override == "training.epochs=5" ? "step-00000075" : "step-00000060"))
        }
    }

    @Test("other data are refused, to train on or to validate", arguments: ["train", "validation"])
    func otherData(split: String) throws {
        try withWorkbench { bench in
            for name in ["train", "validation"] {
                try bench.write("\(name).csv", "x,y\n" + (1...12).map { "\($0).5,\(2 * $0).25\n" }.joined())
            }
            try bench.write(
                "c.yaml",
                """
                data: {format: csv, train: {path: train.csv, target: y}, validation: {path: validation.csv}}
                model: {layers: [dense: {units: 1}]}
                loss: mean_squared_error
                training: {max_steps: 4, global_batch_size: 8, micro_batch_size: 4}

                """)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "2"))
            try bench.write("\(split).csv", "x,y\n" + (1...12).map { "\($0).5,\(3 * $0).25\n" }.joined())
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "run", "--resume"), .badConfiguration,
                ["was made with other \(split == "train" ? "training" : split) data", "resume with the same data"])
        }
    }

    @Test("data may move: the same file under another name is the same data")
    func movedData() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("c.yaml", Material.table("t.csv", steps: 8))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "3"))
            try FileManager.default.moveItem(atPath: bench.path("t.csv"), toPath: bench.path("u.csv"))
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--resume", "--set",
                    "data.train.path=u.csv"))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }
}

@Suite("Signals", .serialized)
struct SignalTests {
    /// A few seconds of work; a step takes about a millisecond.
    private static let configuration = """
        data: {format: digits}
        model:
          layers:
            - dense: {units: 256}
            - relu
            - dense: {units: 10}
        training: {max_steps: 2500, global_batch_size: 256, micro_batch_size: 64, log_every: 5}
        validation: {every_steps: 500}
        checkpoint: {every_steps: 1000}

        """

    /// Starts a run, sends it a signal when it has made a few steps, and waits for its end.
    private func interrupt(
        _ bench: Workbench, _ arguments: [String], ranks: Int? = nil,
        signal: Int32
    ) throws -> Outcome {
        let job = try bench.start(["train", "c.yaml", "--run", "run"] + arguments, ranks: ranks)
        let running = try job.begin()
        // The log may not be there yet.
        let log = bench.path("run/metrics.jsonl")
        try #require(
            running.waitUntil { _ in
                (FileManager.default.contents(atPath: log) ?? Data()).range(of: Data("\"step\":".utf8)) != nil
            }, "\(running.errors)")
        running.send(signal)
        return try job.wait()
    }

    private func check(_ bench: Workbench, _ outcome: Outcome, resumeRanks: Int?) throws {
        expectEnd(outcome, .interrupted)
        #expect(outcome.messages.isEmpty, "\(outcome)")
        #expect(outcome.output.contains("interrupted after step") && outcome.output.contains("--resume"), "\(outcome)")
        let run = bench.files("run")
        let step = try #require(run.steps.last)
        #expect(step > 0 && step < 2500, "interrupted after step \(step)")
        #expect(outcome.digest == run.digest)
        #expect(run.rawLines("end").last?.contains("\"reason\":\"interrupted\"") ?? false)
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--quiet", ranks: resumeRanks))
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole", "--quiet"))
        expectSameResult(run, bench.files("whole"), "interrupted after step \(step)")
        #expect(try run.log("step").map(\.step) == Array(stride(from: 5, through: 2500, by: 5)))
    }

    @Test(
        "SIGUSR1, SIGTERM and SIGINT: finish the step, checkpoint, 75; resumed, the bits are the same",
        arguments: [SIGUSR1, SIGTERM, SIGINT])
    func plain(_ signal: Int32) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration)
            try check(bench, try interrupt(bench, [], signal: signal), resumeRanks: nil)
        }
    }

    @Test(
        "SIGUSR1 to mpirun stops all ranks after the same step with 75",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func mpirun() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration)
            try check(bench, try interrupt(bench, [], ranks: 3, signal: SIGUSR1), resumeRanks: 2)
        }
    }

    @Test(
        "SIGTERM, SIGINT and SIGUSR1 to dtrain --ranks stop the ranks with 75",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"), arguments: [SIGTERM, SIGINT, SIGUSR1])
    func ranksOption(_ signal: Int32) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration)
            try check(bench, try interrupt(bench, ["--ranks", "2"], signal: signal), resumeRanks: nil)
        }
    }

    @Test("kill -9 of a plain run costs no more than the steps since its last checkpoint")
    func killed() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration.replacing("every_steps: 1000", with: "every_steps: 50"))
            let outcome = try interrupt(bench, [], signal: SIGKILL)
            #expect(outcome.status != 0 && outcome.survivors.isEmpty)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--quiet"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole", "--quiet"))
            expectSameResult(bench.files("run"), bench.files("whole"))
        }
    }

    @Test("an older dtrain's checkpoint, which knows nothing of a key, goes on where the key has its default, and only there")
    func unknownKey() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "whole"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "r", "--steps", "2"))
            let path = "r/checkpoints/step-00000002/state.json"
            let text = try String(contentsOfFile: bench.path(path), encoding: .utf8)
            let entry = "\"training.drop_last\":\"false\","
            try #require(text.contains(entry))
            let end = try #require(text.range(of: "\"sha256\": \"", options: .backwards)).lowerBound
            let sealed = text[..<end].replacing(entry, with: "")
            try bench.write(path, sealed + "\"sha256\": \"\(try SHA256.hexadecimal(of: sealed.utf8))\"\n}\n")
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "r", "--resume", "--set", "training.drop_last=true"),
                .badConfiguration, ["training.drop_last: nothing → true"])
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "r", "--resume"))
            #expect(bench.files("r").digest == bench.files("whole").digest)
        }
    }
}
