import Checkpointing
import Datasets
import Diagnostics
import Files
import Foundation
import Network
import Reporting
import Storage
import TensorBoard

/// What rank 0 writes of a run for TensorBoard: scalars of steps and validations, histograms, pictures, texts and hyperparameters.
///
/// It may fail at any time without harm to the run: one warning, and nothing more is written.
final class TensorBoardLog {
    private let experiment: Experiment
    private let section: TensorBoardSection
    private let writer: EventWriter
    private let settings: [String: String]
    private let name: String
    /// Copies of all weights and of the gradient, which jobs read; nil without histograms.
    private let snapshot: Snapshot?
    /// Embeddings, whose files are written with the histograms; nil where there are none.
    private let projector: Projector?
    private var validationTags: [String]?

    /// Since the last step that was written, for samples per second.
    private var samples = 0
    private var since: Double?

    private final class Snapshot: Sendable {
        let weights: AlignedBuffer<Float>, gradient: AlignedBuffer<Float>

        init(_ layout: ParameterLayout) {
            weights = AlignedBuffer(count: layout.weightCount)
            gradient = AlignedBuffer(count: layout.trainedCount)
        }
    }

    /// Begins a file in the run's folder `tensorboard`.
    ///
    /// - Parameter state: what the run begins with, or goes on from: what earlier files say of later steps is void.
    /// - Throws: `Failure`.
    init(_ experiment: Experiment, _ section: TensorBoardSection, in directory: Directory, state: TrainingState) throws {
        self.experiment = experiment
        self.section = section
        settings = state.settings
        name = lastComponent(of: directory.path)
        let now = Self.wallTime
        let file = try EventFile(in: directory, seconds: Int(now))
        let tags = ["loss"] + experiment.metrics.names + ["learning_rate", "gradient_norm", "samples_per_second"]
        // The first step that this start trains: TensorBoard forgets it and all behind it.
        writer = try EventWriter(file, tags: tags.map { "train/" + $0 }, firstStep: state.step + 1, wallTime: now)
        snapshot = section.hasHistograms ? Snapshot(experiment.network.layout) : nil
        projector = section.hasHistograms && section.embeddings ? try? Projector(Self.tables(experiment), in: directory) : nil
        submitSettings(state)
        submitInputs(state)
    }

    /// Seconds since 1970.
    private static var wallTime: Double { Date().timeIntervalSince1970 }

    // MARK: - Beginning

