import Foundation

/// A disk of its own for a test: a small tmpfs in a mount namespace (mount_namespaces(7)) that belongs to the calling
/// thread while the body runs, and to the processes that it starts. It ends with them, so that nothing is left however
/// the test ends.
package enum SmallDisk {
    /// What a test says that is skipped where `isPermitted` is false.
    package static let reason = "mounting a small tmpfs asks for rights that this process doesn't have"

    /// Whether this process may make one.
    package static let isPermitted: Bool = {
        // On a thread that ends: where only half of it is permitted, that thread is of no use any more.
        let isDone = DispatchSemaphore(value: 0)
        let answer = Answer()
        Thread.detachNewThread {
            answer.isYes = (try? run(bytes: 1 << 20) { _ in }) != nil
            isDone.signal()
        }
        isDone.wait()
        return answer.isYes
    }()

    private final class Answer: @unchecked Sendable {
        // Sendable: written by the thread, read after it has signalled.
        var isYes = false
    }

    package struct NotPermitted: Error {}

    /// Runs `body` with the path of an empty disk of this size.
    package static func run(bytes: Int, _ body: (String) throws -> Void) throws {
        let base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        let path = base + "/dtrain-disk-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { rmdir(path) }
        let home = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)
        let directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer {
            close(home)
            close(directory)
        }
        guard home >= 0, directory >= 0, linux("unshare", newMounts) == 0 else { throw NotPermitted() }
        defer {
            // Back among the other threads. Threads that were made meanwhile share this one's working directory, which
            // forbids it; and entering a namespace goes to its root directory.
            let isBack =
                linux("unshare", ownDirectory) == 0 && linux("setns", home, newMounts) == 0
                && fchdir(directory) == 0
            precondition(isBack, "can't leave a mount namespace: \(String(cString: strerror(errno)))")
        }
        guard mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0,
            mount("none", path, "tmpfs", 0, "size=\(bytes)") == 0
        else { throw NotPermitted() }
        defer { umount2(path, Int32(MNT_DETACH)) }
        try body(path)
    }

    /// Makes the disk read-only or writable, at another size if given.
    package static func remount(_ path: String, readOnly: Bool = false, bytes: Int? = nil) throws {
        let flags = UInt(MS_REMOUNT | (readOnly ? MS_RDONLY : 0))
        let status =
            if let bytes {
                mount("none", path, nil, flags, "size=\(bytes)")
            } else {
                mount("none", path, nil, flags, nil)
            }
        guard status == 0 else { throw NotPermitted() }
    }

    /// Lays a read-only view over a directory: what is open stays writable, nothing can be made or opened to write.
    /// (A disk that is written to can't be made read-only itself.)
    package static func cover(_ directory: String) throws {
        guard mount(directory, directory, nil, UInt(MS_BIND), nil) == 0,
            mount("none", directory, nil, UInt(MS_REMOUNT | MS_BIND | MS_RDONLY), nil) == 0
        else {
            throw NotPermitted()
        }
    }

    /// Takes the view away.
    package static func uncover(_ directory: String) throws {
        guard umount2(directory, Int32(MNT_DETACH)) == 0 else { throw NotPermitted() }
    }

    /// Fills the disk to its last block with a file.
    package static func fill(_ ballast: String) {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let zeros = [UInt8](repeating: 0, count: 4096)
        while zeros.withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) > 0 {}
    }

    /// `CLONE_NEWNS` of Linux's `sched.h`, which shows it, `unshare` and `setns` to GNU sources only.
    private static let newMounts: Int32 = 0x0002_0000
    /// `CLONE_FS`, likewise.
    private static let ownDirectory: Int32 = 0x0200

    private static func linux(_ name: String, _ argument: Int32) -> Int32 {
        guard let symbol = dlsym(nil, name) else { return -1 }
        return unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Int32).self)(argument)
    }

    private static func linux(_ name: String, _ first: Int32, _ second: Int32) -> Int32 {
        guard let symbol = dlsym(nil, name) else { return -1 }
        return unsafeBitCast(symbol, to: (@convention(c) (Int32, Int32) -> Int32).self)(first, second)
    }
}
