import Datasets
import Diagnostics
import Foundation
import Kernels
import Metrics
import Network
import Settings
import Storage

/// A configuration brought together with its data: everything that says what is computed, and nothing about who does.
package struct Experiment {
    package let configuration: TrainingConfiguration
    package let splits: DataSplits
    package let network: Network
    package let metrics: MetricSet
    package let targets: TargetForm
    let loading: LoadingMemory

    /// Loads the data, builds the network for it and checks that data, last layer and loss fit. Every key must have been
    /// read by then. `stored` is the preprocessing of a checkpoint, where there is one.
    package init(_ configuration: TrainingConfiguration, stored: Preprocessing? = nil) throws {
        self.configuration = configuration
        let before = ProcessMemory.current
        splits = try configuration.data.load(with: stored)
        loading = LoadingMemory(before: before, after: ProcessMemory.current, splits: splits)
        network = try Network(configuration.model, inputShape: splits.train.inputShape, loss: configuration.loss,
                              seed: configuration.training.seed)
        targets = try TargetForm(kind: splits.train.targetKind, loss: configuration.loss, outputs: network.outputShape,
                                 settings: configuration.model)
        metrics = try MetricSet(configuration.metrics, task: targets.task)
        try configuration.root.finish()
        for dataset in [splits.train, splits.validation] {
            if let dataset { try targets.check(dataset, loss: configuration.loss) }
        }
        try checkMonitors()
    }

    /// The effective configuration as YAML.
    package func effectiveYAML() throws -> String { try configuration.root.effectiveYAML() }

    /// How the training samples are cut into steps.
    package var sampler: Sampler {
        let training = configuration.training
        return Sampler(sampleCount: splits.train.count, globalBatchSize: training.globalBatchSize,
                       microBatchSize: training.microBatchSize, seed: training.seed, shuffles: training.shuffle)
    }

    /// The global step after which the run ends.
    package var totalSteps: Int {
        let training = configuration.training
        let byEpochs = training.epochs.map { $0.multipliedReportingOverflow(by: sampler.stepsPerEpoch) }
            .map { $0.overflow ? Int.max : $0.partialValue }
        return min(byEpochs ?? Int.max, training.maxSteps ?? Int.max)
    }

    /// Whether a larger value of what is monitored is the better one; nil if nothing of that name is measured.
    package func higherIsBetter(_ monitor: String) -> Bool? {
        guard monitor.hasPrefix("validation_"), splits.validation != nil else { return nil }
        let name = monitor.dropFirst("validation_".count)
        return name == "loss" ? false : metrics.scalars.first { $0.name == name }?.higherIsBetter
    }

    /// What the best checkpoint is the best of.
    var bestMonitor: String {
        configuration.checkpoint.monitor ?? configuration.earlyStopping?.monitor ?? "validation_loss"
    }

    private func checkMonitors() throws {
        func check(_ monitor: String, _ failure: (String, String) -> Failure) throws {
            guard higherIsBetter(monitor) == nil else { return }
            let known = ["loss"] + metrics.names
            throw failure("monitor", splits.validation == nil
                ? "\"\(monitor)\" can't be watched without validation data; add data.validation or "
                    + "data.validation_fraction"
                : "nothing called \"\(monitor)\" is measured"
                    + suggestion(for: monitor, among: known.map { "validation_" + $0 }) + "; known: "
                    + known.map { "validation_" + $0 }.joined(separator: ", "))
        }
        if let monitor = configuration.checkpoint.monitor { try check(monitor, configuration.checkpoint.settings.failure) }
        if let early = configuration.earlyStopping { try check(early.monitor, early.settings.failure) }
        if let plateau = configuration.schedule.plateau {
            try check(plateau.monitor) { configuration.root.failure("schedule.reduce_on_plateau.\($0)", $1) }
        }
    }
}

/// How the targets of a data set are handed to a loss, and what task that makes.
package struct TargetForm: Sendable {
    /// What the trainer gathers for a row.
    package enum Content: Sendable, Equatable {
        case classes
        /// So many numbers; classes become one-hot rows, or 0 and 1 in one column.
        case values(Int)
    }

    package let content: Content
    package let task: LearningTask

    /// Checks that the targets of `kind` and the network's `outputs` fit the loss.
    init(kind: TargetKind, loss: any Loss, outputs: Shape, settings: Settings) throws {
        let name = type(of: loss).kind
        guard outputs.dimensions.count == 1 else {
            throw settings.failure("layers", "the network's output has the shape \(outputs), but \(name) takes a row of "
                + "numbers; end in flatten and a dense layer")
        }
        let units = outputs.count
        func mismatch(_ expected: Int, _ what: String) -> Failure {
            settings.failure("layers", "the last layer has \(units) outputs, but the data have \(what); \(name) needs "
                + "\(expected)")
        }
        switch (loss.targetDemand, kind) {
        case (.classes, .classes(let count)):
            guard units == count else { throw mismatch(count, "\(count) classes") }
            content = .classes
            task = .classification(classes: count)
        case (.classes, .values(let count)):
            guard count > 1 else {
                throw settings.failure("layers", "cross_entropy needs classes, but the target is a number; set "
                    + "data.target_kind: class, or use loss: mean_squared_error or binary_cross_entropy")
            }
            guard units == count else { throw mismatch(count, "targets of \(count) class probabilities") }
            content = .values(count)
            task = .classification(classes: count)
        case (.binary, .classes(let count)):
            guard units == count || (units == 1 && count == 2) else {
                throw mismatch(count == 2 ? 1 : count, "\(count) classes")
            }
            content = .values(units)
            task = .binary(outputs: units)
        case (.binary, .values(let count)):
            guard units == count else { throw mismatch(count, "\(count) target\(count == 1 ? "" : "s") per sample") }
            content = .values(count)
            task = .binary(outputs: count)
        case (.values, .classes(let count)):
            guard units == count || (units == 1 && count == 2) else { throw mismatch(count, "\(count) classes") }
            content = .values(units)
            task = units == count ? .classification(classes: count) : .regression(outputs: 1)
        case (.values, .values(let count)):
            guard units == count else { throw mismatch(count, "\(count) target\(count == 1 ? "" : "s") per sample") }
            content = .values(count)
            task = .regression(outputs: count)
        }
    }

    /// Checks what only the targets themselves can tell: that yes/no answers and class probabilities lie in 0 … 1.
    func check(_ dataset: Dataset, loss: any Loss) throws {
        guard loss.targetDemand != .values, case .values(let columns) = content,
              case .values = dataset.targetKind else { return }
        let chunk = 4096
        let buffer = AlignedBuffer<Float>(count: chunk * columns)
        for first in stride(from: 0, to: dataset.count, by: chunk) {
            let samples = (Int32(first)..<Int32(min(first + chunk, dataset.count))).map { $0 }
            let rows = buffer.matrix(rows: samples.count, columns: columns)
            dataset.gatherTargets(samples[...], into: rows)
            if let index = rows.elements.firstIndex(where: { !($0 >= 0 && $0 <= 1) }) {
                throw Failure(.badData, "the target of sample \(first + index / columns) is \(rows.elements[index]); "
                    + "\(type(of: loss).kind) needs numbers from 0 to 1")
            }
        }
    }
}