    private func submitSettings(_ state: TrainingState) {
        let now = Self.wallTime
        let (settings, name) = (settings, name)
        let yaml = state.configuration
        let metrics =
            experiment.splits.validation == nil
            ? ["train/loss"] : ["validation/loss"] + experiment.metrics.scalars.map { "validation/" + $0.name }
        writer.submit(step: state.step, wallTime: now) {
            [
                .hyperparameters(.experiment(settings: settings, metrics: metrics, wallTime: now)),
                .hyperparameters(.start(settings: settings, name: name, wallTime: now)),
                // Four spaces: Markdown shows it as it is.
                .text(
                    tag: "configuration",
                    yaml.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }.joined(separator: "\n"))
            ]
        }
    }

    /// What the network is shown: images as training gets them, or the beginning of a text. Samples of other kinds aren't shown.
    private func submitInputs(_ state: TrainingState) {
        let splits = experiment.splits
        let now = Self.wallTime
        do {
            if section.images > 0, splits.train.imageSizes != nil {
                let sampler = experiment.sampler
                let batch = sampler.batch(completedSteps: state.step)
                let order = EpochOrder(sampler, epoch: batch.epoch)
                let shown = order.prefix(section.images)[...]
                let steps = (shown.count + sampler.globalBatchSize - 1) / sampler.globalBatchSize
                let first = batch.epoch * sampler.stepsPerEpoch
                let picture = try splits.train.inEpoch(batch.epoch, seed: sampler.seed).sheet(
                    of: shown, splits.preprocessing.normalization,
                    in: (0..<steps).map { order.drawn(sampler.batch(completedSteps: first + $0)) })
                writer.submit(step: state.step, wallTime: now) { [Self.image("inputs", picture)] }
            }
            if let schema = splits.preprocessing.text {
                let codec = try TextCodec(schema, tokenizer: experiment.configuration.data.tokenizerPath)
                guard codec.knowsText else { return }
                let shown = splits.validation ?? splits.train
                let count = shown.inputShape.count
                let buffer = AlignedBuffer<Float>(count: count)
                shown.gatherInputs([0], into: buffer.matrix(rows: 1, columns: count))
                let text = codec.text(of: buffer.elements.prefix(4096).map { Int32($0) })
                let split = splits.validation == nil ? "train" : "validation"
                writer.submit(step: state.step, wallTime: now) {
                    [
                        .text(
                            tag: split + "/text",
                            text.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
                                .joined(separator: "\n"))
                    ]
                }
            }
        } catch {
            // What can't be shown is no reason to warn: whether the data can be used is told elsewhere.
        }
    }

    private static func image(_ tag: String, _ picture: Picture) -> SummaryValue {
        .image(tag: tag, width: picture.width, height: picture.height, channels: picture.channels, png: picture.png)
    }

    /// More numbers of an embedding would take long to write, and longer to look at.
    private static let mostEmbeddingNumbers = 1 << 21

    /// The embeddings of tokens whose text is known.
    private static func tables(_ experiment: Experiment) throws -> [Projector.Table] {
        try experiment.network.tokenTables.compactMap { slot in
            let (rows, width) = (slot.shape.dimensions[0], slot.shape.dimensions[1])
            let labels = try experiment.splits.preprocessing.tokenNames(
                most: min(rows, mostEmbeddingNumbers / width), tokenizer: experiment.configuration.data.tokenizerPath)
            return labels.map { Projector.Table(name: slot.name, width: width, labels: $0) }
        }
    }

    // MARK: - Steps

    /// Counts a step's samples; the clock of samples per second runs from the first step on.
    func count(samples: Int) { self.samples += samples }

    /// Writes a step's scalars. Takes no memory.
    ///
    /// - Parameters:
    ///   - seconds: the time that training has taken so far, without validations and checkpoints.
    func step(_ record: StepRecord, metrics: UnsafeBufferPointer<Double>, seconds: Double) {
        let rate = since.map { seconds > $0 ? Double(samples) / (seconds - $0) : .nan } ?? .nan
        since = seconds
        samples = 0
        writer.push(step: record.step, wallTime: Self.wallTime) { row in
            row[0] = record.loss
            for index in metrics.indices { row[1 + index] = metrics[index] }
            row[1 + metrics.count] = record.learningRate
            row[2 + metrics.count] = record.gradientNorm ?? .nan
            row[3 + metrics.count] = rate
        }
    }

    /// Writes what a validation came to.
    func validation(_ scalars: [(name: String, value: Double)], step: Int) {
        let values = scalars.map { SummaryValue.scalar(tag: "validation/" + $0.name, $0.value) }
        writer.submit(step: step, wallTime: Self.wallTime) { values }
    }

    /// Copies weights, and has `gather` fill the gradient, for histograms; waits while the last ones are being made.
    ///
    /// - Parameters:
    ///   - gather: fills all of the gradient; false where there is none.
    func histograms(of weights: ParameterView, step: Int, gather: (UnsafeMutableBufferPointer<Float>) throws -> Bool) throws {
        guard let snapshot else { return }
        writer.waitForJobs()
        let layout = experiment.network.layout
        let count = layout.weightCount
        snapshot.weights.matrix(rows: 1, columns: count).copy(from: weights[0..<count])
        let hasGradient = try gather(snapshot.gradient.elements)
        let filters = section.filters ? FilterPicture(layout, images: experiment.splits.train.imageSizes) : nil
        let (projector, tokenTables) = (projector, experiment.network.tokenTables)
        writer.submit(step: step, wallTime: Self.wallTime) {
            var values: [SummaryValue] = []
            for slot in layout.slots {
                let weights = UnsafeBufferPointer(rebasing: snapshot.weights.elements[layout.range(of: slot)])
                values.append(.histogram(tag: "weights/" + slot.name, Histogram(weights)))
                guard hasGradient, slot.region == .trained else { continue }
                let gradient = UnsafeBufferPointer(rebasing: snapshot.gradient.elements[slot.range])
                values.append(.histogram(tag: "gradients/" + slot.name, Histogram(gradient)))
            }
            if let filters {
                let picture = try filters.picture(
                    UnsafeBufferPointer(rebasing: snapshot.weights.elements[layout.range(of: filters.slot)]))
                values.append(Self.image("filters/" + filters.slot.name, picture))
            }
            try projector?.write { table in
                UnsafeBufferPointer(rebasing: snapshot.weights.elements[layout.range(of: tokenTables[table])])
            }
            return values
        }
    }

    // MARK: - The end

    /// Why nothing is written any more; told once.
    func takeFailure() -> Failure? { writer.takeFailure() }

    /// Writes what is left. Returns why something is missing, if that wasn't told before.
    func close(step: Int, _ ending: Hyperparameters.Ending) -> Failure? {
        let now = Self.wallTime
        writer.submit(step: step, wallTime: now) { [.hyperparameters(.end(ending, wallTime: now))] }
        writer.close()
        return writer.takeFailure()
    }
}
