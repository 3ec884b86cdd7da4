import Datasets
import Foundation
import Kernels
import Metrics
import Settings
import Storage
import TestSupport
import Testing
import Training

/// The last layer in slices gives the bits of all rows at once.
@Suite("Slices of outputs")
struct HeadSlicesTests {
    /// A network whose micro-batches are compared with themselves in slices.
    struct Example: CustomTestStringConvertible {
        let testDescription: String
        let overrides: [String]
        /// Outputs per row that is compared with targets, and such rows per sample.
        let outputs: Int, positions: Int
    }

    private static let text = "data={format: text, train: {path: t.txt}, context: 6}"
    private static let table = "data={format: csv, train: {path: t.csv, target: y, weight: w}}"

    static let examples = [
        Example(
            testDescription: "tokens with tied weights, one character ignored",
            overrides: [
                text, "loss={cross_entropy: {ignore_index: 2}}",
                "model={layers: [{embedding: {embedding_dim: 8}}, {dense: {units: 8}}, relu, {dense: {units: 11, tied_to: 0}}]}"
            ], outputs: 11, positions: 6),
        Example(
            testDescription: "a body that isn't trained",
            overrides: [
                text, "model={freeze: ['0.*'], layers: [{embedding: {embedding_dim: 8}}, {dense: {units: 11}}]}"
            ], outputs: 11, positions: 6),
        Example(
            testDescription: "a last layer that isn't trained, and metrics of every class",
            overrides: [
                text, "metrics=[accuracy, f1, confusion_matrix, {top_k: {k: 3}}]",
                "model={freeze: ['2.*'], layers: [{embedding: {embedding_dim: 8}}, layer_norm, {dense: {units: 11}}]}"
            ], outputs: 11, positions: 6),
        Example(
            testDescription: "weights of samples, two classes and their scores",
            overrides: [
                table, "metrics=[accuracy, roc_auc]",
                "model={layers: [{dense: {units: 5}}, tanh, {dense: {units: 2}}]}"
            ], outputs: 2, positions: 1),
        Example(
            testDescription: "numbers, an activation fused with the last layer, and nothing in front of it",
            overrides: [
                "data.target_kind=input", "loss=mean_squared_error",
                "model={layers: [flatten, {dense: {units: 64}}, sigmoid]}"
            ], outputs: 64, positions: 1)
    ]

    /// What a pass over some rows came to.
    private struct Outcome: Equatable {
        var gradients: [UInt32] = []
        var losses: [Double] = []
        var sums: [Double] = []
        var scores: [ScoredLabel] = []
    }

