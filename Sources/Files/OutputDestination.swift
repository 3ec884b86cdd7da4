import Diagnostics
import Foundation

/// What a path leads to that a person gave for an output.
enum OutputDestination {
    /// One of this process's descriptors, as `/dev/stdout` and `/dev/fd/3` name it, or the file that is open there.
    case descriptor(Int32)
    /// A pipe or device at this path.
    case special(String, FileStatus.Kind)
    /// A regular file at this path, or nothing yet; no link stands at its end.
    case file(String, FileStatus?)

    /// Follows the links at the end of the path, as open(2) would: what they lead to is where the bytes belong.
    /// - Throws: `Failure(.cannotCreate)` or a `SystemError`.
    init(_ path: String) throws {
        let fileSystem = PosixFileSystem()
        var real = path
        for _ in 0..<40 {
            guard let found = try Self.statusOfLink(real, named: path) else {
                // A name to be made. `out/` can't be a file's.
                guard !real.hasSuffix("/") else {
                    throw SystemError(call: "open", path: path, code: real.isEmpty ? ENOENT : EISDIR, purpose: .output)
                }
                self = .file(real, nil)
                return
            }
            switch found.kind {
            case .symbolicLink:
                if let number = Self.descriptor(at: real) {
                    self = .descriptor(number)
                    return
                }
                real = try Self.target(of: real, named: path)
            case .directory:
                throw Failure(.cannotCreate, "\(path): a directory, expected the name of a file")
            case .file:
                // Whoever has the file open as standard output goes on in it, rather than in one that took its place.
                for number in [STDOUT_FILENO, STDERR_FILENO] {
                    if let open = try? fileSystem.status(ofDescriptor: number, path: path), open.identity == found.identity {
                        self = .descriptor(number)
                        return
                    }
                }
                self = .file(real, found)
                return
            case .pipe, .device, .socket:
                self = .special(real, found.kind)
                return
            }
        }
        throw SystemError(call: "open", path: path, code: ELOOP, purpose: .output)
    }

    private static func statusOfLink(_ real: String, named path: String) throws(SystemError) -> FileStatus? {
        var information = stat()
        do {
            _ = try check("open", path, .output) { lstat(real, &information) }
        } catch  where error.code == ENOENT && !real.isEmpty {
            return nil
        }
        return FileStatus(information)
    }

    /// The number in `/proc/self/fd/1`, if the link is one of this process's descriptors.
    private static func descriptor(at link: String) -> Int32? {
        guard let parent = try? resolvedPath(parentDirectory(of: link)),
            parent == "/proc/\(getpid())/fd" || parent.hasPrefix("/proc/\(getpid())/task/")
        else { return nil }
        return Int32(lastComponent(of: link))
    }

    private static func target(of link: String, named path: String) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try check("readlink", path, .output) { readlink(link, &buffer, Int(PATH_MAX)) }
        let target = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return target.hasPrefix("/") ? target : parentDirectory(of: link) + "/" + target
    }
}
