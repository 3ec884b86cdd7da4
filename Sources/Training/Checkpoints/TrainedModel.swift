import Checkpointing
import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Metrics
import Network
import Settings
import Storage

/// A network with the weights of a checkpoint, and the preprocessing that belongs to it: for `eval` and `predict`.
package final class TrainedModel {
    package let checkpoint: LoadedCheckpoint
    package let state: TrainingState
    package let configuration: TrainingConfiguration
    package let network: Network
    let targets: TargetForm
    let metrics: MetricSet
    /// Whether the weights are the average that training kept.
    package let usesAverage: Bool
    private let weights: AlignedBuffer<Float>
    /// The weights of the checkpoint.
    var parameters: ParameterView { weights.weights(network.layout).readOnly }
    /// Where a parameter lies.
    func memory(of slot: ParameterSlot) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: weights.elements[network.layout.range(of: slot)])
    }
    /// The same as one row, padding included.
    var allWeights: UnsafeBufferPointer<Float> { UnsafeBufferPointer(weights.elements) }
    let workspace = Workspace()
    /// What the tokens of texts that `predict` foresees stand for; nil for other samples.
    private var codec: TextCodec?

    /// Opens a checkpoint, or the newest valid one of a run directory, and rebuilds its network. `overrides` change the
    /// configuration that it keeps (other data paths, say).
    /// `catalogue` is what that configuration can name.
    ///
    /// - Parameter usesAverage: whether the weights are the average that training kept (`training.ema`).
    package init(
        path: String, overrides: [String], usesAverage: Bool = false, catalogue: Catalogue = .standard
    ) throws {
        Processor.flushDenormals()
        self.usesAverage = usesAverage
        checkpoint = try LoadedCheckpoint.open(checkpointOrRun: path).checkpoint
        var state = try TrainingState.decode(checkpoint)
        let parts: Parts
        do {
            parts = try Parts(state, path: checkpoint.path, overrides: overrides, catalogue: catalogue)
        } catch let failure as Failure where overrides.isEmpty && failure.code == .badConfiguration {
            // Nobody but the checkpoint has said so.
            throw Failure(.badData, failure.message)
        }
        configuration = parts.configuration
        state.preprocessing = state.preprocessing.with(tokenizer: configuration.data.tokenizerPath)
        self.state = state
        network = parts.network
        targets = parts.targets
        metrics = parts.metrics
        let contents = CheckpointContents(layout: network.layout, parts: [])
        guard let file = usesAverage ? checkpoint.average : checkpoint.model else {
            throw Failure(
                .usage,
                "--ema: \(checkpoint.path) holds no average of its weights, since training.ema wasn't set when it was written; "
                    + "leave it out, or train with training.ema")
        }
        // A network that isn't the checkpoint's is refused before memory is taken for it.
        try contents.checkModel(file)
        weights = AlignedBuffer(count: network.layout.weightCount)
        try contents.loadModel(file, into: weights.weights(network.layout))
    }

    /// What a checkpoint's configuration and preprocessing make together.
    private struct Parts {
        let configuration: TrainingConfiguration
        let network: Network
        let targets: TargetForm
        let metrics: MetricSet

        init(_ state: TrainingState, path: String, overrides: [String], catalogue: Catalogue) throws {
            let document = try SettingsDocument(text: state.configuration, name: "\(path)/state.json", overrides: overrides)
            configuration = try TrainingConfiguration(document, name: "", catalogue: catalogue)
            network = try Network(
                configuration.model, inputShape: state.preprocessing.inputShape,
                tokenKinds: state.preprocessing.tokenKinds, hasLengths: state.preprocessing.hasLengths,
                carriesState: configuration.training.stateful, loss: configuration.loss, seed: configuration.training.seed,
                choices: catalogue.layers)
            targets = try TargetForm(
                kind: state.preprocessing.targetKind, loss: configuration.loss,
                outputs: network.outputShape, settings: configuration.model)
            try targets.check(configuration.loss, outputs: network.outputShape.count, settings: configuration.root)
            metrics = try MetricSet(
                configuration.metrics, task: targets.task,
                likelihoods: targets.likelihoods(configuration, state.preprocessing), choices: catalogue.metrics)
            // Whatever is asked of the model, all that training reads of its configuration has been read by now.
            try configuration.root.finish()
        }
    }

    /// The checkpoint's weights.
    var currentWeights: ParameterView { weights.weights(network.layout).readOnly }

    /// Its network for so many steps of sequences of `context` steps, which is run on the next ones of them; the same weights are its.
    func network(steps: Int, context: Int) throws -> Network {
        let preprocessing = state.preprocessing
        return try Network(
            configuration.model, inputShape: Shape([steps] + preprocessing.inputShape.dimensions.dropFirst()),
            tokenKinds: preprocessing.tokenKinds, context: context, loss: configuration.loss,
            seed: configuration.training.seed, choices: configuration.catalogue.layers)
    }

    /// Which samples `eval` looks at.
    package enum Split: Sendable {
        case validation, train
        /// A file of inputs and, where it isn't a table, a file of targets.
        case file(String, targets: String?)

        fileprivate var isTrain: Bool { if case .train = self { true } else { false } }
    }

    /// Loss and metrics of a split. `note` is told what was decided from what the data look like.
    package func evaluate(_ split: Split, note: (String) -> Void = { _ in }) throws -> (
        sampleCount: Int, loss: Double, metrics: [MetricValue]
    ) {
        try evaluate(try judged(split, note: note))
    }

    /// The samples of a split with their targets, which fit the loss.
    func judged(_ split: Split, note: (String) -> Void) throws -> Dataset {
        let dataset: Dataset
        switch split {
        case .file(let path, let targets):
            dataset = try state.preprocessing.samples(
                from: path, targets: targets,
                options: configuration.data.tableOptions, formats: configuration.catalogue.dataFormats, note: note)
        case .train, .validation:
            let splits = try configuration.data.load(with: state.preprocessing)
            splits.notes.forEach(note)
            guard let chosen = split.isTrain ? splits.train.withFixedWindows : splits.validation else {
                throw Failure(.usage, "the run has no validation split; use --split train, or --data FILE")
            }
            dataset = chosen
        }
        try targets.check(dataset, loss: configuration.loss)
        return dataset
    }

    /// Loss and metrics of samples that `judged` has given.
    func evaluate(_ dataset: Dataset) throws -> (sampleCount: Int, loss: Double, metrics: [MetricValue]) {
        let judged = JudgedNetwork(
            network: network, loss: configuration.loss, metrics: metrics, targets: targets,
            hasWeights: dataset.hasWeights, hasLengths: dataset.hasLengths)
        let evaluator = Evaluator(
            judged, dataset: dataset, microBatchSize: configuration.training.microBatchSize,
            workspace: workspace, communicator: SoloCommunicator())
        let result = try evaluator.evaluate(weights: weights.weights(network.layout).readOnly)
        return (result.sampleCount, result.loss, result.metrics)
    }

    /// One row of predictions.
    package struct Prediction: Sendable {
        /// The most probable class, or the answer; nil for regression.
        package let label: String?
        /// Probabilities, or the predicted numbers.
        package let values: [Float]
        /// What stands in front of them: series and time of a forecast.
        package var leading: [String] = []
    }

    /// The names of the columns that `predict` writes.
    package var columnNames: [String] {
        if state.preprocessing.text != nil { return ["prediction"] }
        let outputs = network.outputShape.count
        if let series = state.preprocessing.series { return series.forecastColumns }
        if givesBackInputs { return (0..<outputs).map { "prediction_\($0)" } }
        switch configuration.loss.outputTransform {
        case .softmax: return ["prediction"] + (0..<outputs).map { "probability_\(className($0))" }
        case .sigmoid:
            return outputs == 1
                ? ["prediction", "probability_\(className(1))"]
                : ["prediction"] + (0..<outputs).map { "probability_\(className($0))" }
        case .none: return outputs == 1 ? ["prediction"] : (0..<outputs).map { "prediction_\($0)" }
        }
    }

    /// Predictions for every sample of a file, in order, handed to `body` one by one. `note` is told what was decided from
    /// what the file looks like.
    package func predict(
        _ path: String, note: (String) -> Void = { _ in },
        _ body: (Prediction) throws -> Void
    ) throws {
        let dataset = try state.preprocessing.inputs(
            from: path, options: configuration.data.tableOptions, formats: configuration.catalogue.dataFormats, note: note)
        codec = try state.preprocessing.text.map { try TextCodec($0, tokenizer: configuration.data.tokenizerPath) }
        try forEachOutput(of: dataset) { sample, values in
            if let forecast = dataset.forecast(of: sample, state.preprocessing) {
                try forEachStep(of: forecast, values, body)
            } else {
                try body(prediction(Array(values)))
            }
        }
    }

    /// Calls `body` with every sample and its outputs, behind softmax or sigmoid, in order.
    func forEachOutput(
        of dataset: Dataset, _ body: (Int32, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        let samples = (0..<Int32(dataset.count)).map { $0 }
        let bytes = Activations.bytesPerSample(of: network.layers, leafRows: 1, training: false)
        let rowsAtOnce = max(1, min(512, RowMemory.activationBudget / max(1, bytes)))
        let activations = Activations(network.layers, rows: rowsAtOnce, leafRows: rowsAtOnce, training: false)
        let inputs = AlignedBuffer<Float>(count: rowsAtOnce * network.inputShape.count)
        let outputs = AlignedBuffer<Float>(count: rowsAtOnce * network.outputShape.count)
        let lengths = dataset.hasLengths ? LengthStage(rows: rowsAtOnce) : nil
        for first in stride(from: 0, to: samples.count, by: rowsAtOnce) {
            let chunk = samples[first..<min(first + rowsAtOnce, samples.count)]
            let input = inputs.matrix(rows: chunk.count, columns: network.inputShape.count)
            let output = outputs.matrix(rows: chunk.count, columns: network.outputShape.count)
            dataset.gatherInputs(chunk, into: input)
            try dataset.checkGathered()
            lengths?.gather(dataset, chunk)
            network.layers.forward(
                input.readOnly, into: output, using: activations,
                in: ForwardPass(
                    weights: weights.weights(network.layout).readOnly, workspace: workspace,
                    purpose: .evaluation, leafRows: rowsAtOnce, lengths: lengths?.current))
            transform(output)
            for row in 0..<chunk.count {
                try body(chunk[chunk.startIndex + row], output.row(row))
            }
        }
    }

    private func transform(_ output: MutableMatrixView) {
        let output = output.reshaped(rows: output.rows * targets.positions, columns: output.columns / targets.positions)
        switch configuration.loss.outputTransform {
        case .softmax: workspace.softmax(output.readOnly, into: output)
        case .sigmoid: workspace.activate(.sigmoid, output.readOnly, into: output)
        case .none: break
        }
    }

    /// The predictions for a series, a step each, in the unit of its file.
    private func forEachStep(
        of forecast: Dataset.Forecast, _ values: UnsafeMutableBufferPointer<Float>, _ body: (Prediction) throws -> Void
    ) rethrows {
        guard let series = state.preprocessing.series else { return }
        let width = series.targetNames.count
        for (step, time) in forecast.times.enumerated() {
            try body(
                Prediction(
                    label: nil, values: (0..<width).map { Float(series.undone(values[step * width + $0], target: $0)) },
                    leading: (forecast.key.map { [$0] } ?? []) + [time]))
        }
    }

    /// Whether outputs are the inputs once more, whatever the loss makes of them: numbers, not answers.
    private var givesBackInputs: Bool { state.preprocessing.targetKind.areInputs }

    func prediction(_ values: [Float]) -> Prediction {
        if let codec {
            // The most probable token behind each position.
            let width = values.count / targets.positions
            let tokens = stride(from: 0, to: values.count, by: width).map { Int32(Self.best(values[$0..<$0 + width])) }
            return Prediction(label: codec.text(of: tokens), values: [])
        }
        if givesBackInputs { return Prediction(label: nil, values: values) }
        switch configuration.loss.outputTransform {
        case .softmax:
            return Prediction(label: className(Self.best(values[...])), values: values)
        case .sigmoid:
            let answers = values.enumerated().map { index, value in
                values.count == 1 ? className(value > 0.5 ? 1 : 0) : value > 0.5 ? className(index) : nil
            }
            return Prediction(label: answers.compactMap { $0 }.joined(separator: " "), values: values)
        case .none: return Prediction(label: nil, values: values)
        }
    }

    /// The place of the largest value, counted from the first.
    private static func best(_ values: ArraySlice<Float>) -> Int {
        values.indices.reduce(values.startIndex) { values[$1] > values[$0] ? $1 : $0 } - values.startIndex
    }

    func className(_ index: Int) -> String { state.preprocessing.className(index) }
}

extension Preprocessing {
    /// What a class is called; its number where it has no name.
    func className(_ index: Int) -> String {
        guard let classNames, classNames.indices.contains(index) else { return String(index) }
        return classNames[index]
    }
}
