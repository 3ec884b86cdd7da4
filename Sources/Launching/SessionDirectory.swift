import Foundation

/// A directory that is proven to be this user's own and private: opened without following a link, owned by this user,
/// closed to everybody else (as mkdtemp(3) makes it).
///
/// Everything is done from its descriptor, so another directory or a link that takes its name changes nothing. Names of
/// links in it are removed, never what they lead to.
final class SessionDirectory {
    /// The file whose lock tells whether a session lives.
    static let lockName = "lock"

    let descriptor: Int32
    private let device: dev_t

    /// Opens the directory `name` of the directory `place`; nil where it isn't a private one of this user.
    convenience init?(_ name: String, in place: Int32) {
        self.init(descriptor: openat(place, name, Self.flags)) { $0.st_mode & 0o077 == 0 }
    }

    /// Takes over a descriptor that may be negative.
    private init?(descriptor: Int32, _ isAccepted: (stat) -> Bool) {
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), isAccepted(status) else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        device = status.st_dev
    }

    deinit { close(descriptor) }

    private static let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

    /// Whether there is a lock file that nobody holds; what is said for one that isn't there.
    func isUnlocked(orHasNoLock isFreeWithout: Bool) -> Bool {
        // What stands there may be a FIFO or a link.
        let lock = openat(descriptor, Self.lockName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard lock >= 0 else { return errno == ENOENT && isFreeWithout }
        defer { close(lock) }
        var status = stat()
        return fstat(lock, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_uid == geteuid()
            && flock(lock, LOCK_EX | LOCK_NB) == 0
    }

    /// Removes everything in it, and the directory if `name` of `place` is still an empty one.
    func remove(_ name: String, from place: Int32) {
        removeContents(depth: 0)
        unlinkat(place, name, AT_REMOVEDIR)
    }

    /// Removes the lock, and the directory if that was all it held.
    func removeDraft(_ name: String, from place: Int32) {
        unlinkat(descriptor, Self.lockName, 0)
        unlinkat(place, name, AT_REMOVEDIR)
    }

    /// Open MPI nests four levels; a hundred is the work of somebody else.
    private static let deepest = 100

    private func removeContents(depth: Int) {
        guard depth < Self.deepest else { return }
        for name in Self.names(in: descriptor) where unlinkat(descriptor, name, 0) != 0 && errno == EISDIR {
            // Another file system that is mounted inside isn't ours.
            let child = SessionDirectory(descriptor: openat(descriptor, name, Self.flags)) { $0.st_dev == device }
            guard let child else { continue }
            child.removeContents(depth: depth + 1)
            unlinkat(descriptor, name, AT_REMOVEDIR)
        }
    }

    /// The names in an open directory, without `.` and `..`. A name that isn't UTF-8 isn't one of ours or Open MPI's and
    /// comes out as another that isn't found.
    static func names(in directory: Int32) -> [String] {
        // A description of its own: reading moves its position, closing the stream closes it.
        guard let stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
