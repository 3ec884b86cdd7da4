import Foundation

/// A file that is being written and has no name yet, so that a process that is killed leaves nothing; a hidden name
/// where the file system can't do that. It is gone with its last owner, unless it was published.
final class Draft {
    let descriptor: Int32
    private let directory: String
    /// Its name in the directory, if it has one.
    private var name: String?

    /// `O_TMPFILE` of Linux's `fcntl.h`, which shows it to GNU sources only.
    private static let withoutName: Int32 = 0o20000000 | O_DIRECTORY

    /// - Parameter isNamed: asks for a hidden name, as where a file can't be without one.
    init(in directory: String, isNamed: Bool = false) throws(SystemError) {
        self.directory = directory
        // Published by its name in /proc.
        if !isNamed, access("/proc/self/fd", X_OK) == 0 {
            let unnamed = open(directory, O_RDWR | Self.withoutName | O_CLOEXEC, 0o666)
            if unnamed >= 0 {
                descriptor = unnamed
                return
            }
            // Kernels and file systems that don't know it take it for the opening of a directory.
            guard [EOPNOTSUPP, EISDIR, EINVAL].contains(errno) else {
                throw SystemError(call: "open", path: directory, code: errno, purpose: .output)
            }
        }
        let hidden = Self.freshName()
        descriptor = try check("open", directory, .output) {
            open(directory + "/" + hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        }
        name = hidden
    }

    deinit {
        close(descriptor)
        if let name { unlink(directory + "/" + name) }
    }

    /// Gives it the mode and owner of the file that it will replace; false where the owner can't be had.
    func takeOver(_ old: FileStatus) throws(SystemError) -> Bool {
        var own = stat()
        _ = try check("fstat", directory, .output) { fstat(descriptor, &own) }
        if own.st_uid != old.owner || own.st_gid != old.group {
            guard fchown(descriptor, old.owner, old.group) == 0 else { return false }
        }
        // After the owner: a change of owner takes mode bits away.
        _ = try check("fchmod", directory, .output) { fchmod(descriptor, old.mode) }
        return true
    }

    /// Makes it durable and gives it a name; what had the name is gone.
    func publish(in directory: String, as finalName: String, _ path: String) throws(SystemError) {
        _ = try check("fsync", path, .output) { fsync(descriptor) }
        let hidden: String
        if let name {
            hidden = name
        } else {
            hidden = Self.freshName()
            _ = try check("link", path, .output) {
                linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, directory + "/" + hidden, AT_SYMLINK_FOLLOW)
            }
            name = hidden
        }
        _ = try check("rename", path, .output) { rename(directory + "/" + hidden, directory + "/" + finalName) }
        name = nil
        // Durable is what it says; that the name is too can't be had on every file system.
        if let holder = try? Directory(Place(directory)) { try? holder.sync() }
    }

    /// Puts its bytes in the place of those of an open file.
    func copy(to target: Int32, _ path: String) throws(SystemError) {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        var offset = 0
        while true {
            let count = try check("read", path, .output) { pread(descriptor, piece.baseAddress, piece.count, offset) }
            if count == 0 { break }
            try OutputFile.write(UnsafeRawBufferPointer(rebasing: piece[..<count]), to: target, path)
            offset += count
        }
        _ = try check("ftruncate", path, .output) { ftruncate(target, offset) }
        _ = try check("fsync", path, .output) { fsync(target) }
    }

    /// Short, so that it fits wherever the final one does, and random: in a directory of all it can't be foreseen.
    private static func freshName() -> String {
        ".dtrain-" + String(UInt64.random(in: UInt64.min...UInt64.max), radix: 36)
    }
}
