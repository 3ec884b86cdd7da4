import Checkpointing
import Files
import Reporting

/// What the command line says of a run, beside the configuration.
package struct TrainingOptions: Sendable {
    /// A safetensors file to start from.
    package var initialWeights: String?
    /// The global step after which to stop; the run can be resumed.
    package var stopAfterStep: Int?
    package var style = ProgressReporter.Style.lines
    /// The width of the terminal that a person watches, as the launcher tells it.
    package var columns = 80

    /// The cores that this process may run on.
    package var availableCores = 1

    /// Whether rank 0 writes checkpoints, for which it needs memory.
    package var writesCheckpoints = true

    package init() {}
}

/// Where a run lives and what it goes on from. Rank 0 alone holds it.
package struct RunPlace {
    package let path: String
    package let store: CheckpointStore

    package init(path: String) {
        self.path = path
        store = CheckpointStore(runDirectory: path)
    }

    /// Whether the checkpoint is a numbered one of this run, whatever path it was named by.
    package func holds(_ checkpoint: LoadedCheckpoint) throws -> Bool {
        let fileSystem = PosixFileSystem()
        do {
            let own = try fileSystem.status(of: store.path(ofStep: checkpoint.step))
            let given = try fileSystem.status(of: checkpoint.path)
            return own != nil && own?.device == given?.device && own?.inode == given?.inode
        } catch {
            throw error.failure()
        }
    }

    var logPath: String { path + "/metrics.jsonl" }
    var configurationPath: String { path + "/config.yaml" }
}

/// How a run ended.
package enum Ending: Sendable, Equatable {
    case finished
    /// Asked to stop by a signal; a checkpoint is there to go on from.
    case interrupted
}
