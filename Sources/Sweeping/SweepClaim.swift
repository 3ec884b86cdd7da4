import Diagnostics
import Files
import Foundation

/// A claim on one thing of a sweep: a trial, or the files that all share. A lock on a byte of a file (fcntl, of this open file), so
/// that the kernel gives it back when its holder dies, however it dies: groups of one job and jobs that know nothing of each other
/// are the same to it.
final class SweepClaim {
    static let fileName = ".sweep.lock"
    /// The byte of what all share; behind it there is one for each trial.
    static let shared = 0

    private let descriptor: Int32
    private let path: String
    private let fileSystem: any FileSystem

    static func byte(ofTrial trial: Int) -> Int { 1 + trial }

    /// Nil where another has it.
    /// - Throws: `Failure` with 73 where the file system has no locks, or the lock file is none of ours.
    init?(_ byte: Int, in directory: Directory) throws {
        fileSystem = directory.fileSystem
        let place = directory.at(Self.fileName)
        path = place.path
        do {
            descriptor = try fileSystem.openOrCreate(place, appending: false)
        } catch {
            try directory.require(Self.fileName, toBe: .file, orFailWith: .cannotCreate)
            throw error.failure(.cannotCreate)
        }
        // From here on `deinit` closes the descriptor.
        do {
            let status = try fileSystem.status(ofDescriptor: descriptor, path: path)
            guard status.kind == .file else {
                throw directory.foreign(Self.fileName, status.kind, expected: .file, .cannotCreate)
            }
            guard try fileSystem.tryLock(descriptor, bytes: byte..<byte + 1, exclusively: true, path: path) else { return nil }
        } catch let error as SystemError where [ENOLCK, ENOTSUP, EINVAL, ENOSYS].contains(error.code) {
            throw Failure(
                .cannotCreate,
                "\(path): this file system has no locks, which a sweep hands out its trials by; choose a directory on another one "
                    + "(--directory)")
        } catch let error as SystemError {
            throw error.failure(.cannotCreate)
        }
    }

    deinit { try? fileSystem.close(descriptor, path: path) }

    /// How long others may take with the files that all share, seconds: they write a few kilobytes.
    private static let patience = 60.0

    /// Does something with the files that all share, when nobody else does.
    /// - Throws: `Failure` with 74 where another doesn't let go of them.
    static func withSharedFiles<Value>(_ directory: Directory, _ body: () throws -> Value) throws -> Value {
        for _ in 0..<Int(patience * 50) {
            if let claim = try SweepClaim(shared, in: directory) {
                return try withExtendedLifetime(claim) { try body() }
            }
            usleep(20_000)
        }
        throw Failure(
            .inputOutput,
            "\(directory.path)/\(fileName): another process has been at the sweep's files for a minute; is it stopped? Let it go on, "
                + "or end it, and start this command again")
    }
}
