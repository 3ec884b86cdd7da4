import Checkpointing
import Foundation
import Launching
import Reporting
import Training

/// The run directory of a job that is started again where it fails, held by its launcher meanwhile.
final class RunHold: Sendable {
    /// The run directory.
    let path: String
    private let lock: LauncherLock

    /// Names and holds the directory in which `run` goes on or begins; one that it would make by itself is named here, so that
    /// every start has the same.
    /// - Throws: `Failure(.cannotCreate)` where another launcher has it, and what `TrainingRun.place` throws.
    init(_ run: TrainingRun) throws {
        path = try run.place()
        lock = try LauncherLock(path)
    }

    /// How the job is started again, at most so often. The directory is held as long as that lives.
    func restarts(most: Int) -> Restarts {
        Restarts(
            most: most, newestStep: { try? CheckpointStore(runDirectory: self.path).newestStep() },
            lastWords: { RankLog.lastLines(ofRank: $0, inRun: self.path) })
    }
}
