import Diagnostics
import Files
import Foundation

/// The directory of one run: which one it is, and that it is there and can be written.
///
/// Every error is a `Failure(.cannotCreate)`, where nothing else is said.
package struct RunDirectory: Sendable, Equatable {
    package let path: String
    /// Whether a run had begun in it before it was opened.
    package let holdsRun: Bool

    /// Any of these in a directory makes it a run.
    private static let marks = ["config.yaml", "metrics.jsonl", "checkpoints"]

    /// Makes a new directory `runs/<name>`, or `<name>-2`, `-3`, … where it exists. Two processes that do so at once
    /// get two directories.
    /// - Precondition: `name` is the name of a file.
    package static func makeNumbered(_ name: String, under parent: String = "runs",
                                     fileSystem: any FileSystem = PosixFileSystem()) throws -> RunDirectory {
        precondition(!name.isEmpty && !name.contains("/"), "a run called \"\(name)\"")
        return try reportingSystemErrors(as: .cannotCreate) {
            try fileSystem.makeDirectories(parent)
            var number = 1
            while true {
                let path = parent + "/" + numbered(name, number)
                do {
                    try fileSystem.makeDirectory(path)
                    return RunDirectory(path: path, holdsRun: false)
                } catch let error as SystemError where error.code == EEXIST {
                    number += 1
                }
            }
        }
    }

    /// The newest directory that `makeNumbered` made for this name and that holds a run, for a resume without a path;
    /// nil if there is none.
    package static func newest(_ name: String, under parent: String = "runs",
                               fileSystem: any FileSystem = PosixFileSystem()) throws -> RunDirectory? {
        try reportingSystemErrors(as: .cannotCreate) {
            guard try fileSystem.status(of: parent)?.kind == .directory else { return nil }
            let numbers = try fileSystem.names(in: parent).compactMap { entry -> Int? in
                if entry == name { return 1 }
                guard entry.hasPrefix(name + "-"), let number = Int(entry.dropFirst(name.utf8.count + 1)),
                      number > 1, numbered(name, number) == entry else { return nil }
                return number
            }
            for number in numbers.sorted(by: >) {
                let path = parent + "/" + numbered(name, number)
                if try holdsRun(path, fileSystem) { return RunDirectory(path: path, holdsRun: true) }
            }
            return nil
        }
    }

    /// Opens the directory of a path, made where it is missing, with those above it.
    /// - Parameter resuming: whether a run may be in it already; else that is refused.
    package static func open(_ path: String, resuming: Bool,
                             fileSystem: any FileSystem = PosixFileSystem()) throws -> RunDirectory {
        let path = trimmingSlashes(path)
        if path.isEmpty { throw Failure(.cannotCreate, "the run directory has an empty path") }
        return try reportingSystemErrors(as: .cannotCreate) {
            if let status = try fileSystem.status(of: path), status.kind != .directory {
                throw Failure(.cannotCreate, "\(path): a file, expected a directory for the run")
            }
            try fileSystem.makeDirectories(path)
            try fileSystem.checkWritable(path)
            let holdsRun = try holdsRun(path, fileSystem)
            if holdsRun, !resuming {
                throw Failure(.cannotCreate, "\(path): holds a run already; go on with it (--resume) or choose another "
                    + "directory (--run)")
            }
            return RunDirectory(path: path, holdsRun: holdsRun)
        }
    }

    /// Whether a run has begun in the directory at `path`.
    /// - Throws: `Failure(.inputOutput)` if it can't be looked at.
    package static func isRun(_ path: String, fileSystem: any FileSystem = PosixFileSystem()) throws -> Bool {
        try reportingSystemErrors { try holdsRun(trimmingSlashes(path), fileSystem) }
    }

    private static func numbered(_ name: String, _ number: Int) -> String {
        number == 1 ? name : "\(name)-\(number)"
    }

    private static func holdsRun(_ path: String, _ fileSystem: any FileSystem) throws -> Bool {
        try marks.contains { try fileSystem.status(of: path + "/" + $0) != nil }
    }
}
