import Checkpointing
import Foundation
import TestSupport
import Testing

/// dtrain beside Hugging Face's transformers: the numbers of `Tests/References/gpt2`, which `gpt2.py` there made.
@Suite("Beside transformers")
struct GPT2Tests {
    private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("References").path

    /// What `gpt2.py` writes.
    private struct Expected: Decodable {
        let losses: [Double]
        let loss: Double
    }

    /// What `dtrain eval --json` prints, and `load_gpt2.py`.
    private struct Judged: Decodable {
        let loss: Double
        var samples: Int?
        var heads: Int?
    }

    private static let training = ["train", "gpt2/gpt2.yaml", "--set", "data.train.path=gpt2/text.txt", "--initialize", "gpt2"]

    private func withModel(_ body: (Workbench) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.copy(Self.references + "/gpt2", to: "gpt2")
            try body(bench)
        }
    }

    private func judged(_ outcome: Outcome) throws -> Judged {
        expectSuccess(outcome)
        return try JSONDecoder().decode(Judged.self, from: Data(outcome.output.utf8))
    }

    @Test("20 steps of fine-tuning a GPT-2 follow transformers' losses", arguments: [nil, 2])
    func fineTune(ranks: Int?) throws {
        guard ranks == nil || MPIRun.isAvailable else { return }
        try withModel { bench in
            let expected = try JSONDecoder().decode(Expected.self, from: bench.bytes("gpt2/expected.json"))
            let size = ranks == nil ? [] : ["--set", "training.micro_batch_size=1"]
            let outcome = try bench.dtrain(Self.training + ["--run", "run"] + size, ranks: ranks)
            expectSuccess(outcome)
            #expect((outcome.output + outcome.errors).contains("GPT-2 of 2 layers, width 24"), "\(outcome)")
            let steps = try bench.files("run").log("step")
            #expect(steps.count == 20 && expected.losses.count == 20)
            for (step, loss) in zip(steps, expected.losses) {
                let found = step.numbers["loss"] ?? .nan
                #expect(abs(found / loss - 1) <= 1e-5, "step \(step.step ?? 0): \(found), transformers has \(loss)")
            }
        }
    }

    @Test("a GPT-2 that is read and written again is the same, bit for bit, and never half there")
    func export() throws {
        try withModel { bench in
            expectSuccess(try bench.dtrain(Self.training + ["--run", "run", "--steps", "0"]))
            let expected = try JSONDecoder().decode(Expected.self, from: bench.bytes("gpt2/expected.json"))
            let loss = try judged(bench.dtrain("eval", "run", "--split", "train", "--json"))
            #expect(abs(loss.loss / expected.loss - 1) <= 1e-6 && loss.samples == 80, "\(loss)")

            let outcome = try bench.dtrain("export", "run", "out", "--format", "gpt2")
            expectSuccess(outcome)
            #expect(
                outcome.output.hasPrefix("out: model.safetensors (16632 parameters of step 0) and config.json"), "\(outcome)")
            #expect(bench.names("out") == ["config.json", "model.safetensors"])
            let comparison = try SafetensorsComparison(
                SafetensorsFile(path: bench.path("gpt2/model.safetensors")),
                SafetensorsFile(path: bench.path("out/model.safetensors")))
            #expect(comparison.isEqual && comparison.tensorCount == 28, "\(comparison)")
            func configuration(_ folder: String) throws -> [String: Any] {
                try #require(JSONSerialization.jsonObject(with: bench.bytes("\(folder)/config.json")) as? [String: Any])
            }
            let (theirs, ours) = (try configuration("gpt2"), try configuration("out"))
            for key in [
                "n_head", "n_layer", "n_embd", "n_positions", "vocab_size", "activation_function", "layer_norm_epsilon",
                "model_type", "tie_word_embeddings"
            ] {
                #expect("\(ours[key] ?? "-")" == "\(theirs[key] ?? "+")", "\(key)")
            }
            // What dtrain wrote it reads.
            expectSuccess(
                try bench.dtrain(Array(Self.training.dropLast()) + ["out", "--run", "again", "--steps", "0"]))
            expectSuccess(try bench.dtrain("verify", "run/checkpoints/step-00000000", "again/checkpoints/step-00000000"))

            let before = bench.snapshot()
            expectRefusal(
                try bench.dtrain("export", "run", "out", "--format", "gpt2"), .cannotCreate,
                ["out: a directory is here already"])
            expectRefusal(
                try bench.dtrain("export", "run", "gpt2/config.json/out", "--format", "gpt2"), .cannotCreate,
                ["gpt2/config.json"])
            expectRefusal(try bench.dtrain("export", "run", "none/out", "--format", "gpt2"), .cannotCreate, ["none"])
            #expect(bench.snapshot() == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder).allSatisfy { !$0.hasPrefix(".dtrain") })
        }
    }

    @Test("a network that isn't GPT-2 is written by no export, and the layer is named that isn't")
    func otherNetwork() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain("--run", "run", "--quiet", "--steps", "0"))
            expectRefusal(
                try bench.dtrain("export", "run", "out", "--format", "gpt2"), .badData,
                ["layer 0 (dense)", "GPT-2 begins with an embedding"])
            expectRefusal(
                try bench.dtrain("export", "run", "out", "--format", "keras"), .usage, ["keras", "gpt2"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder) == ["run"])
        }
    }

    @Test(
        "transformers loads what dtrain writes, and judges a text alike",
        .enabled(if: Self.python != nil, "no python3 that imports torch and transformers (DTRAIN_PYTHON names one)"))
    func loadedByTransformers() throws {
        try withModel { bench in
            let python = try #require(Self.python)
            expectSuccess(try bench.dtrain(Self.training + ["--run", "run"]))
            expectSuccess(try bench.dtrain("export", "run", "out", "--format", "gpt2"))
            let ours = try judged(bench.dtrain("eval", "run", "--split", "train", "--json"))
            let result = try bench.run(
                python, [Self.references + "/load_gpt2.py", "out", "gpt2/text.txt", "16"], timeLimitSeconds: 300)
            try #require(result.status == 0, "\(result)")
            let theirs = try JSONDecoder().decode(Judged.self, from: Data(result.output.utf8))
            #expect(abs(ours.loss / theirs.loss - 1) <= 1e-6 && theirs.heads == 3, "\(ours), \(theirs)")
        }
    }

    @Test(
        "a checkpoint with a tied weight loads by safetensors' load_model, and what its save_model writes by dtrain",
        .enabled(if: Self.python != nil, "no python3 that imports torch and transformers (DTRAIN_PYTHON names one)"))
    func loadedTied() throws {
        try withModel { bench in
            let python = try #require(Self.python)
            let configuration = """
                data: {format: text, train: {path: gpt2/text.txt}, context: 16}
                model: {layers: [embedding: {embedding_dim: 8, name: tokens}, dense: {units: 65, bias: false, tie: tokens}]}
                loss: cross_entropy
                optimizer: {adam: {learning_rate: 0.01}}
                training: {max_steps: 3, global_batch_size: 4}

                """
            try bench.write("tied.yaml", configuration)
            expectSuccess(try bench.dtrain("train", "tied.yaml", "--run", "run"))
            let checkpoint = "run/checkpoints/step-00000003"
            let result = try bench.run(
                python, [Self.references + "/load_gpt2.py", "--tied", checkpoint, "8", "65"], timeLimitSeconds: 300)
            try #require(result.status == 0, "\(result)")
            let sum = try SafetensorsFile(path: bench.path(checkpoint + "/model.safetensors")).floats("tokens.weight")
                .reduce(0) { $0 + Double($1) }
            let judged = try JSONDecoder().decode([String: Double].self, from: Data(result.output.utf8))
            #expect(abs((judged["sum"] ?? .nan) - sum) <= 1e-9)
            let written = try SafetensorsFile(path: bench.path("run/checkpoints/pytorch.safetensors"))
            #expect(written.tensors.count == 1)
            expectSuccess(
                try bench.dtrain(
                    "train", "tied.yaml", "--run", "again", "--steps", "0", "--initialize",
                    "run/checkpoints/pytorch.safetensors"))
            expectSuccess(
                try bench.dtrain(
                    "verify", checkpoint + "/model.safetensors", "again/checkpoints/step-00000000/model.safetensors"))
        }
    }

    /// An interpreter with what `load_gpt2.py` needs. Importing transformers takes many seconds, so that it is only looked for.
    private static let python: String? = {
        let named = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let path = named ?? found else { return nil }
        let probe = """
            import importlib.util, sys
            sys.exit(0 if all(map(importlib.util.find_spec, ("torch", "safetensors", "transformers"))) else 1)
            """
        return (try? ChildProcess(path, ["-c", probe]).run())?.status == 0 ? path : nil
    }()
}
