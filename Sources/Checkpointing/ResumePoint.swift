import Diagnostics
import Files

/// What `--resume CHECKPOINT` names, however the path is written: a checkpoint, and the run directory that it lies in.
///
/// The rule: a checkpoint inside a run directory goes on in that run; one from elsewhere needs a directory of its own. A
/// run directory stands for its newest valid checkpoint.
package struct ResumePoint: Sendable, Equatable {
    /// The checkpoint; nil for the newest valid one of `run`.
    package let checkpoint: String?
    /// The run directory that holds it; nil if none does.
    package let run: String?

    /// Follows the links of the path: the directory counts in which the checkpoint really lies.
    /// - Throws: `Failure(.missingInput)` where nothing is, `.inputOutput` where it can't be looked at.
    package init(_ path: String) throws {
        let path = trimmingSlashes(path)
        let real = try reportingSystemErrors { try Self.resolved(path) }
        guard let real else { throw Failure(.missingInput, "\(path): there is no checkpoint here") }
        if try RunDirectory.isRun(real) {
            checkpoint = nil
            run = shortened(real)
            return
        }
        checkpoint = shortened(real)
        let parent = parentDirectory(of: real)
        run = lastComponent(of: parent) == RunDirectory.checkpoints ? shortened(parentDirectory(of: parent)) : nil
    }

    /// Without links; a checkpoint that has stepped aside when its run was killed is there under its own name.
    private static func resolved(_ path: String) throws -> String? {
        if let real = try resolvedPath(path) { return real }
        let name = lastComponent(of: path)
        guard let parent = try resolvedPath(parentDirectory(of: path)),
            try resolvedPath(parent + "/" + CheckpointNames.replaced + name) != nil
        else { return nil }
        return parent + "/" + name
    }

    /// Whether it lies in this run.
    /// - Throws: `Failure(.inputOutput)` where that can't be looked at.
    package func lies(in directory: RunDirectory) throws -> Bool {
        guard let run else { return false }
        return try reportingSystemErrors { directory.isSame(as: try Directory(Place(run))) }
    }
}
