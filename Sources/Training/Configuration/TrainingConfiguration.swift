import Collectives
import Datasets
import Diagnostics
import Network
import Optimization
import Settings

/// A whole configuration, read and checked as far as that goes without the data.
///
/// The sections stay as `Settings`, because the layers and metrics are read later, when the data have told their shape;
/// `Experiment` does that and then refuses what nobody read.
package struct TrainingConfiguration {
    /// The name that the run directory gets.
    package let name: String
    package let root: Settings
    package let data: DataConfiguration
    package let loss: any Loss
    package let optimizer: OptimizerConfiguration
    package let schedule: Schedule
    package let gradientRules: GradientRules
    package let training: TrainingSection
    package let validation: ValidationSection
    package let earlyStopping: EarlyStopping?
    package let checkpoint: CheckpointSection
    package let model: Settings
    package let metrics: [Settings.Variant]?
    package let initialize: InitializeSection?
    /// What is written for TensorBoard; nil: nothing.
    package let tensorBoard: TensorBoardSection?

    /// What it can name.
    let catalogue: Catalogue

    package init(_ document: SettingsDocument, name: String, catalogue: Catalogue = .standard) throws {
        self.name = name
        self.catalogue = catalogue
        root = try document.root
        // The order of these reads is the order of the effective configuration.
        data = try DataConfiguration(try root.section("data"), formats: catalogue.dataFormats)
        model = try root.section("model")
        loss = try readLoss(root, among: catalogue.losses)
        optimizer = try OptimizerConfiguration(root, among: catalogue.optimizers)
        schedule = try Schedule(root, among: catalogue.schedules)
        gradientRules = try GradientRules(root)
        metrics = try root.optionalVariants("metrics")
        training = try TrainingSection(try root.section("training"), context: data.context)
        validation = try ValidationSection(try root.section("validation"))
        earlyStopping = try root.optionalSection("early_stopping").map(EarlyStopping.init)
        checkpoint = try CheckpointSection(try root.section("checkpoint"))
        initialize = try root.optionalSection("initialize").map(InitializeSection.init)
        tensorBoard = try root.optionalSection("logging").flatMap(TensorBoardSection.init(logging:))
        // A slip of the keyboard shows before large files are read.
        try root.finish(leaving: ["model", "metrics"])
    }
}

extension TrainingConfiguration {
    /// Reads the data as training uses them. `stored` is the preprocessing of a checkpoint, where there is one.
    func loadSplits(with stored: Preprocessing? = nil) throws -> DataSplits {
        let splits = try data.load(with: stored, preference: loss.targetPreference)
            .augmented(by: data.augmentations, seed: training.seed, globalBatchSize: training.globalBatchSize)
        // What isn't drawn at random follows the text.
        return training.stateful || !training.shuffle ? splits.withFixedWindows : splits
    }
}

