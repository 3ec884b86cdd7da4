import Foundation

/// What lies at a path.
package struct FileStatus: Equatable, Sendable {
    package enum Kind: Sendable {
        case file, directory, other
    }

    package let kind: Kind
    package let byteCount: Int
    /// Device and inode: two paths with the same pair are the same file or directory.
    package let device: UInt64
    package let inode: UInt64
}

/// The calls that a run directory needs from the system, and the only way to it from here: each checks its result,
/// goes on after an interruption (`EINTR`) and throws what failed. Tests put a disk in its place that fills up,
/// breaks, or dies in the middle of a checkpoint.
///
/// Descriptors are closed on `exec`, so that no child keeps a file or a lock.
package protocol FileSystem: Sendable {
    /// Opens a new file for writing; fails with `EEXIST` where one is.
    func create(_ path: String) throws(SystemError) -> Int32
    /// Opens a file or directory for reading and syncing.
    func open(_ path: String) throws(SystemError) -> Int32
    /// Opens a file for reading, writing and locking, and makes an empty one where there is none.
    func openOrCreate(_ path: String) throws(SystemError) -> Int32
    /// Writes the beginning of `bytes`, as much as the system takes, and returns how much that was.
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(SystemError) -> Int
    /// Reads at `offset` and returns how many bytes came; 0 at the end of the file.
    func read(into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
              path: String) throws(SystemError) -> Int
    /// Waits until the file or directory is on the disk. After an error the state of the file is unknown and a second
    /// call may report success without cause: write it anew.
    func sync(_ descriptor: Int32, path: String) throws(SystemError)
    func close(_ descriptor: Int32, path: String) throws(SystemError)
    func truncate(_ descriptor: Int32, to byteCount: Int, path: String) throws(SystemError)
    func status(ofDescriptor descriptor: Int32, path: String) throws(SystemError) -> FileStatus
    /// What is at `path`, or nil if nothing is there.
    func status(of path: String) throws(SystemError) -> FileStatus?
    func makeDirectory(_ path: String) throws(SystemError)
    func rename(_ old: String, to new: String) throws(SystemError)
    /// A second name for a file. Not every file system has them.
    func link(_ existing: String, to new: String) throws(SystemError)
    func removeFile(_ path: String) throws(SystemError)
    func removeDirectory(_ path: String) throws(SystemError)
    /// The names in a directory, sorted, without `.` and `..`.
    func names(in directory: String) throws(SystemError) -> [String]
    /// Whether this process may make files in the directory.
    func checkWritable(_ directory: String) throws(SystemError)
    /// Locks bytes of a file for this description of it; false if another description holds a conflicting lock.
    func tryLock(_ descriptor: Int32, bytes: Range<Int>, exclusively: Bool, path: String) throws(SystemError) -> Bool
    /// Whether another description of the file holds any lock in these bytes.
    func isLockedElsewhere(_ descriptor: Int32, bytes: Range<Int>, path: String) throws(SystemError) -> Bool
}

