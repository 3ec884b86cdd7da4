import Checkpointing
import Foundation
import TestSupport
import Testing

/// When a run ends, which checkpoints stay, and what the schedule makes of a plateau.
@Suite("Stopping and keeping")
struct StoppingTests {
    /// Trains digits with more sections and returns the files of the run.
    private func train(
        _ bench: Workbench, epochs: Int? = nil, steps: Int? = nil, sections: String,
        learningRate: Double = 0.003
    ) throws -> (outcome: Outcome, files: RunFiles) {
        let length = [epochs.map { "epochs: \($0)" }, steps.map { "max_steps: \($0)" }].compactMap { $0 }
        try bench.write(
            "c.yaml",
            """
            data: {format: digits}
            model: {layers: [{dense: {units: 16}}, relu, {dense: {units: 10}}]}
            optimizer: {adam: {learning_rate: \(learningRate)}}
            training: {\(length.joined(separator: ", ")), global_batch_size: 128, micro_batch_size: 32, log_every: 1}
            \(sections)

            """)
        let outcome = try bench.dtrain("train", "c.yaml", "--run", "run")
        expectSuccess(outcome)
        #expect(outcome.digest == bench.files("run").digest)
        return (outcome, bench.files("run"))
    }

    @Test("early stopping waits for `patience` validations without improvement", arguments: [1, 3])
    func patience(_ patience: Int) throws {
        try withWorkbench { bench in
            // A rate so high that the loss soon jumps about.
            let (outcome, run) = try train(
                bench, epochs: 200, sections: "early_stopping: {patience: \(patience)}",
                learningRate: 0.1)
            let losses = try run.log("validation").compactMap { $0.numbers["loss"] }
            var best = Double.infinity
            var failures = 0
            var expected = 0
            for loss in losses where failures < patience {
                failures = loss < best ? 0 : failures + 1
                best = min(best, loss)
                expected += 1
            }
            #expect(failures == patience && losses.count == expected && expected < 200)
            #expect(run.steps.last == expected * 12)
            let reason = "validation_loss has not improved for \(patience) validation"
            #expect(outcome.output.contains("stopped early: \(reason)"))
            #expect(run.rawLines("end").first?.contains(reason) ?? false)
        }
    }

    @Test("early stopping counts no gain below minimum_improvement")
    func minimumImprovement() throws {
        try withWorkbench { bench in
            let (_, run) = try train(
                bench, epochs: 60,
                sections: "early_stopping: {patience: 2, minimum_improvement: 0.02}")
            let losses = try run.log("validation").compactMap { $0.numbers["loss"] }
            var best = Double.infinity
            var failures = 0
            var expected = 0
            for loss in losses where failures < 2 {
                if loss < best - 0.02 {
                    best = loss
                    failures = 0
                } else {
                    failures += 1
                }
                expected += 1
            }
            #expect(failures == 2 && losses.count == expected && expected < 60)
            // Some of the gains that didn't count were gains.
            #expect((losses.last ?? 0) < best)
        }
    }

    @Test("early stopping on a metric that should rise, at a target that is good enough")
    func target() throws {
        try withWorkbench { bench in
            let (outcome, run) = try train(
                bench, epochs: 60,
                sections: """
                    metrics: [accuracy, f1]
                    early_stopping: {monitor: validation_accuracy, target: 0.9}
                    """)
            let accuracies = try run.log("validation").compactMap { $0.numbers["accuracy"] }
            #expect((accuracies.last ?? 0) >= 0.9 && accuracies.dropLast().allSatisfy { $0 < 0.9 })
            #expect(accuracies.count < 60)
            #expect(outcome.output.contains("stopped early: validation_accuracy reached"))
            #expect(outcome.output.contains("best validation_accuracy"))
        }
    }

    @Test("a run that stopped early doesn't go on when it is resumed")
    func stoppedForGood() throws {
        try withWorkbench { bench in
            let (_, run) = try train(
                bench, epochs: 60,
                sections: "early_stopping: {monitor: validation_accuracy, target: 0.8}")
            let digest = run.digest
            let steps = run.rawLines("step")
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume")
            expectSuccess(outcome)
            #expect(run.digest == digest && outcome.digest == digest && run.rawLines("step") == steps)
        }
    }

    @Test("a run that stopped early goes on when it is resumed with another rule")
    func otherRule() throws {
        try withWorkbench { bench in
            let (_, run) = try train(
                bench, epochs: 60,
                sections: "early_stopping: {monitor: validation_accuracy, target: 0.8}")
            let steps = run.rawLines("step").count
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--set", "early_stopping.target=2"))
            #expect(run.rawLines("step").count > steps)
        }
    }

