import Checkpointing
import Foundation
import TestSupport
import Testing

/// dtrain beside PyTorch: the numbers of `Tests/References/follow`, which `follow.py` there made.
@Suite("Beside PyTorch")
struct PyTorchTests {
    private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("References").path

    /// What `follow.py` writes.
    private struct Followed: Decodable {
        let initial: String
        let final: String
        let losses: [Double]
        let gradientNorms: [Double]
        let validationLoss: Double
        let validationAccuracy: Double
    }

    /// What `load_checkpoint.py` prints.
    private struct Judged: Decodable {
        let validationLoss: Double
        let validationAccuracy: Double
    }

    @Test(
        "from PyTorch's initial weights 50 steps follow PyTorch's losses, gradient norms and weights",
        arguments: [("adam.yaml", "losses.json"), ("sgd.yaml", "losses-sgd.json")])
    func follow(_ configuration: String, table: String) throws {
        try withWorkbench { bench in
            let folder = Self.references + "/follow/"
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let expected = try decoder.decode(Followed.self, from: bench.bytes(folder + table))
            let outcome = try bench.dtrain(
                "train", folder + configuration, "--run", "run", "--initialize",
                folder + expected.initial)
            expectSuccess(outcome)
            let steps = try bench.files("run").log("step")
            #expect(steps.count == 50 && expected.losses.count == 50)
            for (step, (loss, norm)) in zip(steps, zip(expected.losses, expected.gradientNorms)) {
                expectClose(step.numbers["loss"], loss, "loss of step \(step.step ?? 0)")
                expectClose(step.numbers["gradient_norm"], norm, "gradient norm of step \(step.step ?? 0)")
            }
            let end = try #require(bench.files("run").log("end").first)
            expectClose(end.numbers["validation_loss"], expected.validationLoss, "validation loss")
            expectClose(end.numbers["validation_accuracy"], expected.validationAccuracy, "validation accuracy")

            let ours = try SafetensorsFile(path: bench.path("run/checkpoints/step-00000050/model.safetensors"))
            let theirs = try SafetensorsFile(path: folder + expected.final)
            #expect(Set(ours.tensors.map(\.name)) == Set(theirs.tensors.map(\.name)))
            for tensor in ours.tensors {
                #expect(theirs.tensor(named: tensor.name)?.shape == tensor.shape, "\(tensor.name)")
                let differences = try zip(ours.floats(tensor.name), theirs.floats(tensor.name)).map { abs($0 - $1) }
                #expect(differences.max() ?? .infinity <= 1e-4, "\(tensor.name)")
            }
        }
    }

    /// What `follow.py` writes of a network on images or sequences.
    private struct FollowedShaped: Decodable {
        let initial: String
        let final: String
        let losses: [Double]
        let validationLoss: Double
        let validationAccuracy: Double
    }

    @Test(
        "from PyTorch's state dict 30 steps of networks on images and sequences follow PyTorch's losses, and so do running averages",
        arguments: ["cnn", "resnet", "lstm", "gru"])
    func followShaped(_ name: String) throws {
        try withWorkbench { bench in
            let folder = Self.references + "/follow/"
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let expected = try decoder.decode(
                FollowedShaped.self, from: bench.bytes(folder + "losses-\(name).json"))
            let outcome = try bench.dtrain(
                "train", folder + name + ".yaml", "--run", "run", "--initialize", folder + expected.initial)
            expectSuccess(outcome)
            let steps = try bench.files("run").log("step")
            #expect(steps.count == 30 && expected.losses.count == 30)
            for (step, loss) in zip(steps, expected.losses) {
                expectClose(step.numbers["loss"], loss, "loss of step \(step.step ?? 0)")
            }
            let end = try #require(bench.files("run").log("end").first)
            expectClose(end.numbers["validation_loss"], expected.validationLoss, "validation loss")
            expectClose(end.numbers["validation_accuracy"], expected.validationAccuracy, "validation accuracy")

            let ours = try SafetensorsFile(path: bench.path("run/checkpoints/step-00000030/model.safetensors"))
            let theirs = try SafetensorsFile(path: folder + expected.final)
            #expect(Set(ours.tensors.map(\.name)) == Set(theirs.tensors.map(\.name)))
            for tensor in ours.tensors {
                #expect(theirs.tensor(named: tensor.name)?.shape == tensor.shape, "\(tensor.name)")
                // Counts are whole numbers in PyTorch's file, and begin at 7.
                let isCount = tensor.name.hasSuffix(".num_batches_tracked")
                let numbers = try isCount ? [37] : theirs.floats(tensor.name)
                let differences = try zip(ours.floats(tensor.name), numbers).map { abs($0 - $1) }
                #expect(differences.max() ?? .infinity <= 1e-4, "\(tensor.name)")
            }
            guard let python = Self.python else { return }
            let result = try bench.run(
                python,
                [
                    Self.references + "/load_checkpoint.py", "run/checkpoints/step-00000030", "--network",
                    "small-\(name)"
                ])
            try #require(result.status == 0, "\(result)")
            let judged = try decoder.decode(Judged.self, from: Data(result.output.utf8))
            expectClose(end.numbers["validation_loss"], judged.validationLoss, "PyTorch's validation loss")
            expectClose(end.numbers["validation_accuracy"], judged.validationAccuracy, "PyTorch's accuracy")
        }
    }

