import Diagnostics
import Files
import Foundation

/// The directory of one run: which one it is, that it is there and can be written, and that what stands in it under the
/// names of a run is of the kind that a run makes.
///
/// The path may lead over links; they are the user's. Inside, no link is followed.
///
/// Every error is a `Failure(.cannotCreate)`, where nothing else is said.
package struct RunDirectory: Sendable, Equatable {
    package let path: String
    /// Whether a run had begun in it before it was opened.
    package let holdsRun: Bool
    private let identity: FileIdentity

    /// What a run keeps in its directory. Any of the first three makes it a run.
    static let checkpoints = "checkpoints"
    package static let configuration = "config.yaml"
    package static let log = "metrics.jsonl"
    package static let logs = "logs"
    static let lock = ".lock"

    private static let marks = [configuration, log, checkpoints]

    /// Makes a new directory `runs/<name>`, or `<name>-2`, `-3`, … where it exists. Two processes that do so at once
    /// get two directories.
    /// - Precondition: `name` is the name of a file.
    package static func makeNumbered(
        _ name: String, under parent: String = "runs",
        fileSystem: any FileSystem = PosixFileSystem()
    ) throws -> RunDirectory {
        precondition(!name.isEmpty && !name.contains("/"), "a run called \"\(name)\"")
        return try reportingSystemErrors(as: .cannotCreate) {
            try fileSystem.makeDirectories(parent)
            var number = 1
            while true {
                let path = parent + "/" + numbered(name, number)
                do {
                    try fileSystem.makeDirectory(Place(path))
                    return RunDirectory(
                        path: path, holdsRun: false,
                        identity: try Directory(Place(path), fileSystem: fileSystem).identity)
                } catch let error as SystemError where error.code == EEXIST {
                    number += 1
                }
            }
        }
    }

    /// The path that `makeNumbered` would make now. Another process may be faster.
    package static func nextNumbered(
        _ name: String, under parent: String = "runs", fileSystem: any FileSystem = PosixFileSystem()
    ) throws -> String {
        try reportingSystemErrors(as: .cannotCreate) {
            var number = 1
            while try fileSystem.status(of: Place(parent + "/" + numbered(name, number))) != nil { number += 1 }
            return parent + "/" + numbered(name, number)
        }
    }

    /// The newest directory that `makeNumbered` made for this name and that holds a run, for a resume without a path;
    /// nil if there is none.
    package static func newest(
        _ name: String, under parent: String = "runs",
        fileSystem: any FileSystem = PosixFileSystem()
    ) throws -> String? {
        try reportingSystemErrors(as: .cannotCreate) {
            guard try fileSystem.status(of: Place(parent))?.kind == .directory else { return nil }
            let numbers = try Directory(Place(parent), fileSystem: fileSystem).names().compactMap { entry -> Int? in
                if entry == name { return 1 }
                guard entry.hasPrefix(name + "-"), let number = Int(entry.dropFirst(name.utf8.count + 1)),
                    number > 1, numbered(name, number) == entry
                else { return nil }
                return number
            }
            return try numbers.sorted(by: >).map { parent + "/" + numbered(name, $0) }.first {
                try isRun($0, fileSystem: fileSystem)
            }
        }
    }

    /// Opens the directory of a path, made where it is missing, with those above it.
    /// - Parameter resuming: whether a run may be in it already; else that is refused.
    package static func open(
        _ path: String, resuming: Bool,
        fileSystem: any FileSystem = PosixFileSystem()
    ) throws -> RunDirectory {
        let path = trimmingSlashes(path)
        if path.isEmpty { throw Failure(.cannotCreate, "the run directory has an empty path") }
        return try reportingSystemErrors(as: .cannotCreate) {
            if let status = try fileSystem.status(of: Place(path)), status.kind != .directory {
                throw Failure(.cannotCreate, "\(path): \(status.kind), expected a directory for the run")
            }
            try fileSystem.makeDirectories(path)
            let directory = try Directory(Place(path), fileSystem: fileSystem)
            try fileSystem.checkWritable(directory)
            let holdsRun = try holdsRun(directory)
            if holdsRun, !resuming {
                throw Failure(
                    .cannotCreate,
                    "\(path): holds a run already; go on with it (--resume) or choose another "
                        + "directory (--run)")
            }
            for name in [lock, configuration, log] { try directory.require(name, toBe: .file, orFailWith: .cannotCreate) }
            for name in [checkpoints, logs] { try directory.require(name, toBe: .directory, orFailWith: .cannotCreate) }
            return RunDirectory(path: path, holdsRun: holdsRun, identity: directory.identity)
        }
    }

    /// Whether a run has begun in the directory at `path`.
    /// - Throws: `Failure(.inputOutput)` if it can't be looked at.
    package static func isRun(_ path: String, fileSystem: any FileSystem = PosixFileSystem()) throws -> Bool {
        try reportingSystemErrors {
            guard try fileSystem.status(of: Place(path))?.kind == .directory else { return false }
            return try holdsRun(try Directory(Place(path), fileSystem: fileSystem))
        }
    }

    /// The directory, held open.
    /// - Throws: `Failure(.inputOutput)` also where another directory has taken the place of the one that was opened.
    package func directory(fileSystem: any FileSystem = PosixFileSystem()) throws -> Directory {
        let directory = try reportingSystemErrors { try Directory(Place(path), fileSystem: fileSystem) }
        guard directory.identity == identity else {
            throw Failure(
                .inputOutput,
                "\(path): the run directory was replaced by another while it was in use; put the run's own back and go on with --resume"
            )
        }
        return directory
    }

    /// Whether `directory` is this one, whatever path it was opened by.
    func isSame(as directory: Directory) -> Bool { identity == directory.identity }

    /// Whether a job, or a launcher that may start one again, is at work in a run's directory; false also where that can't be told.
    package static func isInUse(_ directory: Directory) -> Bool {
        let place = directory.at(lock)
        let fileSystem = directory.fileSystem
        guard let descriptor = try? fileSystem.open(place) else { return false }
        defer { try? fileSystem.close(descriptor, path: place.path) }
        guard (try? fileSystem.status(ofDescriptor: descriptor, path: place.path))?.kind == .file else { return false }
        return (try? fileSystem.isLockedElsewhere(descriptor, bytes: 0..<Int.max, path: place.path)) ?? false
    }

    private static func numbered(_ name: String, _ number: Int) -> String {
        number == 1 ? name : "\(name)-\(number)"
    }

    private static func holdsRun(_ directory: Directory) throws -> Bool {
        try marks.contains { try directory.status(of: $0) != nil }
    }
}
