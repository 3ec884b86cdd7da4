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
        abstract: "Train a network; plain, or on the ranks of mpirun.")

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

    @Option(help: ArgumentHelp("Start under mpirun with so many ranks, or auto: one per core.", valueName: "n|auto"))
    var ranks: String?

    @Flag(help: "Print nothing but warnings, errors and the digest.")
    var quiet = false

    @Flag(name: .customLong("no-mpi"), help: "Train in this one process, whatever launched it.")
    var withoutMPI = false

    func validate() throws {
        if let steps, steps < 0 { throw ValidationError("--steps \(steps): expected 0 or more") }
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
            opened = try communicator.agree { OpenedPlace(path: path, lock: try RunLock(runDirectory: path)) }
        }
        guard let opened else { preconditionFailure("no run directory") }
        let place = RunPlace(path: opened.path)
        try communicator.agree {
            guard isFirst else { return }
            try opened.lock.claim()
            // Another job may have had the directory meanwhile, and left its run in it.
            _ = try RunDirectory.open(opened.path, resuming: resume != nil)
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
        let checkpoint = try communicator.agree { try findCheckpoint(in: place, warn: trainer.warn) }
        // Only now that there is something to go on from: where no checkpoint is valid, nothing is touched.
        try communicator.agree { if isFirst { try place.store.recover() } }
        if let checkpoint {
            let isOwn = try communicator.agree { try place.holds(checkpoint) }
            try trainer.resume(from: checkpoint, isOwn: isOwn) {
                guard isOwn, resume?.isEmpty == false else { return }
                // What comes after it in the same run is history that a later resume must not return to.
                for path in try place.store.supersede(after: checkpoint.step) { trainer.warn("set aside: \(path)") }
            }
        } else {
            try trainer.begin()
        }
        let ending = try withExtendedLifetime(opened.lock) { try trainer.run() }
        try trace?.write()
        try communicator.barrier()
        trainer.close()
        if ending == .interrupted { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue) }
    }

    /// The run directory and this rank's lock on it.
    private struct OpenedPlace {
        let path: String
        let lock: RunLock
    }

    /// The directory that the command line names, or that a resume finds; nil for a new one.
    private func openPlace() throws -> OpenedPlace? {
        let resuming = resume != nil
        var path = runDirectory
        if path == nil, let resume {
            path = resume.isEmpty ? try RunDirectory.newest(ConfigurationOptions.runName(config))?.path
                : Self.runDirectory(ofCheckpoint: resume)
        }
        guard let path else { return nil }
        let directory = try RunDirectory.open(path, resuming: resuming)
        return OpenedPlace(path: directory.path, lock: try RunLock(runDirectory: directory.path))
    }

    /// `runs/digits` for `runs/digits/checkpoints/step-00000100`; nil for a checkpoint that lies elsewhere.
    private static func runDirectory(ofCheckpoint path: String) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).filter { $0 != "" || path.hasPrefix("/") }
        guard parts.count >= 3, parts[parts.count - 2] == "checkpoints" else { return nil }
        return parts.dropLast(2).joined(separator: "/")
    }

    /// What to go on from; nil for a fresh start.
    private func findCheckpoint(in place: RunPlace, warn: (String) -> Void) throws -> LoadedCheckpoint? {
        guard let resume else { return nil }
        if !resume.isEmpty {
            return try LoadedCheckpoint(path: resume)
        }
        let (checkpoint, rejected) = try place.store.newestValid()
        for damaged in rejected { warn("\(damaged.path) is damaged and passed over: \(damaged.reason)") }
        if let checkpoint { return checkpoint }
        guard rejected.isEmpty else {
            throw Failure(.badData, "\(place.path): none of its \(rejected.count) checkpoints is valid "
                + "(\(rejected[0].path): \(rejected[0].reason)); nothing was changed")
        }
        warn("\(place.path): no checkpoint was completed in it; the run starts from the beginning")
        return nil
    }
}
