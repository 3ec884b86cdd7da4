import Diagnostics
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
/// `MetricsLog+Truncation.swift` cuts it back for a resume, `LoggedLine.swift` reads it.
package final class MetricsLog: LogSink {
    // Sendable: the path never changes; the descriptor is used by one thread at a time, the log writer's.
    package let path: String
    private let state: State
    private let syncFile: @Sendable (Int32) -> Int32

    private final class State: @unchecked Sendable {
        var descriptor: Int32
        /// A sync failed: the kernel may have dropped the pages, so a second sync would succeed and prove nothing.
        var mustRewrite = false

        init(descriptor: Int32) { self.descriptor = descriptor }
    }

    /// Opens the file for appending and makes it where it is missing. Throws 73 where that fails. A file that a killed
    /// run left goes through `truncate` before. `syncFile` is fsync(2), or a disk that fails in a test.
    package init(path: String, syncFile: @escaping @Sendable (Int32) -> Int32 = { fsync($0) }) throws {
        self.path = path
        self.syncFile = syncFile
        state = State(descriptor: try Self.open(path, O_WRONLY | O_APPEND | O_CREAT, .cannotCreate))
    }

    deinit { close(state.descriptor) }

    /// Appends; throws 74 with the system's reason where nothing could be written.
    package func append(_ bytes: ArraySlice<UInt8>) throws -> Int {
        precondition(!bytes.isEmpty, "nothing to append")
        return try Self.write(bytes, to: state.descriptor, path)
    }

    /// Makes everything appended durable. After a failed sync the file is written anew beside the old one and renamed.
    package func sync() throws {
        if state.mustRewrite {
            let bytes = [UInt8](try Self.contents(of: path))
            try Self.replace(path, with: bytes)
            let descriptor = try Self.open(path, O_WRONLY | O_APPEND, .inputOutput)
            close(state.descriptor)
            state.descriptor = descriptor
            state.mustRewrite = false
            return
        }
        guard syncFile(state.descriptor) == 0 else {
            state.mustRewrite = true
            throw Self.failure(path, "could not be synced to the disk")
        }
    }

    // MARK: - Files

    static func open(_ path: String, _ flags: Int32, _ code: ExitCode) throws -> Int32 {
        while true {
            let descriptor = Foundation.open(path, flags | O_CLOEXEC, 0o644)
            if descriptor >= 0 { return descriptor }
            guard errno == EINTR else { throw failure(path, "could not be opened", code) }
        }
    }

    static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32, _ path: String) throws -> Int {
        while true {
            let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { return count }
            guard count < 0, errno == EINTR else { throw failure(path, "could not be written") }
        }
    }

    static func contents(of path: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw Failure(.inputOutput, "\(path): could not be read; check the disk and the file's permissions")
        }
    }

    /// Puts a new file in the place of `path`: written beside it, synced, renamed, its directory synced. The old file
    /// is whole until the new one is.
    static func replace(_ path: String, with bytes: [UInt8]) throws {
        let temporary = path + ".new"
        do {
            let descriptor = try open(temporary, O_WRONLY | O_CREAT | O_TRUNC, .inputOutput)
            defer { close(descriptor) }
            var rest = bytes[...]
            while !rest.isEmpty { rest = rest.dropFirst(try write(rest, to: descriptor, temporary)) }
            guard fsync(descriptor) == 0 else { throw failure(temporary, "could not be synced to the disk") }
            guard rename(temporary, path) == 0 else { throw failure(temporary, "could not be renamed to \(path)") }
        } catch {
            unlink(temporary)
            throw error
        }
        let parent = (path as NSString).deletingLastPathComponent
        let directory = try open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY, .inputOutput)
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure(parent, "the directory could not be synced to the disk") }
    }

    /// The error of the system call that has just failed.
    static func failure(_ path: String, _ what: String, _ code: ExitCode = .inputOutput) -> Failure {
        let reason = errno
        return Failure(code, "\(path): \(what): \(String(cString: strerror(reason)))"
            + (reason == ENOSPC || reason == EDQUOT ? "; free some space" : ""))
    }
}
