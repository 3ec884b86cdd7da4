import Checkpointing
import Collectives
import Commands
import Diagnostics
import Launching
import Storage
import Training

/// A run: from a configuration to its end, with directory, log, checkpoints and resume, as the command `train` has it.
///
///     var run = Run(.digits)
///     run.directory = "runs/mine"
///     run.onEpoch = { report in
///         print(report.epoch, report.validation["accuracy"] ?? .nan)
///         return .goOn
///     }
///     let outcome = try run.train()
///     let model = try Model(outcome.directory)
public struct Run {
    /// What a run begins with.
    public enum Start: Sendable {
        /// Initial weights.
        case fresh
        /// Those in a safetensors file.
        case weights(String)
        /// The newest valid checkpoint of its directory, or of the directory or checkpoint at this path.
        case resume(String?)
    }

    /// What is printed on rank 0.
    public enum Output: Sendable {
        /// Warnings on standard error, nothing else.
        case silent
        /// A line for each epoch, and how it ended.
        case lines
    }

    /// What a callback answers.
    public enum Decision: Sendable {
        /// Training goes on.
        case goOn
        /// The run ends behind the next step, with a checkpoint to go on from, as soon as one rank says so.
        case stop
    }

    /// What it trains.
    public var configuration: Configuration
    /// What that can name.
    public var catalogue: Catalogue
    /// The run directory; nil: a new one in `runs`, or where it resumes the newest.
    public var directory: String?
    /// What it begins with.
    public var start = Start.fresh
    /// The step after which it stops, though the configuration goes further.
    public var stopAfterStep: Int?
    /// What is printed.
    public var output = Output.silent
    /// Called behind each step, on every rank with the same report.
    public var onStep: ((StepReport) -> Decision)?
    /// Called behind each epoch and its validation, on every rank with the same report.
    public var onEpoch: ((EpochReport) -> Decision)?

    /// A run of a configuration.
    public init(_ configuration: Configuration, catalogue: Catalogue = Catalogue()) {
        self.configuration = configuration
        self.catalogue = catalogue
    }

    /// How a run ended.
    public struct Outcome: Sendable {
        /// Whether it was asked to stop, by a signal or a callback; it can be resumed.
        public let wasInterrupted: Bool
        /// The run directory.
        public let directory: String
        /// The steps that it has taken, from its beginning.
        public let step: Int
    }

    /// Trains to the end. Every rank calls it, and they do it together.
    ///
    /// - Parameter ranks: who trains, as ``Program/perform(_:)`` hands them over; nil: this process alone.
    /// - Throws: what `train` would print.
    public func train(on ranks: Ranks? = nil) throws(Failure) -> Outcome {
        try forProgram {
            guard ranks != nil || !Entry.isLaunched else {
                throw Diagnostics.Failure(
                    .usage,
                    "a launcher started this process as a rank, but the run was handed no ranks; use Program.perform and train(on: ranks)"
                )
            }
            Processor.flushDenormals()
            let result = try trainingRun()(on: ranks?.communicator ?? SoloCommunicator())
            return Outcome(wasInterrupted: result.ending == .interrupted, directory: result.path, step: result.step)
        }
    }

    private func trainingRun() -> TrainingRun {
        var run = TrainingRun(name: configuration.name) { [configuration, catalogue] in try configuration.read(catalogue) }
        run.directory = directory
        switch start {
        case .fresh: run.start = .fresh
        case .weights(let path): run.start = .weights(path)
        case .resume(let path): run.start = .resume(path)
        }
        run.options.stopAfterStep = stopAfterStep
        run.options.style = output == .silent ? .quiet : .lines
        run.options.printsDigest = output != .silent
        run.options.availableCores = availableCores()
        run.stopRequested = { Entry.stopRequested }
        run.observer.step = onStep.map { told in { told(StepReport($0)) == .stop } }
        run.observer.epoch = onEpoch.map { told in { told(EpochReport($0)) == .stop } }
        return run
    }
}

/// What a step came to.
public struct StepReport: Sendable {
    /// Counted from 1, from the beginning of the run.
    public let step: Int
    /// Counted from 1.
    public let epoch: Int
    /// How many samples it had, on all ranks together.
    public let samples: Int
    /// Of the step's samples.
    public let loss: Double
    /// By name, of the step's samples.
    public let metrics: [String: Double]
    /// With which it was taken.
    public let learningRate: Double
    /// Before clipping.
    public let gradientNorm: Double

    init(_ news: StepNews) {
        step = news.step
        epoch = news.epoch
        samples = news.samples
        loss = news.figures[0].value
        metrics = Dictionary(news.figures.dropFirst().map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        learningRate = news.learningRate
        gradientNorm = news.gradientNorm
    }
}

/// What an epoch came to.
public struct EpochReport: Sendable {
    /// Counted from 1.
    public let epoch: Int
    /// The last of its steps.
    public let step: Int
    /// Loss (`loss`) and metrics by name: means over the epoch's steps.
    public let training: [String: Double]
    /// The same of the validation behind it; empty where none was due.
    public let validation: [String: Double]

    init(_ news: EpochNews) {
        epoch = news.epoch
        step = news.step
        training = Dictionary(news.training.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        validation = Dictionary(news.validation.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}
