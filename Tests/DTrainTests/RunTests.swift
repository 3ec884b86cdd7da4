import DTrain
import Foundation
import TestSupport
import Testing

@Suite("The library: runs and models", .serialized)
struct RunTests {
    private static let small: Configuration = [
        "data": ["format": "digits"],
        "model": ["layers": [["dense": ["units": 16]], "relu", ["dense": ["units": 10]]]],
        "metrics": ["accuracy"],
        "training": ["epochs": 3, "global_batch_size": 64, "micro_batch_size": 16]
    ]

    @Test("a run in code has the bits of the same one in YAML, and tells of every step and epoch what its log says")
    func callbacks() throws {
        try withTemporaryFolder { folder in
            var run = Run(Self.small)
            run.directory = folder + "/code"
            nonisolated(unsafe) var steps: [StepReport] = []
            nonisolated(unsafe) var epochs: [EpochReport] = []
            run.onStep = { report in
                steps.append(report)
                return .goOn
            }
            run.onEpoch = { report in
                epochs.append(report)
                return .goOn
            }
            let outcome = try run.train()
            #expect(outcome.step == 69 && !outcome.wasInterrupted && outcome.directory == folder + "/code")
            #expect(
                steps.map(\.step) == Array(1...69) && epochs.map(\.epoch) == [1, 2, 3] && epochs.map(\.step) == [23, 46, 69])
            #expect(steps.prefix(22).allSatisfy { $0.samples == 64 } && steps[22].samples == 1438 - 22 * 64)
            let lines = try String(contentsOfFile: folder + "/code/metrics.jsonl", encoding: .utf8).split(separator: "\n")
                .map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
            let logged = lines.filter { $0["event"] as? String == "step" }
            #expect(!logged.isEmpty)
            for line in logged {
                let report = try #require(steps.first { $0.step == line["step"] as? Int })
                #expect(report.loss == line["loss"] as? Double && report.metrics["accuracy"] == line["accuracy"] as? Double)
                #expect(report.learningRate == line["learning_rate"] as? Double)
                #expect(report.gradientNorm == line["gradient_norm"] as? Double)
            }
            let validations = lines.filter { $0["event"] as? String == "validation" }
            #expect(validations.map { $0["accuracy"] as? Double } == epochs.map { $0.validation["accuracy"] })
            // Means over the epoch's steps, weighted by their samples.
            let sum = steps.prefix(23).reduce(0) { $0 + $1.loss * Double($1.samples) }
            #expect(abs((epochs[0].training["loss"] ?? 0) - sum / 1438) < 1e-12)

            let yaml = """
                data: {format: digits}
                model: {layers: [dense: {units: 16}, relu, dense: {units: 10}]}
                metrics: [accuracy]
                training: {epochs: 2, global_batch_size: 64, micro_batch_size: 16}
                """
            var same = Run(Configuration(yaml: yaml).setting("training.epochs", to: 3))
            same.directory = folder + "/yaml"
            #expect(try Model(try same.train().directory).digest == (try Model(outcome.directory).digest))
        }
    }

    @Test("a callback stops a run behind the next step, and it goes on from there to the same bits")
    func stopping() throws {
        try withTemporaryFolder { folder in
            var run = Run(Self.small)
            run.directory = folder + "/whole"
            let whole = try run.train()
            run.directory = folder + "/stopped"
            run.onStep = { $0.step == 30 ? .stop : .goOn }
            let stopped = try run.train()
            #expect(stopped.wasInterrupted && stopped.step == 31)
            run.onStep = nil
            run.start = .resume(nil)
            let ended = try run.train()
            #expect(!ended.wasInterrupted && ended.step == 69)
            #expect(try Model(ended.directory).digest == (try Model(whole.directory).digest))
            run.directory = folder + "/short"
            run.start = .weights(whole.directory + "/checkpoints/step-00000069/model.safetensors")
            run.stopAfterStep = 2
            #expect(try run.train().step == 2)
        }
    }

    @Test("a model predicts arrays as it predicts the same numbers in a file, and refuses others")
    func predictions() throws {
        try withTemporaryFolder { folder in
            var run = Run(Self.small.setting("training.epochs", to: 8))
            run.directory = folder + "/run"
            let model = try Model(try run.train().directory)
            #expect(model.inputShape == [64] && model.step == 184 && model.classNames == nil)
            let samples = (0..<40).map { sample in (0..<64).map { Float(($0 * 7 + sample * 13) % 17) } }
            let text = samples.map { $0.map { "\(Int($0))" }.joined(separator: ",") }.joined(separator: "\n") + "\n"
            try text.write(toFile: folder + "/new.csv", atomically: true, encoding: .utf8)
            let fromArrays = try model.predict(samples)
            let fromFile = try model.predict(file: folder + "/new.csv")
            #expect(fromArrays.count == 40 && Set(fromArrays.map(\.label)).count > 3)
            #expect(zip(fromArrays, fromFile).allSatisfy { $0.label == $1.label && $0.values == $1.values })
            #expect(try model.predict(samples[3]).values == fromArrays[3].values)
            #expect(try model.predict([[Float]]()).isEmpty)
            let values = try model.evaluate()
            #expect((values["accuracy"] ?? 0) > 0.8 && values["loss"]?.isFinite == true)
            #expect(throws: Failure.self) { try model.predict([[1, 2]]) }
            let message = refusal { _ = try model.predict([samples[0], Array(samples[1].dropLast())]) }
            #expect(message == "65 sample 1: 63 numbers; expected 64, which a sample of shape [64] has")
            #expect(
                refusal { _ = try model.predict([Float](repeating: .nan, count: 64)) }
                    == "65 the samples: sample 0, number 0: expected a finite number, found nan")
        }
    }

    @Test("what is wrong is one error with the message and the status that the command line has")
    func errors() throws {
        #expect(refusal { _ = try Run(Configuration(file: "/nowhere.yaml")).train() }.hasPrefix("66 /nowhere.yaml: "))
        #expect(
            refusal { _ = try Run(["model": ["layers": ["dance"]]]).train() }
                .contains(
                    "the configuration in code:1: model.layers[0].dance: unknown layer \"dance\" (did you mean \"dense\"?)"))
        #expect(
            refusal { _ = try Run(Self.small.setting("training.epoch", to: 3)).train() }.hasPrefix(
                "78 --set training.epoch=3: "))
        #expect(refusal { _ = try Model("/nowhere") }.hasPrefix("66 "))
    }

    @Test("texts reach the configuration as they are, whatever stands in them")
    func quoting() throws {
        let odd = "a\"b\\c\n\u{7}: #{}\u{2028}é😀"
        let message = refusal {
            _ = try Run(["data": ["format": "csv", "train": ["path": .text("/nowhere/" + odd), "target": "x"]]]).train()
        }
        #expect(message.hasPrefix("66 /nowhere/a\"b\\c"), "\(message)")
        #expect(message.contains("é😀"), "\(message)")
    }
}

/// The status and the message of what `body` throws; empty where it doesn't.
func refusal(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch let failure as Failure {
        return "\(failure.exitStatus) \(failure.message)"
    } catch {
        return "\(error)"
    }
}
