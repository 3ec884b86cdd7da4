import Datasets
import Diagnostics
import Foundation
import Kernels
import Metrics
import Network
import Optimization
import Settings
import Storage

/// A configuration brought together with its data: everything that says what is computed, and nothing about who does.
package struct Experiment {
    package let configuration: TrainingConfiguration
    package let splits: DataSplits
    package let network: Network
    package let metrics: MetricSet
    package let targets: TargetForm
    /// Likewise in training, where an augmentation may mix them.
    let mixedTargets: TargetForm
    let loading: LoadingMemory

    /// Loads the data, builds the network for it and checks that data, last layer and loss fit. Every key must have been
    /// read by then. `stored` is the preprocessing of a checkpoint, where there is one.
    package init(_ configuration: TrainingConfiguration, stored: Preprocessing? = nil) throws {
        self.configuration = configuration
        let before = ProcessMemory.current
        splits = try configuration.loadSplits(with: stored)
        loading = LoadingMemory(before: before, after: ProcessMemory.current, splits: splits)
        let training = configuration.training
        guard !training.dropLast || splits.train.count >= training.globalBatchSize else {
            throw configuration.root.failure(
                "training.drop_last",
                "the \(splits.train.count) training samples don't fill one "
                    + "batch of \(training.globalBatchSize), so that none would be left; use a smaller training.global_batch_size"
            )
        }
        network = try Network(
            configuration.model, inputShape: splits.train.inputShape, tokenKinds: splits.train.tokenKinds,
            hasLengths: splits.train.hasLengths, carriesState: training.stateful, loss: configuration.loss,
            seed: configuration.training.seed, choices: configuration.catalogue.layers)
        guard !training.stateful || splits.train.isCut(intoStreams: training.globalBatchSize) else {
            throw configuration.root.failure(
                "training.stateful",
                "the training samples aren't windows that follow each other without a gap; take it out, or use data.format: text "
                    + "with data.stride equal to data.context, or data.format: series with data.stride equal to data.window and, of "
                    + "several series, a training.global_batch_size that cuts them where they end")
        }
        try configuration.optimizer.groups.check(network.layout, in: configuration.root)
        targets = try TargetForm(
            kind: splits.train.targetKind, loss: configuration.loss, outputs: network.outputShape,
            settings: configuration.model)
        try targets.check(configuration.loss, outputs: network.outputShape.count, settings: configuration.root)
        mixedTargets =
            try splits.train.mixesTargets
            ? targets.mixed(for: configuration.loss, settings: configuration.root) : targets
        metrics = try MetricSet(
            configuration.metrics, task: targets.task,
            likelihoods: targets.likelihoods(configuration, splits.preprocessing), choices: configuration.catalogue.metrics
        )
        try configuration.root.finish()
        for dataset in [splits.train, splits.validation] {
            if let dataset { try targets.check(dataset, loss: configuration.loss) }
        }
        try checkMonitors()
        try checkLeaves()
        try checkWorkers()
        guard splits.validation != nil || training.average?.validates != true else {
            throw configuration.root.failure(
                "training.ema.validate",
                "nothing to look at with the average: the data have no validation split; add data.validation or data.validation_fraction"
            )
        }
        guard !network.joinsLeaves || training.synchronization == .owner else {
            throw configuration.root.failure(
                "training.synchronization",
                "batch_norm with synchronized: true brings sums together along the tree in the middle of a step, which "
                    + "synchronization: owner does; "
                    + (training.local == nil ? "allreduce knows no tree" : "the workers of local know nothing of each other")
                    + ". Take one of them out")
        }
    }

    /// Refuses workers that a full batch has no work for.
    private func checkWorkers() throws {
        let leaves = sampler.trees[0].leafCount
        guard let local = configuration.training.local, local.workers > leaves else { return }
        throw configuration.root.failure(
            "training.synchronization.local.workers",
            "\(local.workers) workers share a batch of \(leaves) micro-batch\(leaves == 1 ? "" : "es"); use fewer workers, a larger "
                + "training.global_batch_size or a smaller training.micro_batch_size")
    }

    /// Refuses micro-batches with fewer rows than a layer needs, before the first step.
    private func checkLeaves() throws {
        let sampler = sampler
        let least = network.leastLeafRows
        let size = sampler.microBatchSize
        let full = min(sampler.globalBatchSize, sampler.sampleCount)
        let last = sampler.dropsLast ? 0 : sampler.sampleCount % sampler.globalBatchSize
        for (samples, batch) in [(full, "a step"), (last, "the last step of an epoch")] where samples > 0 {
            guard samples >= network.leastBatchRows else {
                throw configuration.root.failure(
                    "training.global_batch_size",
                    "batch_norm needs \(network.leastBatchRows) samples or more in each step, but \(batch) has \(samples); choose "
                        + "another size, or drop_last: true")
            }
            let rows = samples % size == 0 ? size : samples % size
            guard min(rows, size) < least else { continue }
            throw configuration.root.failure(
                "training.micro_batch_size",
                "batch_norm needs \(least) samples or more in each "
                    + "micro-batch, but \(batch), of \(samples) samples in micro-batches of \(size), has one of \(rows); choose "
                    + "another size")
        }
    }

    /// The effective configuration as YAML.
    package func effectiveYAML() throws -> String { try configuration.root.effectiveYAML() }

    /// How the training samples are cut into steps.
    package var sampler: Sampler {
        let training = configuration.training
        return Sampler(
            sampleCount: splits.train.count, globalBatchSize: training.globalBatchSize,
            microBatchSize: training.microBatchSize, seed: training.seed, shuffles: training.shuffle,
            dropsLast: training.dropLast, followsStreams: training.stateful, computesOrder: splits.train.movesWindows)
    }

    /// Who computes what, of so many ranks.
    package func shares(rankCount: Int) -> WorkShares {
        WorkShares(
            sampler, rankCount: rankCount, summation: configuration.training.summation,
            workers: configuration.training.local?.workers)
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

    /// Why what is monitored can't be measured on this validation split; nil if it can.
    private func undefinedReason(_ monitor: String) -> String? {
        guard let validation = splits.validation else { return nil }
        switch monitor {
        case "validation_roc_auc":
            guard let only = targets.onlyAnswer(in: validation) else { return nil }
            return "validation_roc_auc is undefined: all \(validation.count) validation samples are of one class, "
                + "\"\(only)\"; monitor validation_loss, or validate on samples of both classes"
        case "validation_r2" where validation.count < 2:
            return "validation_r2 is undefined: there is one validation sample; monitor validation_loss, or validate on more"
        default: return nil
        }
    }

    private func checkMonitors() throws {
        func check(_ monitor: String, _ failure: (String, String) -> Failure) throws {
            guard higherIsBetter(monitor) == nil else {
                if let reason = undefinedReason(monitor) { throw failure("monitor", reason) }
                return
            }
            let known = ["loss"] + metrics.names
            throw failure(
                "monitor",
                splits.validation == nil
                    ? "\"\(monitor)\" can't be watched without validation data; add data.validation or "
                        + "data.validation_fraction"
                    : "no metric is called \"\(monitor)\""
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

extension Experiment {
    package var judgedNetwork: JudgedNetwork { judged(targets) }

    /// The network as training judges it: where an augmentation mixes classes, against rows of their shares.
    package var judgedInTraining: JudgedNetwork { judged(mixedTargets) }

    private func judged(_ targets: TargetForm) -> JudgedNetwork {
        JudgedNetwork(
            network: network, loss: configuration.loss, metrics: metrics, targets: targets,
            hasWeights: splits.train.hasWeights, hasLengths: splits.train.hasLengths)
    }

    /// What rows of outputs add in training to the divisor of the loss's mean.
    var divisor: LossDivisor { judgedInTraining.divisor }

    /// The state of a run that hasn't begun.
    func initialState() throws -> TrainingState {
        var state = TrainingState(
            preprocessing: splits.preprocessing,
            dataDigests: [try splits.train.digest(), try splits.validation?.digest() ?? "none"],
            parameterCount: network.layout.parameterCount, build: Build.identity)
        state.configuration = try effectiveYAML()
        state.settings = configuration.root.effectiveValues()
        if configuration.schedule.plateau != nil {
            state.plateau = PlateauState(rate: configuration.optimizer.learningRate)
        }
        return state
    }
}
