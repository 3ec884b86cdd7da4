import Diagnostics
import Foundation
import Timing

/// A file that a command writes for a person: what was there stays until the new one is complete.
///
/// A regular file is written under no name, or a hidden one, in the directory where it belongs, and takes its place by a
/// rename in `commit`, with the old one's mode and owner. So the input may be the output, and a command that fails or is
/// killed leaves the old file. A link keeps leading where it led: what it leads to is replaced. Pipes, devices and
/// descriptors (`/dev/stdout`) are written into as the bytes come. A file that can't be replaced, because its directory
/// or its owner is another's, is overwritten in `commit`, from a copy.
package final class OutputFile {
    /// How the bytes come to where they belong.
    private enum Way {
        /// Straight into what is open.
        case direct
        /// A rename of a new file in this directory to this name.
        case replacing(Draft, directory: String, name: String)
        /// Out of an unnamed file into the old one.
        case overwriting(Draft)
    }

    private let path: String
    /// What `write` writes to.
    private let descriptor: Int32
    /// The old file of `overwriting`.
    private var target: Int32 = -1
    private let way: Way

    /// How long somebody may take to open the other end of a pipe, seconds.
    private static let pipePatience = 5.0

    /// Makes sure that the file can be written; nothing that is there changes yet.
    /// - Parameter namesDraft: writes under a hidden name, as on file systems that have no files without one.
    /// - Throws: `Failure(.cannotCreate)`.
    package init(path: String, namesDraft: Bool = false) throws {
        self.path = path
        do {
            let destination = try OutputDestination(path)
            switch destination {
            case .descriptor(let number):
                descriptor = try check("dup", path, .output) { fcntl(number, F_DUPFD_CLOEXEC, 3) }
                way = .direct
            case .special(let real, let kind):
                descriptor = try Self.openSpecial(real, kind, named: path)
                way = .direct
            case .file(let real, let old):
                let directory = parentDirectory(of: real)
                let name = lastComponent(of: real)
                if let draft = try Self.draft(in: directory, replacing: old, name: name, path, isNamed: namesDraft) {
                    descriptor = draft.descriptor
                    way = .replacing(draft, directory: directory, name: name)
                } else {
                    target = try check("open", path, .output) { Foundation.open(real, O_WRONLY | O_CLOEXEC | O_NOCTTY) }
                    let draft: Draft
                    do {
                        draft = try Draft(in: NSTemporaryDirectory())
                    } catch {
                        close(target)
                        throw error
                    }
                    descriptor = draft.descriptor
                    way = .overwriting(draft)
                }
            }
        } catch let error as SystemError {
            throw error.failure(.cannotCreate)
        }
    }

    deinit {
        if case .direct = way { close(descriptor) }
        if target >= 0 { close(target) }
    }

    /// Appends bytes.
    /// - Throws: `SystemError`: `EPIPE` where the reader of a pipe has gone.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) { try Self.write(bytes, to: descriptor, path) }

    /// Whether what was written can be changed; not in a pipe.
    package var canChange: Bool {
        if case .direct = way { false } else { true }
    }

    /// Writes over bytes from `offset` on that were written before.
    /// - Precondition: `canChange`.
    package func change(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        precondition(canChange, "a change of what has gone through a pipe")
        var rest = bytes
        var offset = offset
        while !rest.isEmpty {
            let count = try check("pwrite", path, .output) { pwrite(descriptor, rest.baseAddress, rest.count, offset) }
            if count == 0 { throw SystemError(call: "pwrite", path: path, code: ENOSPC, purpose: .output) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            offset += count
        }
    }

    /// Puts the file in its place, durably. Without it nothing has changed, where something could be kept.
    package func commit() throws(SystemError) {
        switch way {
        case .direct: return
        case .replacing(let draft, let directory, let name):
            try draft.publish(in: directory, as: name, path)
        case .overwriting(let draft):
            try draft.copy(to: target, path)
        }
    }

    /// A new file beside the old one, with its mode and owner; nil where the old one can only be overwritten: its
    /// directory can't be written, or its owner can't be given to another file.
    private static func draft(
        in directory: String, replacing old: FileStatus?, name: String,
        _ path: String, isNamed: Bool
    ) throws(SystemError) -> Draft? {
        let draft: Draft
        do {
            draft = try Draft(in: directory, isNamed: isNamed)
        } catch {
            if old != nil, [EACCES, EPERM, EROFS].contains(error.code) { return nil }
            throw SystemError(call: "open", path: path, code: error.code, purpose: .output)
        }
        guard let old else { return draft }
        // A read-only file isn't ours to replace, though its directory would allow it.
        guard access(directory + "/" + name, W_OK) == 0 else {
            throw SystemError(call: "open", path: path, code: errno, purpose: .output)
        }
        guard try mayReplace(old, in: directory) else { return nil }
        return try draft.takeOver(old) ? draft : nil
    }

    /// Whether a rename may take the old file's name away: not in a sticky directory (as /tmp is) of somebody else.
    private static func mayReplace(_ old: FileStatus, in directory: String) throws(SystemError) -> Bool {
        guard let holder = try PosixFileSystem().status(of: Place(directory)), holder.mode & S_ISVTX != 0 else {
            return true
        }
        return [0, old.owner, holder.owner].contains(geteuid())
    }

    private static func openSpecial(_ real: String, _ kind: FileStatus.Kind, named path: String) throws -> Int32 {
        let start = MonotonicClock.seconds
        while true {
            // Without O_NONBLOCK a pipe that nobody reads would be waited for without an end.
            let descriptor = Foundation.open(real, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
                return descriptor
            }
            let code = errno
            guard code == EINTR || code == ENXIO && kind == .pipe else {
                throw SystemError(call: "open", path: path, code: code, purpose: .output)
            }
            guard MonotonicClock.seconds - start < pipePatience else {
                throw Failure(.cannotCreate, "\(path): nobody reads from this pipe; start the reader first")
            }
            usleep(20_000)
        }
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = try check("write", path, .output) { Foundation.write(descriptor, rest.baseAddress, rest.count) }
            if count == 0 { throw SystemError(call: "write", path: path, code: ENOSPC, purpose: .output) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }
}