    @Test("of one row, of a few, and of several samples", arguments: examples)
    func slices(example: Example) throws {
        try withExperiment(example) { experiment in
            let leaf = 7
            let whole = try Self.train(experiment, rows: leaf, budget: .max)
            #expect(whole.gradients.contains { $0 != 0 } && whole.losses.contains { $0 != 0 })
            let all = leaf * example.positions
            for rows in [1, 2, 5, 4 * example.positions + 1, all - 1] where rows > 0 && rows < all {
                let budget = rows * example.outputs * 2 * MemoryLayout<Float>.stride
                let slices = try #require(
                    RowMemory(
                        experiment.judgedNetwork, rows: leaf, microBatchSize: leaf, training: true, gathersAhead: false,
                        outputBudget: budget
                    ).slices)
                #expect(slices.rowsAtOnce == rows)
                #expect(try Self.train(experiment, rows: leaf, budget: budget) == whole, "slices of \(rows) rows")
            }
        }
    }

    @Test("of several leaves in evaluation", arguments: examples)
    func evaluation(example: Example) throws {
        try withExperiment(example) { experiment in
            let whole = Self.evaluate(experiment, budget: .max)
            for rows in [1, 3, 2 * example.positions] {
                let budget = rows * example.outputs * MemoryLayout<Float>.stride
                #expect(Self.evaluate(experiment, budget: budget) == whole, "slices of \(rows) rows")
            }
        }
    }

    @Test("there are none where the last layer can't be cut, or all outputs fit")
    func none() throws {
        let example = Example(
            testDescription: "", overrides: ["model={layers: [flatten, {dense: {units: 10}}, layer_norm]}"], outputs: 10,
            positions: 1)
        func slices(_ experiment: Experiment, budget: Int) -> HeadSlices? {
            RowMemory(
                experiment.judgedNetwork, rows: 64, microBatchSize: 8, training: true, gathersAhead: false,
                outputBudget: budget
            ).slices
        }
        try withExperiment(example) { #expect(slices($0, budget: 1) == nil) }
        try withExperiment(Self.examples[0]) {
            let bytes = 8 * 6 * 11 * 2 * MemoryLayout<Float>.stride
            #expect(slices($0, budget: bytes) == nil && slices($0, budget: bytes - 1) != nil)
        }
    }

    /// With slices a rank holds one micro-batch, and its memory is the smaller by the outputs.
    @Test("memory that is foreseen holds a slice of the outputs")
    func memory() throws {
        try withExperiment(Self.examples[0]) { experiment in
            func memory(_ budget: Int) -> RowMemory {
                RowMemory(
                    experiment.judgedNetwork, rows: 512, microBatchSize: 256, training: true, gathersAhead: false,
                    outputBudget: budget)
            }
            let sliced = memory(11 * 8)
            #expect(sliced.rowCapacity == 256 && memory(.max).rowCapacity == 512)
            let outputBytes = 256 * 6 * (11 - 8) * 2 * MemoryLayout<Float>.stride
            #expect(memory(.max).byteCount > 2 * sliced.byteCount - outputBytes)
        }
    }

    private static func train(_ experiment: Experiment, rows: Int, budget: Int) throws -> Outcome {
        let runner = RowRunner(
            experiment.judgedNetwork, workspace: try Workspace(threadCount: 2), rows: rows, microBatchSize: rows,
            training: true, outputBudget: budget)
        let network = experiment.network
        let weights = weights(experiment)
        let gradients = AlignedBuffer<Float>(count: network.layout.gradientCount, repeating: .nan)
        var finished: [Int] = []
        let pass = RowRunner.GradientPass(gradients: gradients.gradients(network.layout), summedRows: rows) {
            finished.append($0)
        }
        let samples = (0..<Int32(rows)).map { $0 * 3 }[...]
        let view = weights.weights(network.layout).readOnly
        let batch = DrawnBatch(samples: samples, firstDraw: 0, step: 0)
        runner.forward(experiment.splits.train, samples, in: batch, weights: view)
        runner.judge(experiment.splits.train, samples, in: batch, weights: view, for: pass)
        runner.backward(rows: rows, weights: view, for: pass)
        #expect(finished == finished.sorted(by: >), "\(finished)")
        var outcome = sums(runner, rows: rows)
        let all = gradients.gradients(network.layout)
        for slot in network.layout.slots where slot.region == .trained {
            outcome.gradients += all[slot.range].elements.map(\.bitPattern)
        }
        for use in network.layout.laterUses {
            outcome.gradients += all[use.gradients(of: use.slot.range, in: network.layout)].elements.map(\.bitPattern)
        }
        return outcome
    }

    private static func evaluate(_ experiment: Experiment, budget: Int) -> Outcome {
        let rows = 20
        let runner = RowRunner(
            experiment.judgedNetwork, workspace: Workspace(), rows: rows, microBatchSize: 8, training: false,
            outputBudget: budget)
        let weights = weights(experiment)
        let view = weights.weights(experiment.network.layout).readOnly
        let samples = (0..<Int32(rows)).map { $0 }[...]
        var scores: [ScoredLabel] = []
        runner.forward(experiment.splits.train, samples, weights: view)
        runner.judge(experiment.splits.train, samples, weights: view) { outputs, targets in
            if runner.metrics.needsScores { runner.metrics.appendScores(outputs: outputs, targets: targets, into: &scores) }
        }
        var outcome = sums(runner, rows: rows)
        outcome.scores = scores
        return outcome
    }

    private static func sums(_ runner: RowRunner, rows: Int) -> Outcome {
        var outcome = Outcome()
        outcome.losses = Array(runner.losses(rows: rows))
        outcome.sums = [Double](repeating: .nan, count: runner.metrics.statisticsCount + 1)
        outcome.sums.withUnsafeMutableBufferPointer { runner.sumStatistics(rows: 0..<rows, into: $0) }
        return outcome
    }

    private static func weights(_ experiment: Experiment) -> AlignedBuffer<Float> {
        let weights = AlignedBuffer<Float>(count: experiment.network.layout.weightCount)
        experiment.network.initialize(weights.weights(experiment.network.layout), seed: 5)
        return weights
    }

    private func withExperiment(_ example: Example, _ body: (Experiment) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let table = "x,w,y\n" + (0..<90).map { "\($0 % 17).5,\($0 % 5),\($0 % 3 == 0 ? "a" : "b")\n" }.joined()
            try Data(table.utf8).write(to: URL(fileURLWithPath: folder + "/t.csv"))
            let text = String(repeating: "the cat sat on a mat, ", count: 30)
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/t.txt"))
            let overrides = example.overrides.map {
                $0.replacingOccurrences(of: "path: t", with: "path: \(folder)/t")
            }
            let document = try SettingsDocument(text: builtInConfiguration, name: "slices.yaml", overrides: overrides)
            try body(try Experiment(try TrainingConfiguration(document, name: "slices")))
        }
    }
}
