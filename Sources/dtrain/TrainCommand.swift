import ArgumentParser
import Checkpointing
import Collectives
import Diagnostics
import Foundation
import Launching
import Reporting
import Settings
import Training

/// `dtrain train [CONFIG]`.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a network, in one process or on the ranks of mpirun.")

    @Argument(help: "The configuration (YAML); without it, the built-in digits.")
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .customLong("run"), help: ArgumentHelp("The run directory (default: runs/<name of the configuration>, numbered).", valueName: "dir"))
    var runDirectory: String?

    @Option(defaultAsFlag: "", help: ArgumentHelp("Go on from the newest valid checkpoint of the run directory, or from "
        + "the one given.", valueName: "checkpoint"))
    var resume: String?

    @Option(help: ArgumentHelp("Start from the weights in this file.", valueName: "file.safetensors"))
    var initialize: String?

    @Option(help: ArgumentHelp("Stop after this global step; the run can be resumed.", valueName: "n"))
    var steps: Int?

    @Option(help: ArgumentHelp("Write what each rank did when, in Chrome's trace format (for ui.perfetto.dev).",
                               valueName: "file"))
    var trace: String?

    @Option(help: ArgumentHelp("Start this many ranks under mpirun; auto: one per core.", valueName: "n|auto"))
    var ranks: String?

    @Flag(help: "Print nothing but warnings, errors and the digest.")
    var quiet = false

    @Flag(name: .customLong("no-mpi"), help: "Train in this one process, whatever launched it.")
    var withoutMPI = false

    func validate() throws {
        if let steps, steps < 0 { throw ValidationError("--steps \(steps): expected 0 or more") }
        if resume == "", CommandLine.arguments.contains(where: { $0.isEmpty || $0 == "--resume=" }) {
            throw ValidationError("--resume: an empty path; name a checkpoint or a run, or leave the path out")
        }
        if resume != nil, initialize != nil {
            throw ValidationError("--initialize and --resume exclude each other: a checkpoint has its own weights")
        }
    }

    mutating func run() throws {
        // `--resume config.yaml`: what follows is the configuration, not a checkpoint, which is a directory.
        if let value = resume, config == nil, value.hasSuffix(".yaml") || value.hasSuffix(".yml") {
            config = value
            resume = ""
        }
        if let ranks {
            try RankJob.launch(ranks, config: config) { try options.read(config).training.threads }
        }
        let environment = LauncherEnvironment()
        StopSignal.install(isLaunched: environment.isUnderLauncher)
        // Before MPI starts, so that no instant of a rank's life is without its lock. What fails here is told when the
        // ranks can agree on who speaks.
        var place: Result<OpenedPlace?, any Error>?
        try RankJob.run(environment, withoutMPI: withoutMPI, agreeingOn: agreedOptions,
                        beforeMPI: { place = Result { try openPlace() } }) {
            try train($0, environment, opened: place)
        }
    }

    /// Options by which ranks do different things together. What `--set` and `--seed` say is in the configuration, which is
    /// compared as a whole.
    private var agreedOptions: [Agreement.Item] {
        [.init("the command", "train"), .init("--run", runDirectory), .init("--resume", resume), .init("--initialize", initialize),
         .init("--steps", steps.map(String.init)), .init("--trace", trace)]
    }

    private func train(_ communicator: any Communicator, _ environment: LauncherEnvironment,
                       opened: Result<OpenedPlace?, any Error>? = nil) throws {
        let isFirst = communicator.rank == 0
        let agreed = try AgreedExperiment(over: communicator) { try Experiment(try options.read(config)) }
        let experiment = agreed.experiment
        let trace = try trace.map { try PhaseTrace(path: $0, communicator: communicator) }
        var opened = try communicator.agree { try (opened ?? Result { try openPlace() }).get() }
        if opened == nil {
            // A new directory: rank 0 makes it, the others learn its name.
            let made = try communicator.agree { isFirst ? try RunDirectory.makeNumbered(experiment.configuration.name).path : "" }
            let path = try communicator.broadcast(made, from: 0)
            opened = try communicator.agree { try OpenedPlace(try RunDirectory.open(path, resuming: false), nil) }
        }
        guard let opened else { preconditionFailure("no run directory") }
        let place = RunPlace(opened.run)
        try communicator.agree {
            guard isFirst else { return }
            try opened.lock.claim()
            // Another job may have had the directory meanwhile, and left its run in it.
            _ = try RunDirectory.open(place.path, resuming: resume != nil)
        }
        var training = TrainingOptions()
        training.availableCores = availableCores()
        training.initialWeights = initialize
        training.stopAfterStep = steps
        training.columns = { environment.columns }
        training.style = quiet ? .quiet : environment.isTerminal ? .terminal : .lines
        let trainer = try Trainer(agreed, communicator: communicator, options: training, place: isFirst ? place : nil,
                                  stopRequested: { StopSignal.isRaised })
        trainer.clock = trace?.clock
        if isFirst, let warning = opened.lock.warning { trainer.warn(warning) }
        let checkpoint = try communicator.agree { try findCheckpoint(for: opened, in: place, warn: trainer.warn) }
        // One that sees an older state of a network file system would begin while others go on.
        try Agreement.check([.init("the checkpoint to go on from", checkpoint.map { "step \($0.step)" })], over: communicator)
        if let checkpoint {
            let isOwn = try communicator.agree { try checkpoint.isHeld(by: place.store) }
            try trainer.resume(from: checkpoint, isOwn: isOwn) {
                try place.store.recover()
                guard opened.goesBack else { return }
                // What comes after it in the same run is history that a later resume must not return to.
                for path in try place.store.supersede(after: checkpoint.step, replacing: !isOwn) {
                    trainer.warn("set aside: \(path)")
                }
            }
        } else {
            try trainer.begin { try place.store.recover() }
        }
        let ending = try withExtendedLifetime(opened.lock) { try trainer.run() }
        try trace?.write()
        try communicator.barrier()
        trainer.close()
        if ending == .interrupted { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue) }
    }

    /// The run directory and this rank's lock on it.
    private struct OpenedPlace {
        let run: RunDirectory
        let lock: RunLock
        /// What `--resume` names, where it names something.
        let point: ResumePoint?
        /// Whether that lies in this run directory.
        let isInside: Bool

        init(_ run: RunDirectory, _ point: ResumePoint?) throws {
            self.run = run
            self.point = point
            isInside = try point?.lies(in: run) ?? true
            lock = try RunLock(run)
        }

        /// Whether the run goes back to a checkpoint that was chosen by name.
        var goesBack: Bool { isInside && point?.checkpoint != nil }
    }

    /// The directory that the command line names, or that a resume finds; nil for a new one.
    private func openPlace() throws -> OpenedPlace? {
        let point = try resume.flatMap { $0.isEmpty ? nil : try ResumePoint($0) }
        var path = runDirectory
        if path == nil, resume != nil {
            path = try point.map(Self.runDirectory) ?? RunDirectory.newest(ConfigurationOptions.runName(config))
        }
        guard let path else { return nil }
        return try OpenedPlace(try RunDirectory.open(path, resuming: resume != nil), point)
    }

    /// The run directory in which a checkpoint lies.
    private static func runDirectory(of point: ResumePoint) throws -> String {
        if let run = point.run { return run }
        let checkpoint = try LoadedCheckpoint(path: point.checkpoint ?? "")
        throw Failure(.usage, "\(checkpoint.path): a checkpoint that is in no run directory; name the directory in which "
            + "the run goes on (--run)")
    }

    /// What to go on from; nil for a fresh start. Nothing is changed.
    private func findCheckpoint(for opened: OpenedPlace, in place: RunPlace,
                                warn: (String) -> Void) throws -> LoadedCheckpoint? {
        guard resume != nil else { return nil }
        do {
            let checkpoint = try checkpoint(for: opened, in: place, warn: warn)
            if !opened.isInside, opened.run.holdsRun, let checkpoint {
                throw Failure(.cannotCreate, "\(place.path): holds a run already, and \(checkpoint.path) is none of its "
                    + "checkpoints; go on with that run (--resume alone), or choose another directory (--run)")
            }
            return checkpoint
        } catch let failure as Failure where failure.code == .inputOutput {
            throw Failure(.inputOutput, failure.message + "; nothing was changed")
        }
    }

    private func checkpoint(for opened: OpenedPlace, in place: RunPlace,
                            warn: (String) -> Void) throws -> LoadedCheckpoint? {
        if let named = opened.point?.checkpoint { return try LoadedCheckpoint(path: named) }
        let other = opened.isInside ? nil : opened.point?.run
        let (store, path) = other.map { (CheckpointStore(runDirectory: $0), $0) } ?? (place.store, place.path)
        let (checkpoint, rejected) = try store.newestValid()
        for damaged in rejected { warn("\(damaged.path) is damaged and passed over: \(damaged.reason)") }
        if let checkpoint { return checkpoint }
        guard rejected.isEmpty else {
            throw Failure(.badData, "\(path): none of its \(rejected.count) checkpoints is valid "
                + "(\(rejected[0].path): \(rejected[0].reason)); nothing was changed")
        }
        if other != nil { throw Failure(.missingInput, "\(path): no checkpoint was completed in this run yet") }
        try place.requireNoHistory()
        warn("\(path): no checkpoint was completed in it; the run starts from the beginning")
        return nil
    }
}
