import Diagnostics
import Files
import Foundation

/// Where the log writer's bytes go. A protocol, so that tests can give it a disk that is slow or full.
package protocol LogSink: AnyObject, Sendable {
    /// Appends a beginning of `bytes` and returns how long it was, at least 1; the rest is offered again. Throws where
    /// nothing could be written.
    func append(_ bytes: ArraySlice<UInt8>) throws -> Int
    /// Makes everything appended durable.
    func sync() throws
}

/// `metrics.jsonl`: one JSON object per line, appended.
///
/// It is a name in a run directory that is held open: a link under this name, or anything but a file, is refused. A file
/// with a second name elsewhere (a hard link) is copied first, so that what has that name stays as it is.
///
/// `MetricsLog+Truncation.swift` cuts it back for a resume, `LoggedLine.swift` reads it.
package final class MetricsLog: LogSink {
    package static let fileName = "metrics.jsonl"

    // Sendable: the directory never changes; the state is used by one thread at a time, the log writer's.
    private let directory: Directory
    private let path: String
    private let state: State

    private final class State: @unchecked Sendable {
        var descriptor: Int32
        /// A sync failed: the kernel may have dropped the pages, so a second sync would succeed and prove nothing.
        var mustRewrite = false

        init(descriptor: Int32) { self.descriptor = descriptor }
    }

    /// Opens the file for appending and makes it where it is missing. Throws 73 where that fails. A file that a killed
    /// run left goes through `truncate` before.
    package init(in directory: Directory) throws {
        self.directory = directory
        path = directory.at(Self.fileName).path
        if let status = try reportingSystemErrors(as: .cannotCreate, { try directory.status(of: Self.fileName) }),
            status.kind == .file, status.linkCount > 1
        {
            try Self.rewrite(in: directory)
        }
        state = State(descriptor: try Self.open(in: directory))
    }

    deinit { try? directory.fileSystem.close(state.descriptor, path: path) }

    /// Appends; throws 74 with the system's reason where nothing could be written.
    package func append(_ bytes: ArraySlice<UInt8>) throws -> Int {
        precondition(!bytes.isEmpty, "nothing to append")
        return try reportingSystemErrors {
            let count = try bytes.withUnsafeBytes { try directory.fileSystem.write($0, to: state.descriptor, path: path) }
            guard count > 0 else { throw SystemError(call: "write", path: path, code: ENOSPC) }
            return count
        }
    }

    /// Makes everything appended durable. After a failed sync the file is written anew beside the old one and renamed.
    package func sync() throws {
        if state.mustRewrite {
            try Self.rewrite(in: directory)
            let descriptor = try Self.open(in: directory)
            try? directory.fileSystem.close(state.descriptor, path: path)
            state.descriptor = descriptor
            state.mustRewrite = false
            return
        }
        do {
            try directory.fileSystem.sync(state.descriptor, path: path)
        } catch {
            state.mustRewrite = true
            throw error.failure()
        }
    }

    private static func open(in directory: Directory) throws -> Int32 {
        let place = directory.at(fileName)
        let fileSystem = directory.fileSystem
        let descriptor: Int32
        do {
            descriptor = try fileSystem.openOrCreate(place, appending: true)
        } catch {
            try directory.require(fileName, toBe: .file, orFailWith: .cannotCreate)
            throw error.failure(.cannotCreate)
        }
        do {
            let status = try fileSystem.status(ofDescriptor: descriptor, path: place.path)
            guard status.kind == .file else {
                throw directory.foreign(fileName, status.kind, expected: .file, .cannotCreate)
            }
            return descriptor
        } catch {
            try? fileSystem.close(descriptor, path: place.path)
            throw (error as? SystemError)?.failure(.cannotCreate) ?? error
        }
    }

    /// Puts a copy in the place of the file: written beside it, synced, renamed.
    private static func rewrite(in directory: Directory) throws {
        let old = try InputFile(directory.at(fileName), fileSystem: directory.fileSystem)
        try directory.replaceFile(fileName) { sink in try old.pass(to: sink) }
    }
}
