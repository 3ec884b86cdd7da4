import Diagnostics
import Files
import Foundation
import Timing

/// Keeps two jobs out of one run directory, and a new job off until the last rank of a killed one is gone. The system
/// drops a lock when its holder dies, however it dies; nothing has to be cleaned up.
///
/// The locks are on bytes of the file `.lock` in the run directory (fcntl, which NFS knows too; it belongs to the open
/// file, so other descriptors of the file can come and go):
/// - byte 0, exclusive: the one process that writes, rank 0 of the job that has the directory;
/// - byte 1, exclusive, same process: its job was let in;
/// - byte 2, exclusive: a launcher that may start its job again (`LauncherLock`);
/// - a byte of the job's own (`JobIdentity.lockByte`), shared: every rank, from before `MPI_Init` until it dies.
///
/// Every rank makes a `RunLock`; rank 0 then calls `claim`. It takes byte 0, then waits until no byte outside the
/// control bytes and its own job's is locked: those are ranks of other jobs. If byte 0 is taken but byte 1 is not, a
/// rival is just starting; the later one gives up soon, so that the earlier one finds its ranks gone. If byte 1 is
/// taken too, that job either runs, and time runs out, or dies, and the wait ends.
package final class RunLock: Sendable {
    /// Says why nothing is locked, where the file system can't; then `claim` succeeds at once.
    package let warning: String?
    private let path: String
    private let job: JobIdentity
    private let descriptor: Int32
    private let fileSystem: any FileSystem

    private static let ownerByte = 0..<1
    private static let admittedByte = 1..<2
    static let launcherByte = 2..<3
    /// How long a starting rival is given to die, if it does; seconds.
    private static let rivalPatience = 1.0

    /// Takes the job's shared lock, for as long as this object lives.
    /// - Throws: `Failure(.cannotCreate)` if the lock file can't be made, or is none of this run's own.
    package init(
        _ run: RunDirectory, job: JobIdentity = JobIdentity(),
        fileSystem: any FileSystem = PosixFileSystem()
    ) throws {
        self.job = job
        self.fileSystem = fileSystem
        let directory = try run.directory(fileSystem: fileSystem)
        let (descriptor, path) = try Self.openFile(in: directory)
        self.descriptor = descriptor
        self.path = path
        do {
            let isHeld = try fileSystem.tryLock(
                descriptor, bytes: job.lockByte..<job.lockByte + 1,
                exclusively: false, path: path)
            warning =
                isHeld
                ? nil
                : "\(path): locked by another program, so a second job in this directory would not be noticed; don't start one"
        } catch  where Self.meansNoLocks(error) {
            warning =
                "\(path): this file system has no locks, so a second job in this directory would not be noticed; don't start one"
        } catch {
            try? fileSystem.close(descriptor, path: path)
            throw error.failure(.cannotCreate)
        }
    }

    deinit { try? fileSystem.close(descriptor, path: path) }

    /// Opens the lock file of a run directory, or makes it.
    /// - Throws: `Failure(.cannotCreate)` if that can't be done, or it is none of this run's own.
    static func openFile(in directory: Directory) throws -> (descriptor: Int32, path: String) {
        let place = directory.at(RunDirectory.lock)
        let fileSystem = directory.fileSystem
        let descriptor: Int32
        do {
            descriptor = try fileSystem.openOrCreate(place, appending: false)
        } catch {
            try directory.require(RunDirectory.lock, toBe: .file, orFailWith: .cannotCreate)
            throw error.failure(.cannotCreate)
        }
        do {
            let status = try fileSystem.status(ofDescriptor: descriptor, path: place.path)
            guard status.kind == .file else {
                throw directory.foreign(RunDirectory.lock, status.kind, expected: .file, .cannotCreate)
            }
            // The owner's name is written into it: under its other name it may be anything.
            guard status.linkCount <= 1 else {
                throw Failure(
                    .cannotCreate,
                    "\(place.path): a file with \(status.linkCount) names (hard links), expected one "
                        + "of this run alone; remove it, if no job is at work here")
            }
            return (descriptor, place.path)
        } catch {
            try? fileSystem.close(descriptor, path: place.path)
            throw (error as? SystemError)?.failure(.cannotCreate) ?? error
        }
    }

    /// Makes this process, rank 0, the owner of the run directory until it dies.
    /// - Parameters:
    ///   - patience: how long the ranks of an older job have to go, seconds.
    ///   - belongsToLauncher: whether the launcher that may hold the directory is this job's own.
    /// - Throws: `Failure(.cannotCreate)` that names the job which has the directory.
    package func claim(patience: Double = 5, belongsToLauncher: Bool = false) throws {
        if warning != nil { return }
        try reportingSystemErrors {
            if !belongsToLauncher, try fileSystem.isLockedElsewhere(descriptor, bytes: Self.launcherByte, path: path) {
                throw inUse("held for its next start by the launcher of")
            }
            let start = MonotonicClock.seconds
            while try !fileSystem.tryLock(descriptor, bytes: Self.ownerByte, exclusively: true, path: path) {
                let isAdmitted = try fileSystem.isLockedElsewhere(descriptor, bytes: Self.admittedByte, path: path)
                let limit = isAdmitted ? patience : min(patience, Self.rivalPatience)
                if MonotonicClock.seconds - start >= limit { throw inUse(isAdmitted ? "in use by" : "just being started by") }
                pause()
            }
            while try isHeldByOtherJobs() {
                if MonotonicClock.seconds - start >= patience { throw inUse("still in use by ranks of") }
                pause()
            }
            _ = try fileSystem.tryLock(descriptor, bytes: Self.admittedByte, exclusively: true, path: path)
            try writeOwner()
        }
    }

    /// Whether a byte is locked that is neither a control byte nor this job's own.
    private func isHeldByOtherJobs() throws -> Bool {
        let own = job.lockByte
        let below = Self.launcherByte.upperBound..<own
        let above = own + 1..<Int.max
        return try fileSystem.isLockedElsewhere(descriptor, bytes: below, path: path)
            || fileSystem.isLockedElsewhere(descriptor, bytes: above, path: path)
    }

    /// Leaves the owner's name in the file, for the message that a later job prints. No lock depends on it.
    private func writeOwner() throws {
        try fileSystem.truncate(descriptor, to: 0, path: path)
        let process = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
        // A lone process is its own job.
        let text = Array((job.name == process ? process + "\n" : "\(job.name), \(process)\n").utf8)
        try text.withUnsafeBytes { bytes in try fileSystem.writeAll(bytes, to: descriptor, path: path) }
    }

    private func inUse(_ how: String) -> Failure {
        var text = [UInt8](repeating: 0, count: 200)
        let count = text.withUnsafeMutableBytes { bytes in
            (try? fileSystem.readAll(into: bytes, from: descriptor, at: 0, path: path)) ?? 0
        }
        let owner = String(decoding: text.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return Failure(
            .cannotCreate,
            "\(parentDirectory(of: path)): \(how) another job"
                + (owner.isEmpty ? "" : " (\(owner))") + "; wait for it, stop it, or choose another directory (--run)")
    }

    private func pause() { usleep(20_000) }

    static func meansNoLocks(_ error: SystemError) -> Bool {
        error.call == "fcntl" && [ENOLCK, ENOTSUP, EINVAL, ENOSYS].contains(error.code)
    }
}