    @Test("a value that is undefined is never the best, and the run goes on after it")
    func undefinedValue() throws {
        try withWorkbench { bench in
            // Two units whose outputs become infinite, and a third that subtracts them.
            try bench.write("train.csv", "a,b,y\n" + (1...12).map { "\($0).5,0.5,\(2 * $0).25\n" }.joined())
            try bench.write("validation.csv", "a,b,y\n3e38,3e38,1\n3e38,3e38,2\n")
            try bench.write(
                "c.yaml",
                """
                data: {format: csv, train: {path: train.csv, target: y}, validation: {path: validation.csv}}
                model: {layers: [dense: {units: 4, initializer: {uniform: {bound: 8}}}, dense: {units: 1}]}
                loss: mean_squared_error
                optimizer: {sgd: {learning_rate: 0}}
                validation: {every_steps: 1}
                training: {max_steps: 4, global_batch_size: 8, micro_batch_size: 4}

                """)
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "2")
            expectSuccess(outcome)
            #expect(outcome.output.contains("validation loss nan"), "\(outcome)")
            #expect(!bench.exists("run/checkpoints/best"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--resume"))
            #expect(bench.files("run").steps.last == 4 && !bench.exists("run/checkpoints/best"))
        }
    }

    @Test("max_steps ends a run within an epoch; of max_steps and epochs the earlier counts")
    func maximumSteps() throws {
        try withWorkbench { bench in
            let (_, run) = try train(bench, steps: 17, sections: "")
            #expect(run.steps == [0, 17])
        }
        try withWorkbench { bench in
            let (_, run) = try train(bench, epochs: 1, steps: 17, sections: "")
            #expect(run.steps == [0, 12])
        }
    }

    @Test("best is the checkpoint of the best validation, and evaluates to it")
    func best() throws {
        try withWorkbench { bench in
            let (outcome, run) = try train(
                bench, epochs: 12, sections: "checkpoint: {every_steps: 12, keep: 100}",
                learningRate: 0.05)
            let validations = try run.log("validation")
            let best = try #require(validations.min { ($0.numbers["loss"] ?? .nan) < ($1.numbers["loss"] ?? .nan) })
            let step = try #require(best.step)
            #expect(step < 144, "a best one that isn't the last, or the test shows little")
            #expect(try LoadedCheckpoint(path: bench.path("run/checkpoints/best")).step == step)
            let digits = String(step)
            #expect(run.model("best") == run.model("step-" + String(repeating: "0", count: 8 - digits.count) + digits))
            #expect(outcome.output.contains("at step \(step): run/checkpoints/best"))
            let evaluated = try bench.dtrain("eval", "run/checkpoints/best", "--json")
            #expect(evaluated.output.contains("\"loss\":\(best.numbers["loss"] ?? .nan),"), "\(evaluated)")
        }
    }

    @Test("`keep` newest checkpoints stay, and the best one besides", arguments: [1, 2, 5])
    func keep(_ count: Int) throws {
        try withWorkbench { bench in
            let (_, run) = try train(bench, steps: 25, sections: "checkpoint: {every_steps: 4, keep: \(count)}")
            #expect(run.steps == Array([0, 4, 8, 12, 16, 20, 24, 25].suffix(count)))
            #expect(run.checkpoints.contains("best"))
            for checkpoint in run.checkpoints {
                #expect(throws: Never.self) { try LoadedCheckpoint(path: bench.path("run/checkpoints/\(checkpoint)")) }
            }
        }
    }

    @Test("validation every so many steps, or every so many epochs")
    func validationIntervals() throws {
        try withWorkbench { bench in
            let (outcome, run) = try train(bench, epochs: 2, sections: "validation: {every_steps: 5}")
            #expect(try run.log("validation").map(\.step) == [5, 10, 15, 20])
            #expect(try run.log("validation").map(\.epoch) == [1, 1, 2, 2])
            #expect(outcome.output.contains("Step 5/24 (epoch 1)  validation loss "))
        }
        try withWorkbench { bench in
            let (_, run) = try train(bench, epochs: 5, sections: "validation: {every_epochs: 2}")
            #expect(try run.log("validation").map(\.step) == [24, 48])
        }
    }

    @Test("reduce_on_plateau lowers the rate after `patience` bad validations, waits, and stops at its minimum")
    func plateau() throws {
        try withWorkbench { bench in
            let (_, run) = try train(
                bench, epochs: 30,
                sections: """
                    schedule: {reduce_on_plateau: {patience: 1, factor: 0.5, cooldown: 1, minimum: 0.02, threshold: 0.001}}
                    """, learningRate: 0.1)
            // The rule of PyTorch's ReduceLROnPlateau, replayed from what was logged.
            var rate = 0.1
            var best = Double.infinity
            var bad = 0
            var cooldown = 0
            var changes = 0
            var rates: [Int: Double] = [:]
            for validation in try run.log("validation") {
                let loss = validation.numbers["loss"] ?? .nan
                if loss < best * (1 - 0.001) {
                    best = loss
                    bad = 0
                } else {
                    bad += 1
                }
                if cooldown > 0 {
                    cooldown -= 1
                    bad = 0
                }
                if bad > 1 {
                    let lower = max(rate * 0.5, 0.02)
                    if rate - lower > 1e-8 { changes += 1 }
                    rate = lower
                    cooldown = 1
                    bad = 0
                }
                rates[(validation.epoch ?? 0) + 1] = rate
            }
            #expect(changes >= 2, "too few plateaus for a test")
            for step in try run.log("step") {
                #expect(step.numbers["learning_rate"] == rates[step.epoch ?? 0] ?? 0.1, "step \(step.step ?? 0)")
            }
        }
    }
}

