import Checkpointing
import Collectives
import Diagnostics
import Foundation
import Reporting
import Timing

/// A run as a value, from its configuration to its end: directory and lock, agreement of the ranks, start or resume, training,
/// checkpoints. For the command line, for what runs many of them, and for a Swift program of one's own.
///
///     var run = TrainingRun(name: "digits") { try TrainingConfiguration(…) }
///     run.directory = "runs/digits"
///     let result = try run(on: SoloCommunicator())
///
/// It leaves nothing behind in the process: another may follow. The ranks of a job may be divided among several runs, each of
/// which gets a communicator of its own (`MPICommunicator.split`).
package struct TrainingRun {
    /// What a run begins with.
    package enum Start: Sendable {
        /// Its own initial weights, or those that its configuration names.
        case fresh
        /// Those in a safetensors file.
        case weights(String)
        /// The newest valid checkpoint of its directory, or of the directory or checkpoint at this path.
        case resume(String?)
    }

    /// What the run's directory is called where it names none: `runs/<name>`, numbered.
    package let name: String
    /// The run directory; a new one of its name where it is nil, or where it resumes the newest.
    package var directory: String?
    package var start = Start.fresh
    package var options = TrainingOptions()
    /// Where to write what each rank did when.
    package var tracePath: String?
    /// Whether the launcher that started this job holds the run directory meanwhile.
    package var belongsToLauncher = false
    /// Whether a resume without any checkpoint is refused instead of beginning anew.
    package var mustGoOn = false
    /// Whether the process goes on where all ranks know of the run's failure; it gives back then what the ranks share.
    package var outlivesFailure = false
    /// Asked after every step: whether this rank is to stop.
    package var stopRequested: () -> Bool = { false }
    /// Told of steps and epochs.
    package var observer = RunObserver()
    private let readConfiguration: () throws -> TrainingConfiguration

    package init(name: String, configuration: @escaping () throws -> TrainingConfiguration) {
        self.name = name
        readConfiguration = configuration
    }

    /// How a run ended.
    package struct Result: Sendable {
        package let ending: Ending
        /// Its directory.
        package let path: String
        /// The steps that it has taken, from its beginning.
        package let step: Int
    }

    /// What its ranks have to agree on besides configuration and data.
    package var agreedItems: [Agreement.Item] {
        let (weights, resume): (String?, String?) =
            switch start {
            case .fresh: (nil, nil)
            case .weights(let path): (path, nil)
            case .resume(let path): (nil, path ?? "")
            }
        return [
            .init("--run", directory), .init("--resume", resume), .init("--initialize", weights),
            .init("--steps", options.stopAfterStep.map(String.init)), .init("--trace", tracePath)
        ]
    }

    /// Opens and locks the directory that it names, or that a resume finds; nil where it makes a new one. May be called before
    /// MPI starts, so that no instant of a rank's life is without its lock.
    package func open() throws -> OpenedPlace? {
        let (path, point) = try named()
        guard let path else { return nil }
        return try OpenedPlace(try RunDirectory.open(path, resuming: isResumed), point, mustGoOn: mustGoOn)
    }

    /// The path of its directory: the one that it names or resumes, or the next that is free. Nothing is made.
    package func place() throws -> String { try named().path ?? RunDirectory.nextNumbered(name) }

    private func named() throws -> (path: String?, point: ResumePoint?) {
        var point: ResumePoint?
        if case .resume(let path?) = start { point = try ResumePoint(path) }
        if let directory { return (directory, point) }
        return (isResumed ? try point.map(Self.directory) ?? RunDirectory.newest(name) : nil, point)
    }

    private var isResumed: Bool { if case .resume = start { true } else { false } }

    /// Trains to the end, or until it is asked to stop. Collective.
    ///
    /// - Parameter opened: what `open` came to, where it was called before.
    package func callAsFunction(
        on communicator: any Communicator,
        opened: Swift.Result<OpenedPlace?, any Error>? = nil
    ) throws -> Result {
        let isFirst = communicator.rank == 0
        communicator.pulse.turn(to: .data)
        let agreed = try AgreedExperiment(over: communicator) { try Experiment(try readConfiguration()) }
        communicator.pulse.turn(to: .setUp)
        let trace = try tracePath.map { try PhaseTrace(path: $0, communicator: communicator) }
        let own = opened ?? Swift.Result { try open() }
        var opened = try communicator.agree {
            do {
                return try own.get()
            } catch let failure as Failure where !isFirst && isResumed && failure.code == .missingInput {
                // Rank 0 has what this host doesn't see.
                return nil
            }
        }
        // Rank 0 finds or makes the directory, the others learn its name.
        var path = try communicator.broadcast(opened?.run.path ?? "", from: 0)
        if path.isEmpty {
            let made = try communicator.agree { isFirst ? try RunDirectory.makeNumbered(name).path : "" }
            path = try communicator.broadcast(made, from: 0)
        }
        opened = try communicator.agree {
            if let opened, opened.run.path == path { return opened }
            return try OpenedPlace(try RunDirectory.open(path, resuming: isResumed), nil)
        }
        guard let opened else { preconditionFailure("no run directory") }
        let place = RunPlace(opened.run)
        try communicator.agree {
            guard isFirst else { return }
            try opened.lock.claim(belongsToLauncher: belongsToLauncher)
            // Another job may have had the directory meanwhile, and left its run in it.
            _ = try RunDirectory.open(place.path, resuming: isResumed)
        }
        let logs = RunLogs(communicator)
        do {
            return try withExtendedLifetime(opened.lock) { try train(agreed, opened, place, trace, logs, on: communicator) }
        } catch {
            logs.fail(error, in: place)
            throw error
        }
    }

    private func train(
        _ agreed: AgreedExperiment, _ opened: OpenedPlace, _ place: RunPlace, _ trace: PhaseTrace?, _ logs: RunLogs,
        on communicator: any Communicator
    ) throws -> Result {
        let isFirst = communicator.rank == 0
        try communicator.agree { try logs.own.check(in: try place.directory()) }
        var options = options
        if case .weights(let path) = start { options.initialWeights = path }
        let trainer = try Trainer(
            agreed, communicator: communicator, options: options, place: isFirst ? place : nil,
            log: logs.own, stopRequested: stopRequested)
        trainer.clock = trace?.clock ?? (options.showsRankRates ? PhaseClock() : nil)
        trainer.observer = observer
        if isFirst, let warning = opened.lock.warning { trainer.warn(warning) }
        do {
            try begin(trainer, opened, place, communicator)
            try logs.open(in: place, warn: trainer.warn)
            let ending = try trainer.run()
            try trace?.write()
            if let totals = try trace?.totals() { trainer.recorder?.phases(totals) }
            try logs.end("step \(trainer.completedSteps), \(ending)", in: place, warn: trainer.warn)
            try communicator.barrier()
            trainer.close()
            return Result(ending: ending, path: place.path, step: trainer.completedSteps)
        } catch let failure as AgreedFailure where outlivesFailure {
            // All ranks are at the same place, so they can do this together.
            trainer.recorder?.close()
            trainer.close()
            throw failure
        }
    }

    /// Begins anew, or with the checkpoint to go on from.
    private func begin(_ trainer: Trainer, _ opened: OpenedPlace, _ place: RunPlace, _ communicator: any Communicator) throws {
        let checkpoint = try CheckpointCourier(communicator: communicator).share(in: opened.run) {
            isResumed ? try opened.checkpoint(in: place, warn: trainer.warn) : nil
        }
        guard let checkpoint else { return try trainer.begin { try place.store.recover() } }
        let isFirst = communicator.rank == 0
        let held = try communicator.agree { try isFirst && checkpoint.isHeld(by: place.store) }
        let isOwn = try !communicator.broadcast(held ? "own" : "", from: 0).isEmpty
        try trainer.resume(from: checkpoint, isOwn: isOwn) {
            try place.store.recover()
            guard opened.goesBack else { return }
            // What comes after it in the same run is history that a later resume must not return to.
            for path in try place.store.supersede(after: checkpoint.step, replacing: !isOwn) {
                trainer.warn("set aside: \(path)")
            }
        }
    }

    /// The run directory in which a checkpoint lies.
    private static func directory(of point: ResumePoint) throws -> String {
        if let run = point.run { return run }
        let checkpoint = try LoadedCheckpoint(path: point.checkpoint ?? "")
        throw Failure(
            .usage,
            "\(checkpoint.path): a checkpoint that is in no run directory; name the directory in which "
                + "the run goes on (--run)")
    }
}

