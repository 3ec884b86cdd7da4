import Diagnostics
import Foundation
import TestSupport
import Testing

/// Law 1: with the strategy `owner` the rank count can't be told from the result.
@Suite("Ranks", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct RankTests {
    /// A configuration to be trained at many rank counts.
    struct Scenario: Sendable, CustomTestStringConvertible {
        let name: String
        /// Nil for plain `dtrain`.
        let configuration: String?
        /// Micro-batches of a full step.
        let microBatches: Int
        var testDescription: String { name }
    }

    static let scenarios: [Scenario] = [
        Scenario(name: "plain digits", configuration: nil, microBatches: 4),
        Scenario(
            name: "dropout, momentum, clipping by norm, cosine with warm-up, label smoothing",
            configuration: """
                data: {format: digits}
                model:
                  layers:
                    - dense: {units: 40}
                    - gelu
                    - dropout: {rate: 0.3}
                    - dense: {units: 10}
                loss: {cross_entropy: {label_smoothing: 0.1}}
                optimizer: {sgd: {learning_rate: 0.2, momentum: 0.9, nesterov: true, weight_decay: 0.001}}
                schedule: {cosine: {warmup_steps: 5}}
                gradient_clipping: {norm: 0.5}
                metrics: [accuracy, f1, confusion_matrix]
                training: {epochs: 2, global_batch_size: 96, micro_batch_size: 16, log_every: 1}
                """, microBatches: 6),
        // 1,438 samples: 14 batches of 100 and one of 38, cut into 24, 24, 24, 24, 4 and 24, 14.
        Scenario(
            name: "short last batches and micro-batches",
            configuration: """
                data: {format: digits}
                model: {layers: [{dense: {units: 20}}, tanh, {dense: {units: 10}}]}
                optimizer: {rmsprop: {learning_rate: 0.002}}
                training: {epochs: 2, global_batch_size: 100, micro_batch_size: 24, log_every: 1}
                """, microBatches: 5),
        Scenario(
            name: "more ranks than micro-batches",
            configuration: """
                data: {format: digits}
                model: {layers: [{dense: {units: 16}}, relu, {dense: {units: 10}}]}
                training: {max_steps: 30, global_batch_size: 32, micro_batch_size: 16, log_every: 1}
                checkpoint: {every_steps: 7}
                validation: {every_steps: 10}
                """, microBatches: 2),
        // 1,024 samples of 64 numbers are gathered by a thread where one rank has a second core, the 414 left are not.
        Scenario(
            name: "batches that a thread gathers",
            configuration: """
                data: {format: digits}
                model: {layers: [{dense: {units: 16}}, relu, {dropout: {rate: 0.2}}, {dense: {units: 10}}]}
                training: {epochs: 6, global_batch_size: 1024, micro_batch_size: 128, log_every: 1}
                validation: {every_steps: 5}
                """, microBatches: 8),
        Scenario(
            name: "a residual network",
            configuration: """
                data: {format: digits, standardize: true}
                model:
                  layers:
                    - dense: {units: 24, initializer: he_normal}
                    - residual: {layers: [{dense: {units: 24}}, silu, {dense: {units: 24}}]}
                    - residual: {layers: [elu, {dense: {units: 24, bias: false}}]}
                    - dense: {units: 10}
                    - softmax
                optimizer: {adamw: {learning_rate: 0.003, weight_decay: 0.05}}
                gradient_clipping: {value: 0.01}
                training: {max_steps: 30, global_batch_size: 112, micro_batch_size: 16, log_every: 1}
                """, microBatches: 7),
        Scenario(
            name: "a regression with huber",
            configuration: """
                data:
                  format: csv
                  train: {path: t.csv, target: [w, z]}
                  standardize: true
                  validation_fraction: 0.3
                model: {layers: [{dense: {units: 8}}, sigmoid, {dense: {units: 2}}]}
                loss: huber
                optimizer: {adagrad: {learning_rate: 0.05}}
                regularization: {l1: 0.001, l2: 0.001}
                metrics: [mse, mae, r2]
                training: {epochs: 4, global_batch_size: 9, micro_batch_size: 3, log_every: 1}
                """, microBatches: 3)
    ]

    private static let numbers = Material.csv(
        Material.trees(rows: 71).map { row in
            let u = Double(row[0]) ?? 0
            let v = Double(row[1]) ?? 0
            return [row[0], row[1], "\(u * u - v)", "\(3 * u + v * v)"]
        }, header: "u,v,w,z")

    @Test("1, 2, 3, 4, 5 and 7 ranks end in the bits of plain dtrain, and log the same lines", arguments: scenarios)
    func sameBits(_ scenario: Scenario) throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Self.numbers)
            var command: [String] = []
            if let configuration = scenario.configuration {
                try bench.write("c.yaml", configuration + "\n")
                command = ["train", "c.yaml"]
            }
            let plain = try bench.dtrain(command + ["--run", "plain"])
            expectSuccess(plain)
            let reference = bench.files("plain")
            #expect(plain.digest == reference.digest)
            for ranks in [1, 2, 3, 4, 5, 7] {
                let outcome = try bench.dtrain(command + ["--run", "ranks\(ranks)"], ranks: ranks)
                expectSuccess(outcome)
                let run = bench.files("ranks\(ranks)")
                #expect(outcome.digest == plain.digest, "\(ranks) ranks")
                expectSameResult(run, reference, "at \(ranks) ranks")
                #expect(run.logText == reference.logText, "metrics.jsonl at \(ranks) ranks")
                #expect(run.checkpoints == reference.checkpoints)
                #expect(run.model("best") == reference.model("best"), "best at \(ranks) ranks")
                #expect(bench.text("ranks\(ranks)/config.yaml") == bench.text("plain/config.yaml"))
                expectIdleWarning(outcome, ranks: ranks, microBatches: scenario.microBatches)
            }
        }
    }

    /// Idle or uneven ranks are warned of exactly once.
    private func expectIdleWarning(_ outcome: Outcome, ranks: Int, microBatches: Int) {
        let warnings = outcome.errorLines.filter { $0.hasPrefix("warning: ") }
        guard ranks > 1, microBatches % ranks != 0 else {
            #expect(warnings.isEmpty, "\(outcome)")
            return
        }
        #expect(warnings.count == 1, "\(outcome)")
        let text = ranks > microBatches ? "\(ranks - microBatches) of \(ranks) ranks stay idle" : "uneven"
        #expect(warnings.first?.contains(text) ?? false, "\(outcome)")
        #expect(warnings.first?.contains("\(microBatches) micro-batches") ?? false, "\(outcome)")
    }

    @Test("a micro-batch of another size is another result: the comparison can fail")
    func otherSum() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 30))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "b", "--set", "training.micro_batch_size=8"))
            #expect(bench.files("a").digest != bench.files("b").digest)
        }
    }

    @Test("the strategy allreduce trains as well, keeps its replicas together and resumes")
    func allReduce() throws {
        try withWorkbench { bench in
            let command = ["--set", "training.synchronization=allreduce", "--set", "checkpoint.every_steps=100"]
            let whole = try bench.dtrain(command + ["--run", "whole"], ranks: 2)
            expectSuccess(whole)
            let end = try #require(bench.files("whole").log("end").first)
            #expect(end.numbers["validation_accuracy"] ?? 0 >= 0.955)
            expectSuccess(try bench.dtrain(command + ["--run", "parts", "--steps", "170"], ranks: 2))
            let resumed = try bench.dtrain(command + ["--run", "parts", "--resume"], ranks: 2)
            expectSuccess(resumed)
            // Two ranks add two numbers: there the library has no order to choose.
            expectSameResult(bench.files("parts"), bench.files("whole"))
        }
    }

    /// Two numbers have one sum, and adding zeros changes none: here MPI has no order to choose, so the value is known.
    @Test("with allreduce, ranks that have nothing to compute add nothing to the gradient", arguments: [3, 4])
    func idleRanks(ranks: Int) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 12, batch: 32, microBatch: 16))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "plain"))
            let idle = try bench.dtrain(
                "train", "c.yaml", "--run", "idle", "--set", "training.synchronization=allreduce",
                ranks: ranks)
            expectSuccess(idle)
            #expect(idle.digest == bench.files("plain").digest)
            let losses = try ["plain", "idle"].map { try bench.files($0).log("step").map { $0.numbers["loss"] } }
            #expect(losses[0] == losses[1] && losses[0].count == 12)
        }
    }

    @Test("--ranks starts the ranks by itself, with the digest of plain dtrain")
    func ranksOption() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 20))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "plain"))
            for ranks in ["3", "auto"] {
                let outcome = try bench.dtrain("train", "c.yaml", "--run", "r\(ranks)", "--ranks", ranks)
                expectSuccess(outcome)
                #expect(outcome.digest == bench.files("plain").digest)
            }
            #expect(try bench.dtrain("train", "c.yaml", "--ranks=2", "--run", "r3").status == 73)
        }
    }

    @Test("ranks number one new run directory for all")
    func numbering() throws {
        try withWorkbench { bench in
            try bench.write("small.yaml", Material.digits)
            for _ in 0..<2 { expectSuccess(try bench.dtrain("train", "small.yaml", ranks: 3)) }
            #expect(bench.names("runs") == ["small", "small-2"])
        }
    }

    @Test(
        "a rank that holds another configuration or other data is named before anything is trained",
        arguments: [("configuration", "c.yaml"), ("training data", "t.csv")])
    func disagreement(_ what: String, file: String) throws {
        try withWorkbench { bench in
            for (folder, cell) in [("one", "0.25"), ("two", file == "t.csv" ? "0.5" : "0.25")] {
                try bench.write("\(folder)/t.csv", Material.csv(column: 0, replacedBy: cell))
                try bench.write(
                    "\(folder)/c.yaml",
                    Material.table("t.csv", steps: folder == "two" && file == "c.yaml" ? 9 : 8))
            }
            let command = ["train", "c.yaml", "--run", bench.path("run")]
            let outcome = try Workbench(folder: bench.path("one")).dtrain(
                command + [":", "-np", "2", "-wdir", bench.path("two"), Workbench.program] + command, ranks: 2)
            expectRefusal(
                outcome, .badConfiguration,
                ["rank 2 differs from rank 0 in the \(what)"]
                    + (file == "c.yaml" ? ["found max_steps: 9, expected max_steps: 8"] : []))
            #expect(bench.names("run").isEmpty)
        }
    }

    @Test(
        "--version and inspect under mpirun don't start MPI and don't hang",
        arguments: [["--version"], ["inspect"]])
    func withoutMPI(_ arguments: [String]) throws {
        try withWorkbench { bench in expectSuccess(try bench.dtrain(arguments, ranks: 2)) }
    }
}

