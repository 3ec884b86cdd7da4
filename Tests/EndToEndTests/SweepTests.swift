import Diagnostics
import Foundation
import TestSupport
import Testing

/// `dtrain sweep`: the same trials and results whatever the groups, kills and jobs that share them.
@Suite("Sweeps", .serialized)
struct SweepTests {
    /// A configuration whose learning rate is a bad one.
    private static let base = """
        data: {format: digits}
        model: {layers: [{dense: {units: 16}}, relu, {dense: {units: 10}}]}
        optimizer: {adam: {learning_rate: 1.0}}
        training: {epochs: 4, global_batch_size: 128, micro_batch_size: 32}
        """

    private static let random = """
        configuration: base.yaml
        method: {random: {trials: 8, seed: 1}}
        parameters:
          optimizer.adam.learning_rate: {log_uniform: [0.0001, 1.0]}
          model.layers.0.dense.units: {choices: [8, 32]}
        """

    private static let halving = random.replacing(
        "random: {trials: 8, seed: 1}", with: "successive_halving: {trials: 9, min_epochs: 1, reduction_factor: 2}")

    private func write(_ bench: Workbench, _ sweep: String = random) throws {
        try bench.write("base.yaml", Self.base)
        try bench.write("s.yaml", sweep)
    }

    /// The rows of sweep.csv, by column.
    private func rows(_ bench: Workbench, _ directory: String) -> [[String: String]] {
        let lines = bench.text("\(directory)/sweep.csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        guard let header = lines.first else { return [] }
        return lines.dropFirst().map { Dictionary(zip(header, $0)) { first, _ in first } }
    }

    @Test("finds a better learning rate than a bad default; a trial is the run of its configuration alone")
    func better() throws {
        try withWorkbench { bench in
            try write(bench)
            let outcome = try bench.dtrain("sweep", "s.yaml")
            expectSuccess(outcome)
            #expect(outcome.output.hasPrefix("runs/s: 8 trials of base.yaml, random, 1 rank\n"))
            let rows = rows(bench, "runs/s")
            #expect(rows.count == 8 && rows.allSatisfy { $0["state"] == "finished" && $0["steps"] == "48" })
            let best = try #require(
                rows.min { Double($0["validation_loss"] ?? "") ?? 9 < Double($1["validation_loss"] ?? "") ?? 9 })
            #expect(outcome.output.contains("best: trial \(best["trial"] ?? ""), validation_loss"))
            // The default.
            expectSuccess(try bench.dtrain("train", "base.yaml", "--run", "default", "--quiet"))
            let bad = try bench.files("default").log("validation").compactMap { $0.numbers["loss"] }.min() ?? 0
            let good = Double(best["validation_loss"] ?? "") ?? 9
            #expect(good < 0.7 * bad, "\(good), \(bad)")
            // Alone, from what the table and best.yaml say.
            let alone = try bench.dtrain(
                "train", "base.yaml", "--run", "alone", "--quiet",
                "--set", "optimizer.adam.learning_rate=\(rows[2]["optimizer.adam.learning_rate"] ?? "")",
                "--set", "model.layers.0.dense.units=\(rows[2]["model.layers.0.dense.units"] ?? "")")
            #expect(alone.digest == rows[2]["digest"])
            #expect(try bench.dtrain("train", "runs/s/best.yaml", "--run", "again", "--quiet").digest == best["digest"])
            #expect(bench.text("runs/s/best.yaml").hasPrefix("# trial \(best["trial"] ?? "") of runs/s: validation_loss "))
            // Trials are ordinary runs.
            #expect(try bench.dtrain("ls", "runs/s").outputLines.count { $0.contains("finished") } == 8)
            expectSuccess(try bench.dtrain("eval", "runs/s/trial-0003"))
            // Once more: nothing is left to do.
            let before = bench.snapshot()
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--quiet"))
            #expect(bench.snapshot() == before)
        }
    }