/// A run directory with this rank's lock on it.
package struct OpenedPlace {
    let run: RunDirectory
    let lock: RunLock
    /// What the resume names, where it names something.
    private let point: ResumePoint?
    /// Whether that lies in this run directory.
    private let isInside: Bool

    private let mustGoOn: Bool

    init(_ run: RunDirectory, _ point: ResumePoint?, mustGoOn: Bool = false) throws {
        self.run = run
        self.mustGoOn = mustGoOn
        self.point = point
        isInside = try point?.lies(in: run) ?? true
        lock = try RunLock(run)
    }

    /// Whether the run goes back to a checkpoint that was chosen by name.
    var goesBack: Bool { isInside && point?.checkpoint != nil }

    /// What a resume goes on from; nil for a fresh start. Nothing is changed.
    func checkpoint(in place: RunPlace, warn: (String) -> Void) throws -> LoadedCheckpoint? {
        do {
            let checkpoint = try find(in: place, warn: warn)
            if !isInside, run.holdsRun, let checkpoint {
                throw Failure(
                    .cannotCreate,
                    "\(place.path): holds a run already, and \(checkpoint.path) is none of its "
                        + "checkpoints; go on with that run (--resume alone), or choose another directory (--run)")
            }
            return checkpoint
        } catch let failure as Failure where failure.code == .inputOutput {
            throw Failure(.inputOutput, failure.message + "; nothing was changed")
        }
    }

    private func find(in place: RunPlace, warn: (String) -> Void) throws -> LoadedCheckpoint? {
        if let named = point?.checkpoint { return try LoadedCheckpoint(path: named) }
        let other = isInside ? nil : point?.run
        let (store, path) = other.map { (CheckpointStore(runDirectory: $0), $0) } ?? (place.store, place.path)
        let (checkpoint, rejected) = try store.newestValid()
        for damaged in rejected { warn("\(damaged.path) is damaged and passed over: \(damaged.reason)") }
        if let checkpoint { return checkpoint }
        guard rejected.isEmpty else {
            throw Failure(
                .badData,
                "\(path): none of its \(rejected.count) checkpoints is valid "
                    + "(\(rejected[0].path): \(rejected[0].reason)); nothing was changed")
        }
        if other != nil { throw Failure(.missingInput, "\(path): no checkpoint was completed in this run yet") }
        guard !mustGoOn else {
            throw Failure(
                .missingInput,
                "\(path): no checkpoint is here, though the run has one; name a run directory that all hosts see, or keep the "
                    + "first of --hosts, which has it")
        }
        try place.requireNoHistory()
        warn("\(path): no checkpoint was completed in it; the run starts from the beginning")
        return nil
    }
}
