import Foundation
import Reporting
import TestSupport
import Testing

/// What `training.delay` and `training.exchange` mean, beside the matrices.
@Suite("Exchange", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct ExchangeTests {
    private static let network = """
        model: {layers: [dense: {units: 33}, relu, dense: {units: 10}]}
        optimizer: {sgd: {learning_rate: 0.05}}
        training:
          max_steps: 12
          global_batch_size: 210
          micro_batch_size: 30
          log_every: 1
          verify_every: 1

        """

    @Test("with a delay, the first step changes no weight, and the second applies the first one's gradient")
    func meaning() throws {
        try withBench(Self.network) { bench in
            try bench.train("at-once", ["--steps", "1"])
            try bench.train("late", ["--steps", "2", "--set", "training.delay=1", "--set", "checkpoint.every_steps=1"])
            func model(_ run: String, _ step: Int) throws -> Data {
                let name = "checkpoints/step-\(String(repeating: "0", count: 7))\(step)/model.safetensors"
                return try Data(contentsOf: URL(fileURLWithPath: "\(bench.folder)/\(run)/\(name)"))
            }
            #expect(try model("late", 1) == model("at-once", 0))
            #expect(try model("late", 2) == model("at-once", 1))
        }
    }

    @Test("16 bits between hosts: hosts keep equal weights, near those of 32, also when a run goes on", arguments: [0, 1])
    func bfloat16(delay: Int) throws {
        try withBench(Self.network) { bench in
            let short = ["--set", "training.exchange=bfloat16", "--set", "training.delay=\(delay)"]
            try bench.train("exact", ["--set", "training.delay=\(delay)"])
            // On one host nothing is rounded.
            try bench.train("one-host", ranks: 3, short)
            #expect(
                bench.run("exact").files.filter { $0.key.hasSuffix("model.safetensors") }
                    == bench.run("one-host").files.filter { $0.key.hasSuffix("model.safetensors") })
            // Every step compares the hosts' weights (verify_every).
            try bench.train("hosts", ranks: 3, hostSize: 1, short)
            try bench.train("parts", ranks: 3, hostSize: 1, short + ["--steps", "5"])
            try bench.train("parts", ranks: 3, hostSize: 1, short + ["--resume"])
            expectSame(bench.run("hosts").result, bench.run("parts").result, "stopped after step 5")
            #expect(bench.run("exact").result != bench.run("hosts").result, "nothing was rounded")
            func loss(_ run: String) throws -> Double {
                let log = try String(contentsOfFile: "\(bench.folder)/\(run)/metrics.jsonl", encoding: .utf8)
                let end = try #require(
                    log.split(separator: "\n").last { $0.contains("\"validation_loss\"") || $0.contains("\"end\"") })
                let object = try JSONSerialization.jsonObject(with: Data(end.utf8)) as? [String: Any]
                return try #require((object?["validation_loss"] ?? object?["loss"]) as? Double)
            }
            // Twelve steps, each with rounding errors of 2^-9 of what changes.
            #expect(abs(try loss("exact") - loss("hosts")) < 0.01 * (try loss("exact")))
        }
    }

    @Test(
        "one worker that meets itself behind every step is a run like any other",
        arguments: [
            "optimizer={sgd: {learning_rate: 0.05, momentum: 0.9}}", "optimizer={adam: {learning_rate: 0.01}}",
            "gradient_clipping={norm: 0.3}", "gradient_clipping={value: 0.01}"
        ])
    func oneWorker(setting: String) throws {
        try withBench(Self.network) { bench in
            let more = ["--set", setting, "--set", "model.layers.1=batch_norm"]
            try bench.train("owner", more)
            for ranks in [1, 2] {
                let run = "local\(ranks)"
                try bench.train(
                    run, ranks: ranks, more + ["--set", "training.synchronization={local: {workers: 1, steps: 1}}"])
                func results(_ run: Run) throws -> [LoggedLine] { try run.lines("step") + run.lines("end") }
                #expect(try results(bench.run(run)).map(\.numbers) == results(bench.run("owner")).map(\.numbers))
                let model = "checkpoints/step-00000012/model.safetensors"
                #expect(bench.run("owner").files[model] != nil)
                #expect(bench.run(run).files[model] == bench.run("owner").files[model], "\(ranks) ranks")
            }
        }
    }

    @Test("workers whose last steps come to nothing are told of, and those steps change nothing")
    func lostSteps() throws {
        try withBench(Self.network) { bench in
            let local = ["--set", "training.synchronization={local: {workers: 3, steps: 5}}"]
            let result = try bench.start("late", ranks: 2, local).wait()
            #expect(result.status == 0 && result.errors.contains("warning: the result will be that of step 10: "), "\(result)")
            let even = try bench.start("even", local + ["--set", "training.max_steps=10"]).wait()
            #expect(even.status == 0 && !even.errors.contains("the result will be"), "\(even)")
            func model(_ run: String, _ step: Int) -> Data? {
                bench.run(run).files["checkpoints/step-000000\(step)/model.safetensors"]
            }
            #expect(model("late", 12) != nil && model("late", 12) == model("even", 10))
        }
    }
}