/// `training:` of a configuration.
package struct TrainingSection: Sendable {
    /// How the ranks' gradients become one step: laws 1 and 2, or `MPI_Allreduce`; or how replicas of the weights become one from
    /// time to time.
    package enum Synchronization: Sendable, Equatable {
        case owner, allreduce
        case local(LocalRules)

        /// As a configuration names it.
        package var name: String {
            switch self {
            case .owner: "owner"
            case .allreduce: "allreduce"
            case .local: "local"
            }
        }

        fileprivate init(_ settings: Settings) throws {
            let variant = try settings.variant("synchronization", default: "owner")
            switch variant.name {
            case "owner": self = .owner
            case "allreduce": self = .allreduce
            case "local": self = .local(try LocalRules(variant.options))
            default: throw variant.unknown("synchronization", known: ["owner", "allreduce", "local"])
            }
        }
    }
    /// What a loss or gradient that is NaN or infinite does.
    package enum NonFinitePolicy: String, CaseIterable, Sendable { case stop, skip }

    /// The order in which gradients are added: the fixed tree of law 1, or rank by rank as they come, whose bits depend
    /// on the rank count. For measuring what the tree costs, and for tests that would prove nothing without it.
    package enum Summation: String, CaseIterable, Sendable { case tree, arrival }

    /// Passes over the training data; nil where only `maxSteps` ends the run.
    package let epochs: Int?
    package let maxSteps: Int?
    /// Samples per optimizer step over all ranks.
    package let globalBatchSize: Int
    /// Samples per leaf of the summation tree.
    package let microBatchSize: Int
    package let seed: UInt64
    package let shuffle: Bool
    /// Whether recurrent layers go on with the state that the step before left them: truncated backpropagation through time over
    /// long streams. The samples of a batch are as many streams.
    package let stateful: Bool
    /// Whether a short batch at an epoch's end is left out.
    package let dropLast: Bool
    package let synchronization: Synchronization
    /// What gradients and weights look like on their way between hosts.
    package let exchange: ExchangeFormat
    /// How many steps late a gradient is applied, so that its exchange has as many steps to hide in: 0 or 1.
    package let delay: Int
    package let threads: Int
    package let logEvery: Int
    package let onNonFinite: NonFinitePolicy
    package let summation: Summation
    /// Steps between comparisons of all ranks' weights; 0: never.
    package let verifyEvery: Int
    /// Whether each step logs a hash of the samples that the ranks used.
    package let audit: Bool
    /// The average of the weights that is kept beside them; nil: none.
    package let average: WeightAverage?
    /// Which weights become 0 while training; nil: none.
    package let pruning: Pruning?

    /// - Parameter context: the tokens of a sample; nil where samples are made of others.
    init(_ settings: Settings, context: Int?) throws {
        maxSteps = try settings.optionalInt("max_steps", in: 1...Int.max)
        epochs = try settings.optionalInt("epochs", default: maxSteps == nil ? 10 : nil, in: 1...1 << 40)
        globalBatchSize =
            try Self.samples(ofTokens: settings, context: context)
            ?? settings.int("global_batch_size", default: 128, in: 1...1 << 30)
        microBatchSize = try settings.int("micro_batch_size", default: min(32, globalBatchSize), in: 1...1 << 30)
        guard microBatchSize <= globalBatchSize else {
            throw settings.failure(
                "micro_batch_size",
                "expected at most the global batch size of \(globalBatchSize), "
                    + "found \(microBatchSize)")
        }
        seed = UInt64(try settings.int("seed", default: 0))
        stateful = try settings.bool("stateful", default: false)
        shuffle = try settings.bool("shuffle", default: !stateful)
        dropLast = try settings.bool("drop_last", default: stateful)
        guard !stateful || !shuffle else {
            throw settings.failure(
                "shuffle", "training.stateful: true reads each stream in its order; take one of them out")
        }
        guard !stateful || dropLast else {
            throw settings.failure(
                "drop_last",
                "training.stateful: true needs a window of every stream in each step; leave it out or set it to true")
        }
        synchronization = try Synchronization(settings)
        exchange = try settings.choice("exchange", default: .float32)
        delay = try settings.int("delay", default: 0, in: 0...1)
        threads = try settings.int("threads", default: 1, in: 1...1024)
        logEvery = try settings.int("log_every", default: 10, in: 1...Int.max)
        onNonFinite = try settings.choice("on_nonfinite", default: .stop)
        summation = try settings.choice("summation", default: .tree)
        verifyEvery = try settings.int("verify_every", default: 100)
        audit = try settings.bool("audit", default: false)
        average = try settings.optionalSection("ema").map(WeightAverage.init)
        pruning = try settings.optionalSection("pruning").map(Pruning.init)
        guard pruning == nil || synchronization != .owner || delay == 0 && exchange == .float32 else {
            throw settings.failure(
                "pruning",
                "training.pruning needs each step's weights as they are; training.\(delay == 0 ? "exchange: bfloat16" : "delay: \(delay)") "
                    + "changes them by something else. Take one of them out")
        }
        guard pruning == nil || local == nil else {
            throw settings.failure(
                "pruning",
                "training.pruning looks at weights that all ranks share; the workers of synchronization: local have their own. Take one of "
                    + "them out")
        }
        guard local == nil || average == nil else {
            throw settings.failure(
                "ema",
                "training.ema averages weights that all ranks share behind each step; the workers of synchronization: local have their "
                    + "own. Take one of them out")
        }
        guard synchronization == .owner || delay == 0 && exchange == .float32 else {
            let key = delay == 0 ? "exchange" : "delay"
            throw settings.failure(
                key,
                "training.\(key) belongs to synchronization: owner; "
                    + (synchronization == .allreduce
                        ? "allreduce leaves the exchange to MPI" : "with local, gradients don't travel")
                    + ". Take one of them out")
        }
        guard local == nil || summation == .tree else {
            throw settings.failure(
                "summation",
                "training.summation: arrival belongs to synchronization: owner; with local, each worker adds up its own gradients. "
                    + "Take one of them out")
        }
        guard delay == 0 || onNonFinite == .stop else {
            throw settings.failure(
                "delay",
                "training.delay: \(delay) can't skip a step (on_nonfinite: skip): the next one has begun with its weights. "
                    + "Take one of them out")
        }
    }
}