@Suite("Threads")
struct ThreadTests {
    @Test("two threads end in the bits of one", arguments: [2, 3])
    func threads(_ count: Int) throws {
        try withWorkbench { bench in
            let configuration = Material.digits(steps: 25, batch: 256, microBatch: 64)
                .replacing("units: 16", with: "units: 200")
            try bench.write("c.yaml", configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "one"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "more", "--set", "training.threads=\(count)"))
            expectSameResult(bench.files("more"), bench.files("one"))
        }
    }

    @Test("every rank has a log of where it ran and how it ended, to which a resume appends")
    func logs() throws {
        try withWorkbench { bench in
            let host = ProcessInfo.processInfo.hostName
            for (number, step) in [20, 40].enumerated() {
                expectSuccess(
                    try bench.dtrain(
                        ["train", "--run", "r", "--steps", String(step), "--quiet"] + (number == 0 ? [] : ["--resume"]),
                        ranks: 3))
                for rank in 0..<3 {
                    let lines = bench.text("r/logs/rank-\(rank).log").split(separator: "\n").map {
                        $0.drop { $0 != " " }.dropFirst()
                    }
                    let starts = lines.filter {
                        $0.hasPrefix("start: dtrain ") && $0.contains(" rank \(rank) of 3 on \(host), process ")
                    }
                    #expect(starts.count == number + 1, "\(lines)")
                    #expect(lines.filter { $0.hasPrefix("end: step ") }.count == number + 1, "\(lines)")
                    #expect(lines.last == "end: step \(step), finished")
                    // What rank 0 alone says on the screen.
                    #expect(lines.contains { $0.hasPrefix("warning: ranks are uneven") } == (rank == 0), "\(lines)")
                }
            }
        }
    }

    @Test("how a run failed is in every rank's log")
    func failureLogs() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 20, sections: "optimizer: {sgd: {learning_rate: 1e30}}"))
            let outcome = try bench.dtrain(["train", "c.yaml", "--run", "r"], ranks: 2)
            #expect(outcome.status == ExitCode.badData.rawValue && outcome.messages.count == 1, "\(outcome)")
            let message = outcome.messages.first ?? ""
            #expect(bench.text("r/logs/rank-0.log").hasSuffix(" error: \(message)\n"))
            #expect(bench.text("r/logs/rank-1.log").hasSuffix(" error: ends with rank 0: \(message)\n"))
        }
    }
}
