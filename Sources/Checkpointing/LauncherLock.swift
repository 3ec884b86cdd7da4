import Diagnostics
import Files

/// Keeps other launchers and other jobs out of a run directory while a launcher may start its job again: between two starts no
/// rank holds a lock. A byte of the same file as `RunLock`'s; the launcher's own ranks are told that it is theirs.
package final class LauncherLock: Sendable {
    private let descriptor: Int32
    private let path: String
    private let fileSystem: any FileSystem

    /// Takes the lock for as long as this object lives; the directory is made where it is missing. A file system without locks
    /// is left to the job, which warns of it.
    /// - Throws: `Failure(.cannotCreate)` where another launcher has it, or the directory can't be made.
    package init(_ path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        let run = try RunDirectory.open(path, resuming: true, fileSystem: fileSystem)
        let directory = try run.directory(fileSystem: fileSystem)
        let file = try RunLock.openFile(in: directory)
        descriptor = file.descriptor
        self.path = file.path
        self.fileSystem = fileSystem
        do {
            guard try fileSystem.tryLock(descriptor, bytes: RunLock.launcherByte, exclusively: true, path: file.path) else {
                throw Failure(
                    .cannotCreate,
                    "\(run.path): in use by another launcher, which starts its job again where that fails (--restart); wait for "
                        + "it, stop it, or choose another directory (--run)")
            }
        } catch let error as SystemError where RunLock.meansNoLocks(error) {
            return
        } catch let error as SystemError {
            throw error.failure(.cannotCreate)
        }
    }

    deinit { try? fileSystem.close(descriptor, path: path) }
}
