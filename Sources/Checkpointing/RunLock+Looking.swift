import Diagnostics
import Files
import Foundation

extension RunLock {
    /// Whether a job, or a launcher that may start one again, has the run directory now, as its locks tell. Nothing is locked or
    /// changed. Nil where the file system has no locks.
    /// - Throws: `Failure(.inputOutput)` where the lock file is there and can't be looked at.
    package static func isHeld(in run: Directory) throws -> Bool? {
        let place = run.at(RunDirectory.lock)
        let fileSystem = run.fileSystem
        return try reportingSystemErrors {
            guard let status = try fileSystem.status(of: place), status.kind == .file else { return false }
            let descriptor = try fileSystem.open(place)
            defer { try? fileSystem.close(descriptor, path: place.path) }
            do {
                return try fileSystem.isLockedElsewhere(descriptor, bytes: 0..<Int.max, path: place.path)
            } catch let error as SystemError where meansNoLocks(error) {
                return nil
            }
        }
    }
}