    @Test(
        "1, 2 and 4 groups, of one rank or two, give the same table",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"),
        arguments: [random, halving])
    func groups(sweep: String) throws {
        try withWorkbench { bench in
            try write(bench, sweep)
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--directory", "alone", "--quiet"))
            for (ranks, groups) in isFullMatrix ? [(2, 1), (2, 2), (4, 2), (4, 4), (6, 3)] : [(2, 1), (4, 2), (4, 4)] {
                let name = "of-\(ranks)-\(groups)"
                let outcome = try bench.dtrain(
                    ["sweep", "s.yaml", "--directory", name, "--groups", "\(groups)"], ranks: ranks)
                expectSuccess(outcome)
                #expect(bench.text("\(name)/sweep.csv") == bench.text("alone/sweep.csv"), "\(outcome)")
                #expect(
                    bench.text("\(name)/best.yaml").split(separator: "\n").dropFirst()
                        == bench.text("alone/best.yaml").split(separator: "\n").dropFirst())
                #expect(
                    outcome.outputLines.count { $0.hasPrefix("trial ") && $0.contains("validation_loss ") && $0.contains("(") }
                        >= 8)
            }
            guard sweep == Self.halving else { return }
            let rows = rows(bench, "alone")
            #expect(
                rows.count { $0["rung"] == "0" } == 5 && rows.count { $0["rung"] == "1" } == 2
                    && rows.count { $0["rung"] == "2" } == 2)
            #expect(Set(rows.map { "\($0["rung"] ?? "") \($0["steps"] ?? "")" }) == ["0 12", "1 24", "2 48"])
            // A trial that went on is the run of its configuration, without the stops.
            let last = try #require(rows.first { $0["rung"] == "2" })
            let alone = try bench.dtrain(
                "train", "base.yaml", "--run", "run", "--quiet",
                "--set", "optimizer.adam.learning_rate=\(last["optimizer.adam.learning_rate"] ?? "")",
                "--set", "model.layers.0.dense.units=\(last["model.layers.0.dense.units"] ?? "")")
            #expect(alone.digest == last["digest"])
        }
    }

    /// How often a trial was started, as rank 0's log tells.
    private func starts(_ bench: Workbench, _ trial: String) -> Int {
        bench.text("\(trial)/logs/rank-0.log").components(separatedBy: " start: ").count - 1
    }

    @Test("killed in the middle again and again, it goes on, repeats no finished trial, and comes to the same table")
    func killed() throws {
        try withWorkbench { bench in
            try write(bench, Self.halving.replacing("min_epochs: 1", with: "min_epochs: 1"))
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--directory", "whole", "--quiet"))
            let arguments = ["sweep", "s.yaml", "--directory", "s", "--quiet"]
            let inAll = bench.names("whole/results").count
            for done in stride(from: 0, to: inAll, by: isFullMatrix ? 1 : 3) {
                let job = try bench.start(arguments)
                let process = try job.begin()
                // In the middle of whatever comes behind so many results.
                while bench.names("s/results").count < done, kill(process.identifier, 0) == 0 { usleep(1_000) }
                usleep(UInt32(done) * 3_000)
                kill(process.identifier, SIGKILL)
                _ = try job.wait()
                #expect(bench.names("s/results").allSatisfy { !bench.bytes("s/results/\($0)").isEmpty })
            }
            let finished = bench.names("s/results")
            let before = finished.map { bench.bytes("s/results/\($0)") }
            let dates = finished.map {
                try? FileManager.default.attributesOfItem(atPath: bench.path("s/results/\($0)"))[.modificationDate] as? Date
            }
            expectSuccess(try bench.dtrain(arguments))
            #expect(bench.text("s/sweep.csv") == bench.text("whole/sweep.csv"))
            #expect(finished.map { bench.bytes("s/results/\($0)") } == before)
            #expect(
                finished.map {
                    try? FileManager.default.attributesOfItem(atPath: bench.path("s/results/\($0)"))[.modificationDate] as? Date
                } == dates)
        }
    }

    @Test(
        "a rank of two groups is killed, or the job is asked to stop: the same command goes on",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func groupsStopped() throws {
        try withWorkbench { bench in
            let longer = ["training.epochs": "60"]
            try write(bench)
            try bench.write("base.yaml", Self.base.replacing("epochs: 4", with: "epochs: \(longer["training.epochs"] ?? "")"))
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--directory", "whole", "--quiet"))
            let arguments = ["sweep", "s.yaml", "--directory", "s", "--groups", "2"]
            // Asked to stop, with two trials under way.
            var job = try bench.start(arguments, ranks: 2)
            var process = try job.begin()
            while bench.names("s/results").isEmpty || bench.names("s").count(where: { $0.hasPrefix("trial-") }) < 3 {
                usleep(5_000)
            }
            kill(process.identifier, SIGUSR1)
            let stopped = try job.wait()
            expectEnd(stopped, .interrupted)
            #expect(stopped.output.contains("the same command goes on"))
            let done = bench.names("s/results")
            #expect(!done.isEmpty && done.count < 8)
            // A rank that is killed takes the job with it.
            job = try bench.start(arguments, ranks: 2)
            process = try job.begin()
            while bench.names("s/results").count < done.count + 1 { usleep(5_000) }
            process.processes().last { $0.rank == 1 }?.send(SIGKILL)
            #expect(try job.wait().status != 0)
            expectSuccess(try bench.dtrain(arguments, ranks: 2))
            #expect(bench.text("s/sweep.csv") == bench.text("whole/sweep.csv"))
            // What was finished before was begun once.
            for name in done { #expect(starts(bench, "s/" + name.prefix("trial-0000".count)) == 1, "\(name)") }
        }
    }

    @Test("jobs that know nothing of each other share the trials of a directory")
    func jobs() throws {
        try withWorkbench { bench in
            try write(bench)
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--directory", "whole", "--quiet"))
            let jobs = try (0..<3).map { _ in try bench.start(["sweep", "s.yaml", "--directory", "s"]) }
            for job in jobs { try job.begin() }
            let outcomes = try jobs.map { try $0.wait() }
            outcomes.forEach { expectSuccess($0) }
            #expect(bench.text("s/sweep.csv") == bench.text("whole/sweep.csv"))
            let told = outcomes.flatMap { $0.outputLines.filter { $0.hasPrefix("trial ") && $0.contains("(") } }
            #expect(told.count == 8 && Set(told).count == 8)
            for trial in 0..<8 { #expect(starts(bench, "s/trial-000\(trial)") == 1) }
        }
    }

    @Test("a trial that diverges or can't be built is recorded, and the sweep goes on; where all do, the answer is no")
    func failing() throws {
        try withWorkbench { bench in
            try write(
                bench,
                """
                configuration: base.yaml
                method: grid
                parameters:
                  optimizer: {choices: [{adam: {learning_rate: 0.01}}, {sgd: {learning_rate: 1.0e+30}}]}
                  training.seed: {choices: [0, 1]}
                """)
            let outcome = try bench.dtrain("sweep", "s.yaml")
            expectSuccess(outcome)
            #expect(rows(bench, "runs/s").map { $0["state"] } == ["finished", "finished", "failed", "failed"])
            #expect(
                outcome.output.contains("trial 2 failed: step 1: loss")
                    || outcome.output.contains("trial 2 failed: step 2: loss"))
            #expect(try bench.dtrain("ls", "runs/s").outputLines.count { $0.contains("failed") } == 2)
            let page = try bench.dtrain("report", "runs/s")
            expectSuccess(page)
            #expect(
                page.output == "runs/s/report.html\n" && bench.text("runs/s/report.html").contains("2 that failed aren't drawn")
            )
            try write(
                bench,
                "configuration: base.yaml\nmethod: grid\nparameters: {optimizer: {choices: [{sgd: {learning_rate: 1.0e+30}}]}}")
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml", "--directory", "none"), .negative,
                ["none: none of the 1 trials has a value"])
        }
    }

    @Test("before the first trial: keys that don't exist, values of the wrong type, metrics that nobody measures, other sweeps")
    func refusals() throws {
        try withWorkbench { bench in
            try write(
                bench,
                """
                configuration: base.yaml
                method: grid
                parameters:
                  optimizer.adam.leaning_rate: {choices: [0.1]}
                  model.layers.0.dense.units: {choices: [8, many]}
                  trainig.seed: {choices: [1]}
                """)
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                [
                    "s.yaml: 3 problems: ",
                    "s.yaml:4: parameters.optimizer.adam.leaning_rate: 0.1: unknown key \"leaning_rate\"",
                    "s.yaml:5: parameters.model.layers.0.dense.units: many: ", "expected a whole number, found \"many\"",
                    "s.yaml:6: parameters.trainig.seed: 1: base.yaml: unknown key \"trainig\""
                ])
            #expect(!bench.exists("runs"))
            try write(bench, "metric: validation_acuracy\n" + Self.random)
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                ["s.yaml:1: metric: nothing is called \"validation_acuracy\" (did you mean \"validation_accuracy\"?)"])
            try write(bench, Self.halving.replacing("min_epochs: 1", with: "min_epochs: 4"))
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                ["min_epochs: expected less than the 4 epochs of a whole run"])
            try write(bench, Self.halving.replacing("min_epochs: 1", with: "min_steps: 1"))
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                ["the length of a run is given in epochs; use min_epochs"])
            try write(bench)
            expectRefusal(try bench.dtrain("sweep", "none.yaml"), .missingInput, ["none.yaml: no such configuration file"])
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml", "--groups", "2"), .usage, ["--groups 2: 1 rank makes one group only"])
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--quiet"))
            try write(bench, Self.random.replacing("seed: 1", with: "seed: 2"))
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                ["runs/s: holds another sweep: method.random.seed is 2, there it is 1"])
            try write(bench)
            try bench.write("base.yaml", Self.base.replacing("128", with: "64"))
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badConfiguration,
                ["holds another sweep: base.yaml has changed since then (training.global_batch_size: 64)"])
            try write(bench)
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml", "--directory", "runs/s/trial-0000"), .cannotCreate,
                ["holds a run, expected a directory"])
            // More trials of the same sweep are no other sweep.
            let first = bench.text("runs/s/sweep.csv")
            try write(bench, Self.random.replacing("trials: 8", with: "trials: 10"))
            expectSuccess(try bench.dtrain("sweep", "s.yaml", "--quiet"))
            #expect(bench.text("runs/s/sweep.csv").hasPrefix(first) && rows(bench, "runs/s").count == 10)
            try bench.write("runs/s/results/trial-0003-rung-0.json", "{}")
            expectRefusal(
                try bench.dtrain("sweep", "s.yaml"), .badData, ["trial-0003-rung-0.json: not the result of trial 3; remove it"])
        }
    }

    @Test("ranks that groups don't divide", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func uneven() throws {
        try withWorkbench { bench in
            try write(bench)
            expectRefusal(
                try bench.dtrain(["sweep", "s.yaml", "--groups", "3"], ranks: 4), .usage,
                ["--groups 3: 4 ranks don't make groups of equal size; possible are 1, 2, 4"])
        }
    }
}
