import Diagnostics
import Foundation

/// Reads a file that a person wrote, whole, and never more of it than is asked for.
package struct SmallFile {
    /// What messages call it: `configuration`.
    let what: String
    /// More bytes are refused.
    let largestByteCount: Int
    /// The exit code for what isn't such a file: a directory, a device, too long.
    let misfit: ExitCode

    package init(_ what: String, largestByteCount: Int, misfit: ExitCode) {
        self.what = what
        self.largestByteCount = largestByteCount
        self.misfit = misfit
    }

    /// The bytes of the file at `path`.
    ///
    /// A pipe that this process was started with (`/dev/stdin`, a shell's `<(…)`) is read to its end. A named pipe is
    /// refused, since nobody may ever write into it, and so is a device.
    /// - Throws: `Failure`: 66 if nothing is there, 74 if it can't be read, `misfit` if it is no file or too long.
    package func bytes(at path: String) throws -> [UInt8] {
        // Without O_NONBLOCK the open of a named pipe waits for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { throw missing(path) }
            throw Failure(.inputOutput, "\(path): the \(what) can't be opened: \(String(cString: strerror(code)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw Failure(misfit, "\(path) is a directory; expected a \(what) file")
        case S_IFIFO where Self.isInherited(path):
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        default:
            throw Failure(misfit, "\(path): a named pipe, socket or device; expected a \(what) file")
        }
        return try read(descriptor, path)
    }

    /// Whether a path names a descriptor that this process was started with.
    package static func isInherited(_ path: String) -> Bool {
        path == "/dev/stdin" || ["/dev/fd/", "/proc/self/fd/"].contains { path.hasPrefix($0) }
    }

    private func read(_ descriptor: Int32, _ path: String) throws -> [UInt8] {
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR { continue }
                throw unreadable(path)
            }
            content += piece[..<count]
            if content.count > largestByteCount {
                throw Failure(
                    misfit,
                    "\(path): more than \(largestByteCount) bytes, which no \(what) has; is it the right "
                        + "file?")
            }
        }
    }

    private func missing(_ path: String) -> Failure {
        Failure(
            .missingInput,
            "\(path.isEmpty ? "\"\"" : path): no such \(what) file (paths are relative to the working "
                + "directory)")
    }

    private func unreadable(_ path: String) -> Failure {
        Failure(.inputOutput, "\(path): the \(what) can't be read: \(String(cString: strerror(errno)))")
    }
}