/// A loss or gradient that is NaN or infinite.
@Suite("Numbers that aren't finite")
struct NonFiniteTests {
    private static let sections = """
        optimizer: {sgd: {learning_rate: 1.0e+30}}
        checkpoint: {every_steps: 1, keep: 100}
        """

    @Test(
        "the run stops with step, layer and rank, and no checkpoint is torn",
        arguments: MPIRun.isAvailable ? [nil, 3] : [nil] as [Int?])
    func stops(ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 40, sections: Self.sections))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", ranks: ranks)
            expectRefusal(outcome, .badData, ["step ", "layer 2 (dense)", "not finite on rank 0", "learning rate"])
            #expect(outcome.digest == nil)
            try expectWholeCheckpoints(bench)
            expectSuccess(try bench.dtrain("eval", "run"))
        }
    }

    @Test("on_nonfinite: skip leaves the step out with a warning and goes on")
    func skips() throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                Material.digits(steps: 6, training: ", on_nonfinite: skip", sections: Self.sections))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run")
            expectSuccess(outcome)
            #expect(
                outcome.errors.contains("warning: step 2: ") && outcome.errors.contains("the step is skipped"),
                "\(outcome)")
            #expect(bench.files("run").steps == Array(0...6))
            try expectWholeCheckpoints(bench)
            // Skipped steps leave the weights as they were.
            #expect(bench.files("run").model("step-00000006") == bench.files("run").model("step-00000002"))
            // The epoch's means are those of the one step that wasn't skipped.
            let state = bench.text("run/checkpoints/step-00000006/state.json")
            #expect(state.contains("\"skippedSteps\":5") && state.contains("\"epochSamples\":64"), "\(state.prefix(400))")
        }
    }

    /// A line to learn from rows of numbers that are neither large nor small.
    private static func line(_ dense: String, _ sections: String) -> String {
        """
        data: {format: csv, train: {path: line.csv, target: y}}
        model: {layers: [dense: {\(dense)}]}
        training: {max_steps: 3, global_batch_size: 8, micro_batch_size: 4}
        \(sections)

        """
    }

    @Test(
        "a loss that isn't finite, or an update that makes weights infinite, stops the run with the step before it saved",
        arguments: [
            // The error's sign is finite where the error isn't.
            (
                line("units: 1, initializer: {uniform: {bound: 3.0e+38}}", "loss: mean_absolute_error"),
                "the loss is not finite, though all gradients are"
            ),
            (
                line(
                    "units: 1",
                    "loss: mean_squared_error\noptimizer: {sgd: {learning_rate: 1.0e+38}}\ncheckpoint: {every_steps: 1}"),
                "the update made weights infinite or NaN in layer 0 (dense)"
            )
        ])
    func extremes(configuration: String, message: String) throws {
        try withWorkbench { bench in
            try bench.write("line.csv", "x,y\n" + (1...20).map { "\($0 + 10).5,\(2 * $0).25\n" }.joined())
            try bench.write("c.yaml", configuration)
            expectRefusal(try bench.dtrain("train", "c.yaml", "--run", "run"), .badData, ["step 1: ", message])
            #expect(bench.files("run").steps == [0])
            try expectWholeCheckpoints(bench)
        }
    }

    @Test(
        "skipping is the same at every rank count", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"),
        arguments: [2, 3])
    func skipsOnRanks(ranks: Int) throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                Material.digits(steps: 6, training: ", on_nonfinite: skip", sections: Self.sections))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "plain"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "ranks", ranks: ranks))
            expectSameResult(bench.files("ranks"), bench.files("plain"))
        }
    }

    /// Every checkpoint verifies, and holds finite numbers only.
    private func expectWholeCheckpoints(_ bench: Workbench) throws {
        let run = bench.files("run")
        #expect(!run.checkpoints.isEmpty)
        for name in run.checkpoints {
            let checkpoint = try LoadedCheckpoint(path: bench.path("run/checkpoints/\(name)"))
            #expect(try Data.holdsFiniteNumbers(checkpoint.model), "\(name)")
            #expect(try Data.holdsFiniteNumbers(checkpoint.optimizer), "\(name)")
        }
    }
}