/// The real file system.
package struct PosixFileSystem: FileSystem {
    package init() {}

    package func create(_ path: String) throws(SystemError) -> Int32 {
        try check("open", path) { Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    }

    package func open(_ path: String) throws(SystemError) -> Int32 {
        try check("open", path) { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    }

    package func openOrCreate(_ path: String) throws(SystemError) -> Int32 {
        try check("open", path) { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32,
                       path: String) throws(SystemError) -> Int {
        try check("write", path) { Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    package func read(into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
                      path: String) throws(SystemError) -> Int {
        try check("read", path) { pread(descriptor, bytes.baseAddress, bytes.count, offset) }
    }

    package func sync(_ descriptor: Int32, path: String) throws(SystemError) {
        _ = try check("fsync", path) { fsync(descriptor) }
    }

    package func close(_ descriptor: Int32, path: String) throws(SystemError) {
        // Linux frees the descriptor even when the call is interrupted: never repeated.
        if Glibc.close(descriptor) != 0, errno != EINTR {
            throw SystemError(call: "close", path: path, code: errno)
        }
    }

    package func truncate(_ descriptor: Int32, to byteCount: Int, path: String) throws(SystemError) {
        _ = try check("ftruncate", path) { ftruncate(descriptor, byteCount) }
    }

    package func status(ofDescriptor descriptor: Int32, path: String) throws(SystemError) -> FileStatus {
        var information = stat()
        _ = try check("fstat", path) { fstat(descriptor, &information) }
        return FileStatus(information)
    }

    package func status(of path: String) throws(SystemError) -> FileStatus? {
        var information = stat()
        do {
            _ = try check("stat", path) { stat(path, &information) }
        } catch where error.code == ENOENT || error.code == ENOTDIR {
            return nil
        }
        return FileStatus(information)
    }

    package func makeDirectory(_ path: String) throws(SystemError) {
        _ = try check("mkdir", path) { mkdir(path, 0o777) }
    }

    package func rename(_ old: String, to new: String) throws(SystemError) {
        _ = try check("rename", new) { Glibc.rename(old, new) }
    }

    package func link(_ existing: String, to new: String) throws(SystemError) {
        _ = try check("link", new) { Glibc.link(existing, new) }
    }

    package func removeFile(_ path: String) throws(SystemError) {
        _ = try check("unlink", path) { unlink(path) }
    }

    package func removeDirectory(_ path: String) throws(SystemError) {
        _ = try check("rmdir", path) { rmdir(path) }
    }

    package func names(in directory: String) throws(SystemError) -> [String] {
        guard let stream = opendir(directory) else {
            throw SystemError(call: "opendir", path: directory, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            // The name is the zero-terminated text in the record's last field.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        if errno != 0 { throw SystemError(call: "readdir", path: directory, code: errno) }
        return names.sorted()
    }

    package func checkWritable(_ directory: String) throws(SystemError) {
        _ = try check("access", directory) { access(directory, W_OK | X_OK) }
    }

    package func tryLock(_ descriptor: Int32, bytes: Range<Int>, exclusively: Bool,
                         path: String) throws(SystemError) -> Bool {
        var region = lockRegion(bytes, exclusively ? F_WRLCK : F_RDLCK)
        do {
            _ = try check("fcntl", path) { fcntl(descriptor, setOpenFileLock, &region) }
            return true
        } catch where error.code == EAGAIN || error.code == EACCES {
            return false
        }
    }

    package func isLockedElsewhere(_ descriptor: Int32, bytes: Range<Int>,
                                   path: String) throws(SystemError) -> Bool {
        if bytes.isEmpty { return false }
        // Asks whether a write lock could be had: every lock of another description stands in its way.
        var region = lockRegion(bytes, F_WRLCK)
        _ = try check("fcntl", path) { fcntl(descriptor, getOpenFileLock, &region) }
        return region.l_type != Int16(F_UNLCK)
    }

    private func lockRegion(_ bytes: Range<Int>, _ type: Int32) -> flock {
        var region = flock()
        region.l_type = Int16(type)
        region.l_whence = Int16(SEEK_SET)
        region.l_start = bytes.lowerBound
        region.l_len = bytes.count
        region.l_pid = 0
        return region
    }
}

/// `F_OFD_GETLK` and `F_OFD_SETLK` of Linux's `fcntl.h`, which shows them to GNU sources only. These locks belong to
/// the open file description; the classic ones are lost when the process closes any descriptor of the file.
private let getOpenFileLock: Int32 = 36
private let setOpenFileLock: Int32 = 37

/// Calls until it isn't interrupted, and throws `errno` if it returns a negative number.
private func check<Result: SignedInteger>(_ call: String, _ path: String,
                                          _ body: () -> Result) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        if errno != EINTR { throw SystemError(call: call, path: path, code: errno) }
    }
}

extension FileStatus {
    init(_ information: stat) {
        let kind: Kind = switch information.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .directory
        default: .other
        }
        self.init(kind: kind, byteCount: Int(information.st_size), device: UInt64(information.st_dev),
                  inode: UInt64(information.st_ino))
    }
}