extension TrainingSection {
    /// The samples of a step where `global_batch_tokens` says how many tokens it has; nil where it isn't there.
    private static func samples(ofTokens settings: Settings, context: Int?) throws -> Int? {
        let key = "global_batch_tokens"
        guard let tokens = try settings.optionalInt(key, in: 1...1 << 40) else { return nil }
        guard !settings.has("global_batch_size") else {
            throw settings.failure(key, "training.global_batch_size says how large a step is; leave out one of the two")
        }
        guard let context else {
            throw settings.failure(
                key, "the samples aren't made of a number of tokens that is known; use training.global_batch_size")
        }
        guard tokens % context == 0, tokens / context <= 1 << 30 else {
            let lower = tokens / context * context
            throw settings.failure(
                key,
                "expected a multiple of data.context, \(context), found \(tokens); the nearest are "
                    + (lower > 0 ? "\(lower) and " : "") + "\(lower + context)")
        }
        return tokens / context
    }

    /// How replicas of the weights become one; nil where all ranks compute with the same weights.
    package var local: LocalRules? { if case .local(let rules) = synchronization { rules } else { nil } }
}

extension Settings {
    /// One of the raw values of an enumeration.
    func choice<Choice: CaseIterable & RawRepresentable>(_ key: String, default fallback: Choice) throws -> Choice
    where Choice.RawValue == String {
        let name = try choice(key, of: Choice.allCases.map(\.rawValue), default: fallback.rawValue)
        return Choice(rawValue: name) ?? fallback
    }
}

/// `validation:` of a configuration: when the validation split is evaluated.
package struct ValidationSection: Sendable {
    package let everyEpochs: Int?
    package let everySteps: Int?

    init(_ settings: Settings) throws {
        everySteps = try settings.optionalInt("every_steps", in: 1...Int.max)
        everyEpochs = try settings.optionalInt("every_epochs", default: everySteps == nil ? 1 : nil, in: 1...Int.max)
    }
}

/// `checkpoint:` of a configuration.
package struct CheckpointSection {
    /// What a checkpoint that can't be written does while an older one is there.
    package enum ErrorPolicy: String, CaseIterable, Sendable { case warn, stop }

    package let everySteps: Int
    /// How many of the newest stay; the best one stays besides.
    package let keep: Int
    package let onError: ErrorPolicy
    /// What the best checkpoint is the best of; nil: what early stopping monitors, or the validation loss.
    package let monitor: String?
    let settings: Settings

    init(_ settings: Settings) throws {
        everySteps = try settings.int("every_steps", default: 500, in: 1...Int.max)
        keep = try settings.int("keep", default: 3, in: 1...1_000_000)
        onError = try settings.choice("on_error", default: .warn)
        monitor = try settings.optionalString("monitor")
        self.settings = settings
    }
}

/// `initialize:` of a configuration: weights of a file to start from.
package struct InitializeSection: Sendable {
    /// A safetensors file; nil where the command line names it.
    package let path: String?
    /// Which parameters are taken from the file: those that one of `only` matches, or all, without those that one of `skip`
    /// matches. Nil where the file must hold exactly the network's.
    package let choice: ParameterChoice?

    init(_ settings: Settings) throws {
        path = try settings.optionalString("path")
        let only = try settings.optionalStrings("only")
        let skip = try settings.optionalStrings("skip")
        choice =
            only == nil && skip == nil
            ? nil
            : ParameterChoice(only: only?.map(NamePattern.init), skip: skip?.map(NamePattern.init) ?? [])
    }
}

/// Some parameters, by patterns of their names.
package struct ParameterChoice: Sendable {
    /// Nil: all.
    let only: [NamePattern]?
    let skip: [NamePattern]

    func contains(_ name: String) -> Bool {
        (only?.contains { $0.matches(name) } ?? true) && !skip.contains { $0.matches(name) }
    }

    /// Refuses a pattern that matches none of the network's parameters, and a choice that leaves none.
    func check(_ names: [String]) throws {
        if let idle = ((only ?? []) + skip).first(where: { pattern in !names.contains { pattern.matches($0) } }) {
            throw Failure(
                .badConfiguration,
                "initialize: no parameter is called \"\(idle)\""
                    + suggestion(for: idle.description, among: names) + "; the network's: \(Network.list(names))")
        }
        if !names.contains(where: contains) {
            throw Failure(.badConfiguration, "initialize: only and skip leave nothing to load; take something out of skip")
        }
    }
}

/// `early_stopping:` of a configuration.
package struct EarlyStopping {
    /// `validation_loss`, or `validation_` and the name of a metric.
    package let monitor: String
    /// Validations without improvement before the run stops; nil: only `target` stops it.
    package let patience: Int?
    /// Smaller gains don't count.
    package let minimumImprovement: Double
    /// A value that is good enough.
    package let target: Double?
    let settings: Settings

    init(_ settings: Settings) throws {
        self.settings = settings
        monitor = try settings.string("monitor", default: "validation_loss")
        target = try settings.optionalDouble("target")
        patience = try settings.optionalInt("patience", default: target == nil ? 3 : nil, in: 1...Int.max)
        minimumImprovement = try settings.double("minimum_improvement", default: 0, in: .nonNegative)
    }
}
