import Diagnostics
import Settings
import TestSupport
import Testing
import Training

@Suite("A configuration with its data")
struct ExperimentTests {
    private func experiment(_ overrides: String...) throws -> Experiment {
        let document = try SettingsDocument(text: builtInConfiguration, name: "digits.yaml", overrides: overrides)
        return try Experiment(try TrainingConfiguration(document, name: "digits"))
    }

    private func message(_ overrides: String...) -> String { message(overrides) }

    private func message(_ overrides: [String]) -> String {
        do {
            let document = try SettingsDocument(text: builtInConfiguration, name: "digits.yaml", overrides: overrides)
            _ = try Experiment(try TrainingConfiguration(document, name: "digits"))
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test("the built-in configuration stands in configs/digits.yaml as well")
    func builtInIsAFile() throws {
        let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try SettingsDocument(path: "/\(root)/configs/digits.yaml")
        let fromFile = try Experiment(try TrainingConfiguration(file, name: "digits")).effectiveYAML()
        #expect(try experiment().effectiveYAML() == fromFile)
    }

    @Test("the effective configuration reads back as itself")
    func effectiveConfigurationIsStable() throws {
        let text = try experiment("schedule.cosine.warmup_steps=7", "gradient_clipping.norm=1").effectiveYAML()
        let again = try Experiment(try TrainingConfiguration(try SettingsDocument(text: text, name: "again"), name: "x"))
        #expect(try again.effectiveYAML() == text)
    }

    @Test("steps and epochs bound a run together")
    func totalSteps() throws {
        #expect(try experiment().totalSteps == 25 * 23)
        #expect(try experiment("training.max_steps=7").totalSteps == 7)
        #expect(try experiment("training.epochs=null", "training.max_steps=70000").totalSteps == 70000)
    }

    @Test(
        "a network that doesn't fit the data is refused with both numbers",
        arguments: [
            (
                "model.layers.2.dense.units=9",
                "the last layer has 9 outputs, but the data have 10 classes; cross_entropy needs 10"
            ),
            ("loss=binary_cross_entropy", "no error"),
            ("loss=mean_squared_error", "no error"),
            ("model.layers.2=softmax", "the last layer has 128 outputs")
        ])
    func mismatches(override: String, expected: String) {
        #expect(message(override).contains(expected), "\(message(override))")
    }

    @Test(
        "batch norm with a micro-batch of one sample is refused before the first step",
        arguments: [
            (1, 64, "a step, of 64 samples in micro-batches of 1, has one of 1"),
            (63, 64, "a step, of 64 samples in micro-batches of 63, has one of 1"),
            (9, 1427, "the last step of an epoch, of 11 samples in micro-batches of 9, has one of 2"),
            (5, 1427, "of 11 samples"),
            (16, 64, "no error")
        ])
    func loneSamples(microBatch: Int, globalBatch: Int, expected: String) {
        let text = message(
            "model.layers.1=batch_norm", "training.micro_batch_size=\(microBatch)",
            "training.global_batch_size=\(globalBatch)")
        #expect(microBatch == 9 ? text == "no error" : text.contains(expected), "\(text)")
    }

    @Test(
        "synchronised batch norm takes micro-batches of one sample, but no step of one, and no strategy without a tree",
        arguments: [
            (["training.micro_batch_size=1"], "no error"),
            (["training.global_batch_size=1"], "batch_norm needs 2 samples or more in each step, but a step has 1"),
            (["training.global_batch_size=1437"], "but the last step of an epoch has 1"),
            (["training.global_batch_size=1437", "training.drop_last=true"], "no error"),
            (["training.synchronization=allreduce"], "allreduce knows no tree")
        ])
    func synchronized(overrides: [String], expected: String) {
        let text = message(
            ["model.layers.1={batch_norm: {synchronized: true}}", "training.micro_batch_size=1"] + overrides)
        #expect(text.contains(expected), "\(text)")
    }

    @Test(
        "what is monitored must be measured",
        arguments: [
            ("early_stopping.monitor=validation_acuracy", "did you mean \"validation_accuracy\"?"),
            ("early_stopping.monitor=accuracy", "known: validation_loss, validation_accuracy"),
            ("schedule.reduce_on_plateau.monitor=x", "schedule.reduce_on_plateau.monitor")
        ])
    func monitors(override: String, expected: String) {
        #expect(message(override).contains(expected), "\(message(override))")
    }

    @Test("a micro-batch larger than the global batch is refused")
    func microBatch() {
        #expect(message("training.micro_batch_size=65").contains("expected at most the global batch size of 64, found 65"))
    }
}
