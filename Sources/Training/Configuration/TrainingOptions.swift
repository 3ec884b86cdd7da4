import Checkpointing
import Diagnostics
import Files
import Reporting

/// What the command line says of a run, beside the configuration.
package struct TrainingOptions: Sendable {
    /// A safetensors file to start from.
    package var initialWeights: String?
    /// The global step after which to stop; the run can be resumed.
    package var stopAfterStep: Int?
    /// The epoch after which to stop, likewise.
    package var stopAfterEpoch: Int?
    package var style = ProgressReporter.Style.lines
    package var usesColor = false
    /// Whether rank 0 prints the lines of `metrics.jsonl`, and nothing else.
    package var printsJSON = false
    /// Whether the run ends with a line that has the digest of its weights, also when quiet.
    package var printsDigest = true
    /// Whether each epoch ends with a line of how fast each rank computed.
    package var showsRankRates = false
    /// The width of the terminal that a person watches, which may change meanwhile.
    package var columns: @Sendable () -> Int = { 80 }

    /// The cores that this process may run on.
    package var availableCores = 1

    /// Whether rank 0 writes checkpoints, for which it needs memory.
    package var writesCheckpoints = true

    package init() {}

    /// The global step after which to stop before the run's own end; nil: at its end only.
    func stopStep(stepsPerEpoch: Int) -> Int? {
        let byEpoch = stopAfterEpoch.map { epochs in
            let steps = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
            return steps.overflow ? Int.max : steps.partialValue
        }
        return [stopAfterStep, byEpoch].compactMap { $0 }.min()
    }
}

/// Where a run lives and what it goes on from.
package struct RunPlace {
    package let path: String
    package let store: CheckpointStore
    private let run: RunDirectory
    private let fileSystem: any FileSystem

    package init(_ run: RunDirectory, fileSystem: any FileSystem = PosixFileSystem()) {
        self.run = run
        self.fileSystem = fileSystem
        path = run.path
        store = CheckpointStore(run, fileSystem: fileSystem)
    }

    /// The directory at a path, made where it is missing.
    package init(path: String) throws { self.init(try RunDirectory.open(path, resuming: true)) }

    /// The run directory, held open.
    func directory() throws -> Directory { try run.directory(fileSystem: fileSystem) }

    /// Refuses to begin anew where steps were logged, but no checkpoint is there: the log would be lost, and the
    /// checkpoints may lie on a disk that isn't mounted.
    package func requireNoHistory() throws {
        guard let last = try MetricsLog.lastLoggedStep(in: try directory()) else { return }
        throw Failure(
            .missingInput,
            "\(path): \(RunDirectory.log) tells of step \(last), but there is no checkpoint in "
                + "\(store.directory); bring it back (is its disk mounted?), or begin a new run in another directory (--run)")
    }
}

/// How a run ended.
package enum Ending: Sendable, Equatable {
    case finished
    /// Asked to stop by a signal; a checkpoint is there to go on from.
    case interrupted
}
