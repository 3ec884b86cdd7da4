import Checkpointing
import Collectives
import Foundation
import Settings
import Storage
import TestSupport
import Testing
import Training

/// Transformers beside PyTorch: the files of `Tests/References/follow` that `follow_transformers.py` there made.
@Suite("Transformers beside PyTorch")
struct FollowedTransformerTests {
    private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("References").path

    /// What the script writes.
    private struct Followed: Decodable {
        let initial: String
        let final: String
        let losses: [Double]
        let gradientNorms: [Double]
    }

    /// What it prints of a checkpoint.
    private struct Loaded: Decodable { let logits: [Double] }

    /// A line of `metrics.jsonl`; keys that only some events have are optional.
    private struct Line: Decodable {
        let event: String
        let loss: Double?
        let gradientNorm: Double?
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    private static func configuration(_ name: String) throws -> TrainingConfiguration {
        let folder = references + "/follow/"
        var text = try String(decoding: Data(contentsOf: URL(fileURLWithPath: folder + name + ".yaml")), as: UTF8.self)
        for file in ["encoder.csv", "gpt.txt"] { text = text.replacingOccurrences(of: file, with: folder + file) }
        return try TrainingConfiguration(SettingsDocument(text: text, name: "\(name).yaml"), name: name)
    }

    /// Trains from PyTorch's start weights, in a run directory of its own.
    ///
    /// - Returns: the folder of the last checkpoint.
    private static func train(_ name: String, in directory: String) throws -> String {
        var run = TrainingRun(name: name) { try configuration(name) }
        run.directory = directory
        run.options.style = .quiet
        run.start = .weights("\(references)/follow/initial-\(name).safetensors")
        let outcome = try run(on: SoloCommunicator())
        #expect(outcome.step == 20)
        return CheckpointStore(runDirectory: outcome.path).path(ofStep: outcome.step)
    }

    @Test(
        "20 steps of an encoder and of a GPT from PyTorch's state dict follow its losses, gradient norms and weights",
        arguments: ["encoder", "gpt"])
    func follow(_ name: String) throws {
        try withTemporaryFolder { folder in
            let table = URL(fileURLWithPath: "\(Self.references)/follow/losses-\(name).json")
            let expected = try Self.decoder.decode(Followed.self, from: Data(contentsOf: table))
            let checkpoint = try Self.train(name, in: folder + "/run")
            let log = try Data(contentsOf: URL(fileURLWithPath: folder + "/run/metrics.jsonl"))
            let steps = try log.split(separator: 10).map { try Self.decoder.decode(Line.self, from: $0) }
                .filter { $0.event == "step" }
            #expect(steps.count == 20 && expected.losses.count == 20 && expected.gradientNorms.count == 20)
            for (index, step) in steps.enumerated() {
                let (loss, norm) = (expected.losses[index], expected.gradientNorms[index])
                #expect(abs((step.loss ?? .nan) / loss - 1) <= 1e-5, "step \(index + 1): \(step), PyTorch has \(loss)")
                #expect(abs((step.gradientNorm ?? .nan) / norm - 1) <= 1e-5, "step \(index + 1): \(step), PyTorch has \(norm)")
            }
            let ours = try SafetensorsFile(path: checkpoint + "/model.safetensors")
            let theirs = try SafetensorsFile(path: "\(Self.references)/follow/\(expected.final)")
            #expect(Set(ours.tensors.map(\.name)) == Set(theirs.tensors.map(\.name)))
            for tensor in ours.tensors {
                #expect(theirs.tensor(named: tensor.name)?.shape == tensor.shape, "\(tensor.name)")
                var differences = try zip(ours.floats(tensor.name), theirs.floats(tensor.name)).map { abs($0 - $1) }
                // Softmax doesn't see what all keys of a query share, so the gradient of their bias is the noise of rounding, of
                // which Adam makes steps of up to the learning rate.
                if tensor.name.hasSuffix("self_attn.in_proj_bias") {
                    let width = differences.count / 3
                    differences.removeSubrange(width..<2 * width)
                }
                #expect(differences.max() ?? .infinity <= 1e-4, "\(tensor.name): \(differences.max() ?? .nan)")
            }
        }
    }

    @Test(
        "a trained encoder and a trained GPT load into PyTorch by load_state_dict, strictly, and answer alike",
        .enabled(if: python != nil, "no python3 that imports torch and safetensors (DTRAIN_PYTHON names one)"),
        arguments: ["encoder", "gpt"])
    func load(_ name: String) throws {
        try withTemporaryFolder { folder in
            let python = try #require(Self.python)
            let checkpoint = try Self.train(name, in: folder + "/run")
            let result = try ChildProcess(
                python, ["\(Self.references)/follow_transformers.py", "--load", name, checkpoint], timeLimitSeconds: 300
            ).run()
            try #require(result.status == 0, "\(result)")
            let theirs = try JSONDecoder().decode(Loaded.self, from: Data(result.output.utf8)).logits

            let experiment = try Experiment(Self.configuration(name))
            let layout = experiment.network.layout
            let weights = AlignedBuffer<Float>(count: layout.weightCount)
            _ = try InitialWeights(path: checkpoint + "/model.safetensors").load(
                into: weights.weights(layout), of: experiment.network, choosing: nil)
            let ours = experiment.logits(Array(weights.elements), samples: 4)
            #expect(ours.count == theirs.count && ours.count == 4 * experiment.network.outputShape.count)
            let off = zip(ours, theirs).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(off <= 1e-5, "logits are \(off) apart")
        }
    }

    /// An interpreter with what the script needs.
    private static let python: String? = {
        let named = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let path = named ?? found else { return nil }
        let probe = try? ChildProcess(path, ["-c", "import torch, safetensors"]).run()
        return probe?.status == 0 ? path : nil
    }()
}
