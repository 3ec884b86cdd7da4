import Foundation
import TestSupport
import Testing

/// Targets that are the inputs, and noise on what training sees of them.
@Suite("Denoising")
struct DenoisingTests {
    /// A rate so small that no weight ever changes: losses differ by their inputs alone.
    private static func configuration(_ data: String, units: Int = 64, loss: String = "mean_squared_error") -> String {
        """
        data: {format: digits\(data)}
        model: {layers: [dense: {units: \(units)}]}
        loss: \(loss)
        optimizer: {sgd: {learning_rate: 1.0e-30}}
        training: {epochs: 2, global_batch_size: 200, micro_batch_size: 50, shuffle: false, log_every: 1}

        """
    }

    private static let noise = ", target_kind: input, augmentation: [gaussian_noise: {std: 0.3}]"

    private func losses(_ bench: Workbench, _ run: String, _ event: String = "step") throws -> [Double] {
        try bench.files(run).log(event).compactMap { $0.numbers["loss"] }
    }

    @Test("noise is another one in each epoch, the same after a resume, and none in validation")
    func keyedByDraw() throws {
        try withWorkbench { bench in
            try bench.write("noisy.yaml", Self.configuration(Self.noise))
            try bench.write("clean.yaml", Self.configuration(", target_kind: input"))
            for name in ["noisy", "clean"] { expectSuccess(try bench.dtrain("train", "\(name).yaml", "--run", name)) }
            let noisy = try losses(bench, "noisy")
            let clean = try losses(bench, "clean")
            try #require(noisy.count == 16 && clean.count == 16)
            // The same samples in the same order: without noise the second epoch is the first once more.
            #expect(clean[..<8] == clean[8...])
            #expect(zip(noisy[..<8], noisy[8...]).allSatisfy { $0 != $1 })
            #expect(Set(try losses(bench, "noisy", "validation") + losses(bench, "clean", "validation")).count == 1)
            for stop in [3, 8, 11] {
                let run = "stop\(stop)"
                expectSuccess(try bench.dtrain("train", "noisy.yaml", "--run", run, "--steps", "\(stop)"))
                expectSuccess(try bench.dtrain("train", "noisy.yaml", "--run", run, "--resume"))
                expectSameResult(bench.files(run), bench.files("noisy"), "stopped after \(stop)")
            }
            let other = ["--set", "data.augmentation=[gaussian_noise: {std: 0.2}]"]
            expectRefusal(
                try bench.dtrain(["train", "noisy.yaml", "--run", "noisy", "--resume"] + other), .badConfiguration,
                ["data.augmentation[0].gaussian_noise.std: 0.3 → 0.2"])
            expectSuccess(
                try bench.dtrain(
                    "train", "noisy.yaml", "--run", "from", "--initialize",
                    "stop3/checkpoints/\(bench.files("stop3").last)/model.safetensors"))
            #expect(bench.files("from").digest == bench.files("noisy").digest)
            expectSuccess(try bench.dtrain("gradcheck", "noisy.yaml"))
            let inspected = try bench.dtrain("inspect", "noisy.yaml")
            #expect(inspected.output.contains("inputs [64], the input itself"), "\(inspected)")
            #expect(inspected.output.contains("gaussian_noise: {std: 0.3}"), "\(inspected)")
        }
    }

    @Test("the ready configuration halves the noise's deviation and more")
    func readyConfiguration() throws {
        try withWorkbench { bench in
            let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let file = tests.deletingLastPathComponent().appending(path: "configs/digits-denoising.yaml")
            try bench.write("c.yaml", try String(contentsOf: file, encoding: .utf8))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let last = try #require(try losses(bench, "run").last)
            let held = try #require(try losses(bench, "run", "validation").last)
            // The noise's own error is its variance.
            #expect(last < 0.09 / 4 && held < 0.09 / 4, "\(last), \(held)")
            try bench.write("new.csv", (0..<64).map { "\($0 % 17)" }.joined(separator: ",") + "\n")
            let predicted = try bench.dtrain("predict", "run", "new.csv")
            expectSuccess(predicted)
            #expect(predicted.outputLines.first == Substring((0..<64).map { "prediction_\($0)" }.joined(separator: ",")))
            #expect(predicted.outputLines.count == 2)
        }
    }

    @Test(
        "what doesn't fit is refused with what to change",
        arguments: [
            (", target_kind: input", 64, "cross_entropy", 78, "cross_entropy needs classes, but data.target_kind: input"),
            (
                ", target_kind: input", 10, "mean_squared_error", 78,
                "has 10 outputs, but the data have 64 inputs to give back; "
                    + "mean_squared_error needs 64: set units: 64"
            ),
            (
                ", target_kind: input, standardize: true", 64, "binary_cross_entropy", 65,
                " of sample 0, which is its target as well"
            ),
            (", target_kind: input, augmentation: [noise]", 64, "huber", 78, "unknown augmentation \"noise\"")
        ] as [(String, Int, String, Int32, String)])
    func misfits(data: String, units: Int, loss: String, code: Int32, message: String) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration(data, units: units, loss: loss))
            let outcome = try bench.dtrain("inspect", "c.yaml")
            #expect(outcome.status == code && outcome.messages.count == 1 && outcome.errors.contains(message), "\(outcome)")
        }
    }
}