    @Test(
        "batch norm that is synchronised over micro-batches and ranks follows PyTorch's over the whole batch",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func synchronizedBatchNorm() throws {
        try withWorkbench { bench in
            let folder = Self.references + "/follow/"
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let expected = try decoder.decode(FollowedShaped.self, from: bench.bytes(folder + "losses-resnet.json"))
            let plain = String(decoding: bench.bytes(folder + "resnet.yaml"), as: UTF8.self)
            let text = plain.replacingOccurrences(of: "\"batch_norm\"", with: "{batch_norm: {synchronized: true}}")
                .replacingOccurrences(of: "micro_batch_size: 64", with: "micro_batch_size: 5")
            #expect(text.contains("synchronized") && text.contains("micro_batch_size: 5"))
            try bench.write("resnet.yaml", text)
            expectSuccess(
                try bench.dtrain("train", "resnet.yaml", "--run", "run", "--initialize", folder + expected.initial, ranks: 3))
            let steps = try bench.files("run").log("step")
            #expect(steps.count == 30)
            for (step, loss) in zip(steps, expected.losses) {
                expectClose(step.numbers["loss"], loss, "loss of step \(step.step ?? 0)")
            }
            let end = try #require(bench.files("run").log("end").first)
            expectClose(end.numbers["validation_loss"], expected.validationLoss, "validation loss")
            expectClose(end.numbers["validation_accuracy"], expected.validationAccuracy, "validation accuracy")
        }
    }

    private func expectClose(
        _ value: Double?, _ expected: Double, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let difference = abs((value ?? .nan) - expected) / abs(expected)
        #expect(
            difference <= 1e-4, "\(what): \(value ?? .nan), PyTorch has \(expected)",
            sourceLocation: sourceLocation)
    }

    @Test(
        "a checkpoint loads into torch.nn.Sequential and judges the digits alike",
        .enabled(
            if: Self.python != nil,
            "no python3 that imports torch, safetensors and sklearn (DTRAIN_PYTHON names one)"))
    func loadCheckpoint() throws {
        try withWorkbench { bench in
            let python = try #require(Self.python)
            expectSuccess(try bench.dtrain("--run", "run", "--quiet", "--set", "training.epochs=3"))
            let units = bench.text("run/config.yaml").split(separator: "\n").compactMap { line in
                line.contains("units: ") ? line.split(separator: " ").last.map(String.init) : nil
            }
            let result = try bench.run(
                python,
                [
                    Self.references + "/load_checkpoint.py",
                    "run/checkpoints/\(bench.files("run").last)", "--units",
                    (["64"] + units).joined(separator: ",")
                ])
            try #require(result.status == 0, "\(result)")
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let judged = try decoder.decode(Judged.self, from: Data(result.output.utf8))
            let end = try #require(bench.files("run").log("end").first)
            expectClose(end.numbers["validation_loss"], judged.validationLoss, "validation loss")
            expectClose(end.numbers["validation_accuracy"], judged.validationAccuracy, "validation accuracy")
        }
    }

    /// An interpreter with what `load_checkpoint.py` needs.
    private static let python: String? = {
        let named = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let path = named ?? found else { return nil }
        let probe = try? ChildProcess(path, ["-c", "import torch, safetensors, sklearn.datasets"]).run()
        return probe?.status == 0 ? path : nil
    }()
}
