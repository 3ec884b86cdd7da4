import Foundation

/// The real file system.
package struct PosixFileSystem: FileSystem {
    package init() {}

    package func create(_ place: Place) throws(SystemError) -> Int32 {
        try open(place, O_WRONLY | O_CREAT | O_EXCL, .writing)
    }

    package func open(_ place: Place) throws(SystemError) -> Int32 { try open(place, O_RDONLY, .reading) }

    package func openDirectory(_ place: Place) throws(SystemError) -> Int32 {
        try open(place, O_RDONLY | O_DIRECTORY, .reading)
    }

    package func openOrCreate(_ place: Place, appending: Bool) throws(SystemError) -> Int32 {
        try open(place, O_RDWR | O_CREAT | (appending ? O_APPEND : 0), .writing)
    }

    private func open(_ place: Place, _ flags: Int32, _ purpose: SystemError.Purpose) throws(SystemError) -> Int32 {
        // O_NONBLOCK: a pipe that stands where a file belongs is found by its kind, not by waiting for its other end.
        let all = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (place.directory == nil ? 0 : O_NOFOLLOW)
        return try check("open", place.path, purpose) { openat(place.descriptor, place.name, all, 0o666) }
    }

    package func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32,
        path: String
    ) throws(SystemError) -> Int {
        try check("write", path) { Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    package func read(
        into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
        path: String
    ) throws(SystemError) -> Int {
        try check("read", path, .reading) { pread(descriptor, bytes.baseAddress, bytes.count, offset) }
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
        _ = try check("fstat", path, .reading) { fstat(descriptor, &information) }
        return FileStatus(information)
    }

    package func status(of place: Place) throws(SystemError) -> FileStatus? {
        var information = stat()
        do {
            _ = try check("stat", place.path, .reading) {
                fstatat(place.descriptor, place.name, &information, place.directory == nil ? 0 : AT_SYMLINK_NOFOLLOW)
            }
        } catch  where error.code == ENOENT || error.code == ENOTDIR {
            return nil
        }
        return FileStatus(information)
    }

    package func makeDirectory(_ place: Place) throws(SystemError) {
        _ = try check("mkdir", place.path) { mkdirat(place.descriptor, place.name, 0o777) }
    }

    package func rename(_ old: Place, to new: Place) throws(SystemError) {
        _ = try check("rename", new.path) { renameat(old.descriptor, old.name, new.descriptor, new.name) }
    }

    package func link(_ existing: Place, to new: Place) throws(SystemError) {
        _ = try check("link", new.path) { linkat(existing.descriptor, existing.name, new.descriptor, new.name, 0) }
    }

    package func removeFile(_ place: Place) throws(SystemError) {
        _ = try check("unlink", place.path) { unlinkat(place.descriptor, place.name, 0) }
    }

    package func removeDirectory(_ place: Place) throws(SystemError) {
        _ = try check("rmdir", place.path) { unlinkat(place.descriptor, place.name, AT_REMOVEDIR) }
    }

    package func names(in directory: Directory) throws(SystemError) -> [String] {
        // A description of its own: the position in the listing belongs to it.
        let descriptor = try check("open", directory.path, .reading) {
            openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        guard let stream = fdopendir(descriptor) else {
            let code = errno
            Glibc.close(descriptor)
            throw SystemError(call: "opendir", path: directory.path, code: code, purpose: .reading)
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
        if errno != 0 { throw SystemError(call: "readdir", path: directory.path, code: errno, purpose: .reading) }
        return names.sorted()
    }

    package func checkWritable(_ directory: Directory) throws(SystemError) {
        _ = try check("access", directory.path) { faccessat(directory.descriptor, ".", W_OK | X_OK, 0) }
    }

    package func tryLock(
        _ descriptor: Int32, bytes: Range<Int>, exclusively: Bool,
        path: String
    ) throws(SystemError) -> Bool {
        var region = lockRegion(bytes, exclusively ? F_WRLCK : F_RDLCK)
        do {
            _ = try check("fcntl", path) { fcntl(descriptor, setOpenFileLock, &region) }
            return true
        } catch  where error.code == EAGAIN || error.code == EACCES {
            return false
        }
    }

    package func isLockedElsewhere(
        _ descriptor: Int32, bytes: Range<Int>,
        path: String
    ) throws(SystemError) -> Bool {
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
func check<Result: SignedInteger>(
    _ call: String, _ path: String, _ purpose: SystemError.Purpose = .writing,
    _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        if errno != EINTR { throw SystemError(call: call, path: path, code: errno, purpose: purpose) }
    }
}
