import Checkpointing
import Files
import Foundation
import TestSupport
import Testing

@Suite("Commands")
struct CommandTests {
    // MARK: - train

    @Test("plain dtrain trains the digits, leaves a run directory and ends in the digest of its model")
    func plain() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain()
            expectSuccess(outcome)
            #expect(outcome.errors == "")
            let run = bench.files("runs/digits")
            #expect(bench.names("runs/digits") == ["checkpoints", "config.yaml", "logs", "metrics.jsonl"])
            #expect(run.checkpoints.first == "best" && run.steps.first == 0)
            for checkpoint in run.checkpoints {
                #expect(
                    bench.names("runs/digits/checkpoints/\(checkpoint)")
                        == ["model.safetensors", "optimizer.safetensors", "state.json"])
            }
            #expect(outcome.digest == run.digest)

            let steps = try run.log("step")
            let validations = try run.log("validation")
            let ends = try run.log("end")
            #expect(steps.map(\.step) == stride(from: 10, through: run.steps.last ?? 0, by: 10).map { $0 })
            for key in ["loss", "accuracy", "learning_rate", "epoch"] {
                #expect(steps.allSatisfy { $0.numbers[key]?.isFinite ?? false }, "\(key)")
            }
            #expect(validations.map(\.epoch) == (1...validations.count).map { $0 })
            #expect(validations.allSatisfy { $0.numbers["samples"] == 359 })
            let end = try #require(ends.first)
            #expect(ends.count == 1 && run.logText.split(separator: "\n").last == run.rawLines("end").first)
            #expect(end.numbers["validation_accuracy"] ?? 0 >= 0.96)
            #expect(run.rawLines("end").first?.contains("\"digest\":\"\(run.digest)\"") ?? false)
            #expect(outcome.outputLines.filter { $0.hasPrefix("Epoch ") }.count == validations.count)
        }
    }

    @Test("the configuration in the run directory is complete: trained again it gives the same bits and the same text")
    func effectiveConfiguration() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml"))
            let written = bench.text("runs/c/config.yaml")
            for key in ["units: 16", "bias: true", "betas: [0.9, 0.999]", "every_steps: 500", "seed: 0", "keep: 3"] {
                #expect(written.contains(key), "\(key)")
            }
            expectSuccess(try bench.dtrain("train", "runs/c/config.yaml", "--run", "again"))
            #expect(bench.text("again/config.yaml") == written)
            #expect(bench.files("again").digest == bench.files("runs/c").digest)
        }
    }

    @Test("run directories are named after the configuration and numbered where they exist")
    func numbering() throws {
        try withWorkbench { bench in
            try bench.write("deep/small.yaml", Material.digits)
            for _ in 0..<3 { expectSuccess(try bench.dtrain("train", "deep/small.yaml", "--steps", "1")) }
            for _ in 0..<2 { expectSuccess(try bench.dtrain("--steps", "1")) }
            #expect(bench.names("runs") == ["digits", "digits-2", "small", "small-2", "small-3"])
        }
    }

    @Test("--run names the directory, with those above it")
    func runDirectory() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "deep/er/mine/")
            expectSuccess(outcome)
            #expect(outcome.digest == bench.files("deep/er/mine").digest)
            #expect(!bench.exists("runs"))
        }
    }

    @Test("--set changes any key, later ones win, and --seed is training.seed")
    func overrides() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "a", "--set", "model.layers.0.dense.units=24",
                    "--set", "training.max_steps=9", "--set", "training.max_steps=3",
                    "--set", "optimizer={sgd: {momentum: 0.5}}", "--seed", "5"))
            let written = bench.text("a/config.yaml")
            for text in ["units: 24", "max_steps: 3", "momentum: 0.5", "seed: 5"] {
                #expect(written.contains(text), "\(text)")
            }
            #expect(bench.files("a").steps == [0, 3])

            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "b", "--seed", "5"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "c", "--set", "training.seed=5"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "d"))
            #expect(bench.files("b").digest == bench.files("c").digest)
            #expect(bench.files("b").digest != bench.files("d").digest)
        }
    }

    @Test("--steps stops after that global step, also at 0, with a checkpoint of it")
    func steps() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 50))
            for steps in [0, 3] {
                let outcome = try bench.dtrain("train", "c.yaml", "--run", "run\(steps)", "--steps", "\(steps)")
                expectSuccess(outcome)
                #expect(Set(bench.files("run\(steps)").steps) == [0, steps])
                #expect(outcome.digest == bench.files("run\(steps)").digest)
                #expect(try bench.files("run\(steps)").log("step").count == steps)
            }
        }
    }

    @Test("--steps that are behind a run already is told of the run, not of the configuration")
    func stepsBehind() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 5))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run"))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--steps", "3")
            expectSuccess(outcome)
            #expect(
                outcome.errors.contains("nothing to do: the run is at step 5 already; give a larger --steps than 3\n"),
                "\(outcome)")
            #expect(!outcome.errors.contains("configuration asks for") && !outcome.output.contains("as asked"))
            let shorter = try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", "--set", "training.max_steps=2")
            #expect(shorter.errors.contains("nothing to do: 5 steps are done, the configuration asks for 2"), "\(shorter)")
        }
    }

    @Test("--quiet prints the digest and nothing else")
    func quiet() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet")
            expectSuccess(outcome)
            #expect(outcome.output == "digest \(bench.files("run").digest)\n")
            #expect(outcome.errors == "")
        }
    }

    @Test("--initialize starts from the weights of another run")
    func initialize() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a", "--seed", "3"))
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "b", "--initialize",
                    "a/checkpoints/\(bench.files("a").last)/model.safetensors"))
            #expect(bench.files("b").model("step-00000000") == bench.files("a").model(bench.files("a").last))
            #expect(bench.files("b").digest != bench.files("a").digest)
        }
    }

    @Test("a new head on a trained body: some parameters come from a file, by patterns, whatever else is in it")
    func initializePartly() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a", "--seed", "3", "--quiet"))
            let file = "a/checkpoints/\(bench.files("a").last)/model.safetensors"
            let head = ["--set", "model.layers.2={dense: {units: 10, name: head}}"]
            let outcome = try bench.dtrain(
                [
                    "train", "c.yaml", "--run", "b", "--initialize", file, "--set", "initialize.skip=[head]",
                    "--set", "model.freeze=[\"0\"]"
                ] + head)
            expectSuccess(outcome)
            #expect(outcome.errors.contains("note: \(file): loaded 0.weight, 0.bias\n"), "\(outcome)")
            #expect(outcome.errors.contains("note: initialized anew: head.weight, head.bias\n"), "\(outcome)")
            // What is frozen is still the body of the first run, after training.
            let whole = try SafetensorsFile(path: bench.path(file))
            let trained = try SafetensorsFile(path: bench.path("b/checkpoints/\(bench.files("b").last)/model.safetensors"))
            for name in ["0.weight", "0.bias"] { #expect(try whole.floats(name) == trained.floats(name), "\(name)") }
            // From the configuration alone, and the other way round.
            try bench.write("d.yaml", Material.digits + "initialize: {path: \(file), only: [\"0\"]}\n")
            expectSuccess(try bench.dtrain(["train", "d.yaml", "--run", "c"] + head))
            #expect(
                try SafetensorsFile(path: bench.path("c/checkpoints/step-00000000/model.safetensors")).floats("0.weight")
                    == whole.floats("0.weight"))
            expectRefusal(
                try bench.dtrain("train", "d.yaml", "--run", "e", "--set", "initialize.only=[\"7\"]"), .badConfiguration,
                ["initialize: no parameter is called \"7\""])
            expectRefusal(
                try bench.dtrain("train", "d.yaml", "--run", "e", "--set", "initialize.skip=[\"*\"]"), .badConfiguration,
                ["leave nothing to load"])
            expectRefusal(
                try bench.dtrain(["train", "c.yaml", "--run", "e", "--initialize", file] + head), .badData,
                ["no tensor \"head.weight\""])
        }
    }

    @Test("--initialize refuses weights that aren't finite, and names the tensor")
    func initializeNotFinite() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 1))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "first"))
            let model = try Data(
                contentsOf: URL(fileURLWithPath: bench.path("first/checkpoints/step-00000001/model.safetensors")))
            for (bits, name) in [(Float.nan.bitPattern, "NaN"), (Float.infinity.bitPattern, "infinity")] {
                let end = withUnsafeBytes(of: bits.littleEndian) { Data($0) }
                try (model.dropLast(4) + end).write(to: URL(fileURLWithPath: bench.path("w.safetensors")))
                expectRefusal(
                    try bench.dtrain("train", "c.yaml", "--run", "second", "--initialize", "w.safetensors"), .badData,
                    ["w.safetensors: \"", "holds \(name) (element ", "weights must be finite numbers"])
            }
        }
    }

    @Test("a final softmax or sigmoid is part of the loss, not applied twice", arguments: ["softmax", "sigmoid"])
    func fusedActivation(_ activation: String) throws {
        try withWorkbench { bench in
            let loss = activation == "softmax" ? "cross_entropy" : "binary_cross_entropy"
            let units = activation == "softmax" ? 2 : 1
            try bench.write("t.csv", Material.csv(Material.trees()))
            let bare = Material.table("t.csv", units: units, sections: "loss: \(loss)")
            try bench.write("bare.yaml", bare)
            try bench.write(
                "ending.yaml",
                bare.replacing(
                    "{units: \(units)}\n",
                    with: "{units: \(units)}\n    - \(activation)\n"))
            expectSuccess(try bench.dtrain("train", "bare.yaml", "--run", "bare"))
            let outcome = try bench.dtrain("train", "ending.yaml", "--run", "ending")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("\(activation) is part of the loss"))
            #expect(bench.files("ending").digest == bench.files("bare").digest)
        }
    }

    // MARK: - Help and versions

    @Test("--version names the build and MPI")
    func version() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain("--version")
            expectSuccess(outcome)
            #expect(outcome.output.hasPrefix("dtrain ") && outcome.output.contains("MPI"))
            #expect(outcome.outputLines.count == 1)
        }
    }

    @Test(
        "--help names every command and option",
        arguments: [
            ([], ["train", "eval", "predict", "inspect", "gradcheck", "bench"]),
            (
                ["train"],
                ["--set", "--run", "--resume", "--initialize", "--steps", "--seed", "--ranks", "--trace", "--quiet", "--no-mpi"]
            ),
            (["eval"], ["--split", "--data"]), (["predict"], ["--output"]), (["inspect"], ["--set"]),
            (["gradcheck"], ["--set"]), (["bench"], ["--windows", "--seconds", "--json", "--set", "--ranks"])
        ])
    func help(_ command: [String], names: [String]) throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(command + ["--help"])
            expectSuccess(outcome)
            for name in names { #expect(outcome.output.contains(name), "\(name)") }
        }
    }

    @Test(
        "a wrong command line ends with 64 and says what is wrong",
        arguments: [
            (["trian"], "did you mean \"train\"?"), (["evall", "runs/x"], "did you mean \"eval\"?"),
            (["--bogus"], "--bogus"), (["train", "--stps", "3"], "--stps"), (["--steps", "x"], "x"), (["--steps=-1"], "-1"),
            (["--set"], "--set"), (["--seed", "1.5"], "1.5"), (["eval"], "checkpoint"), (["predict", "a"], "input"),
            (["eval", "a", "--split", "test"], "test"), (["train", "--resume", "--initialize", "a"], "--initialize"),
            (["bench", "--windows", "0"], "--windows"), (["bench", "--seconds", "0"], "--seconds"),
            (["bench", "--seconds", "soon"], "--seconds"), (["bench", "--windows", "2.5"], "--windows"),
            (["gradcheck", "--samples", "0"], "--samples"), (["train", "a.yaml", "b.yaml"], "b.yaml"),
            (["--set", "units"], "key=value"), (["--set", "=3"], "key=value"),
            (["--set", "model.layers.3.relu=1"], "index"),
            (["--ranks", "0"], "0"), (["--ranks", "many"], "many"), (["--seed=-1"], "-1"),
            (["eval", "a", "--targets", "b"], "--data"),
            (["eval", "a", "--split", "train", "--data", "b"], "exclude each other"),
            (["--run", "r", "--resume", ""], "an empty path"), (["--run", "r", "--resume="], "an empty path"),
            (["predict", "a", "b", "--output", ""], "an empty path"), (["inspect", "--ranks", "1025"], "1 to 1024")
        ])
    func usage(_ arguments: [String], part: String) throws {
        try withWorkbench { bench in
            // A seed that is out of range is a key of the configuration.
            let code: Int32 = arguments == ["--seed=-1"] ? 78 : 64
            try bench.write("c.yaml", Material.digits)
            let outcome = try bench.dtrain(arguments)
            #expect(outcome.status == code, "\(outcome)")
            let messages = outcome.errorLines
            #expect(messages.count == 1 && messages[0].hasPrefix("dtrain: error: ") && messages[0].contains(part), "\(outcome)")
            #expect(outcome.output == "" && !bench.exists("runs"))
        }
    }

    @Test("an argument that isn't text in UTF-8 would name another file, and is refused")
    func foreignBytes() throws {
        try withWorkbench { bench in
            let result = try ChildProcess(
                "/bin/bash", ["-c", "exec \"$0\" --run $'r\\xff' --steps 1", Workbench.program],
                directory: bench.path("")
            ).run()
            #expect(
                result.status == 64 && result.errors.contains("argument 2, ") && result.errors.contains("UTF-8"), "\(result)")
            #expect(bench.names("") == [])
        }
    }

    @Test("an environment variable of dtrain's with nonsense in it is refused", arguments: ["DTRAIN_SIMD", "DTRAIN_NODE_SIZE"])
    func nonsenseInEnvironment(name: String) throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(["--run", "r", "--steps", "1"], environment: [name: "much"])
            #expect(
                outcome.status == 78 && outcome.errors.contains("\(name): ") && outcome.errors.contains("\"much\""),
                "\(outcome)")
            #expect(!bench.exists("r"))
        }
    }

    @Test("a byte order mark in front of a configuration is passed over")
    func byteOrderMark() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", "\u{FEFF}" + Material.digits)
            expectSuccess(try bench.dtrain("inspect", "c.yaml"))
        }
    }

    // MARK: - inspect

    @Test("inspect of a configuration prints layers, counts and every default, and trains nothing")
    func inspectConfiguration() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            let outcome = try bench.dtrain("inspect", "c.yaml", "--set", "training.max_steps=7")
            expectSuccess(outcome)
            for text in [
                "1,438 samples to train", "359 to validate",
                "0      dense  [16]    1,040       4,096       1.0 KB", "2      dense  [10]    170         960",
                "total                 1,210       5,056       1.0 KB", "of a micro-batch of 16 samples", "memory:",
                "exp_avg_sq", "max_steps: 7", "epsilon: 1e-08"
            ] {
                #expect(outcome.output.contains(text), "\"\(text)\" is not in \(outcome.output)")
            }
            #expect(bench.names("") == ["c.yaml"])
            expectSuccess(try bench.dtrain("inspect"))
        }
    }

    @Test("inspect --plan adds the plan of memory, of a configuration with what a rank holds")
    func inspectPlan() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 3))
            let plain = try bench.dtrain("inspect", "c.yaml")
            let planned = try bench.dtrain("inspect", "c.yaml", "--plan")
            expectSuccess(planned)
            #expect(!plain.output.contains("as fused") && planned.outputLines.contains("as fused: 0 dense + 1 relu, 2 dense"))
            #expect(planned.output.contains("rank 0 of 1, bytes"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run"))
            let ofRun = try bench.dtrain("inspect", "run", "--plan")
            expectSuccess(ofRun)
            #expect(ofRun.outputLines.contains("as fused: 0 dense + 1 relu, 2 dense") && !ofRun.output.contains("rank 0"))
        }
    }

    @Test(
        "inspect of a checkpoint and of a run prints layers, step and digest",
        arguments: ["run", "run/checkpoints/best", "run/checkpoints/step-00000000"])
    func inspectCheckpoint(_ subject: String) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 30))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run"))
            let outcome = try bench.dtrain("inspect", subject)
            expectSuccess(outcome)
            let checkpoint = subject == "run" ? "step-00000030" : URL(fileURLWithPath: subject).lastPathComponent
            let step = ["step-00000030": 30, "step-00000000": 0][checkpoint] ?? 23
            #expect(outcome.output.contains("step \(step),"))
            #expect(outcome.output.contains("total                 1,210"))
            let digest = try SHA256.hexadecimal(of: bench.files("run").model(checkpoint))
            #expect(outcome.outputLines.contains("digest \(digest)"))
        }
    }

    // MARK: - gradcheck

    @Test("gradcheck of gradients that are no numbers names the parameters and ends with 1")
    func wrongGradients() throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                """
                data: {format: digits}
                model:
                  layers: [dense: {units: 10, initializer: {uniform: {bound: 1e38}}}]

                """)
            let outcome = try bench.dtrain("gradcheck", "c.yaml")
            #expect(outcome.status == 1, "\(outcome)")
            #expect(outcome.output.contains("FAIL layer 0 (dense), 0.weight"), "\(outcome)")
            #expect(outcome.output.contains("with a wrong gradient"), "\(outcome)")
        }
    }

    @Test("gradcheck tells rounding from a wrong gradient where gradients nearly vanish")
    func vanishingGradients() throws {
        try withWorkbench { bench in
            // Behind the softmax and the sigmoid gradients are a ten-thousandth of the loss.
            try bench.write(
                "c.yaml",
                """
                data: {format: digits}
                model:
                  layers:
                    - dense: {units: 12}
                    - relu
                    - dense: {units: 12}
                    - tanh
                    - dense: {units: 12}
                    - sigmoid
                    - dense: {units: 12}
                    - silu
                    - softmax
                    - dense: {units: 10}

                """)
            for seed in 0..<4 {
                let outcome = try bench.dtrain("gradcheck", "c.yaml", "--seed", "\(seed)")
                expectSuccess(outcome)
            }
        }
    }

    @Test("gradcheck agrees for a network of every layer, and names each parameter")
    func gradcheck() throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                """
                data: {format: digits}
                model:
                  layers:
                    - flatten
                    - dense: {units: 12, initializer: he_normal}
                    - relu
                    - dense: {units: 12}
                    - leaky_relu: {slope: 0.1}
                    - dense: {units: 12, bias: false}
                    - elu: {alpha: 0.7}
                    - dropout: {rate: 0.2}
                    - residual:
                        layers:
                          - dense: {units: 12, initializer: glorot_uniform}
                          - tanh
                          - dense: {units: 12}
                          - gelu
                    - dense: {units: 12, name: middle, initializer: {normal: {standard_deviation: 1}}}
                    - silu
                    - residual: {layers: [sigmoid]}
                    - residual: {layers: [softmax]}
                    - dense: {units: 10, initializer: lecun_normal}

                """)
            let outcome = try bench.dtrain("gradcheck", "c.yaml")
            expectSuccess(outcome)
            let parameters = [
                "1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "8.0.weight", "8.0.bias",
                "8.2.weight", "8.2.bias", "middle.weight", "middle.bias", "13.weight", "13.bias"
            ]
            let rows = outcome.outputLines.filter { $0.hasPrefix("ok  ") }
            #expect(rows.count == parameters.count, "\(outcome)")
            for parameter in parameters { #expect(rows.contains { $0.contains(", \(parameter): ") }, "\(parameter)") }
        }
    }
}
