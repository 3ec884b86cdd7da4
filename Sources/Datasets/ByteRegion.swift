import Diagnostics
import Files
import Foundation

/// Bytes in memory pages of their own: a mapped file, or room that was filled once. Unmapped with its last owner.
final class ByteRegion: @unchecked Sendable {
    // Sendable: nobody writes after `init` has returned.

    /// Invariant: `count` bytes from here are readable while the region lives.
    let base: UnsafeRawPointer
    let count: Int
    /// Whether they are a file's.
    let isMapped: Bool

    /// The whole file behind `descriptor`, which may be closed afterwards; nil where its file system can't map. A file
    /// that another program cuts while it is mapped ends the process with an error (`MappedFiles`).
    ///
    /// - Parameter readsAhead: whether the system begins to read all of it at once.
    init?(mapping descriptor: Int32, count: Int, name: String, readsAhead: Bool) throws {
        let pages: UnsafeMutableRawPointer
        do {
            pages = try Self.pages(count, protection: PROT_READ, flags: MAP_PRIVATE, descriptor: descriptor, name: name)
        } catch {
            if error.code == ENODEV || error.code == ENOSYS { return nil }
            throw Self.failure(error, count: count)
        }
        // The kernel reads ahead while training begins.
        if readsAhead { madvise(pages, count, MADV_WILLNEED) }
        base = UnsafeRawPointer(pages)
        self.count = count
        MappedFiles.add(base, count: count, name: name)
        isMapped = true
    }

    /// `count` bytes of new memory that `fill` writes before anybody can read them.
    init(count: Int, name: String, fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        let pages: UnsafeMutableRawPointer
        do {
            pages = try Self.pages(
                count, protection: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | Self.anonymous,
                descriptor: -1, name: name)
        } catch {
            throw Self.failure(error, count: count)
        }
        #if os(Linux)
            // Samples are picked all over it: fewer, larger pages.
            madvise(pages, count, MADV_HUGEPAGE)
        #endif
        base = UnsafeRawPointer(pages)
        self.count = count
        isMapped = false
        // A throw from here runs `deinit`, since everything is initialised.
        try fill(UnsafeMutableRawBufferPointer(start: pages, count: count))
    }

    deinit {
        MappedFiles.remove(base)
        munmap(UnsafeMutableRawPointer(mutating: base), max(count, 1))
    }

    private static func pages(
        _ count: Int, protection: Int32, flags: Int32, descriptor: Int32,
        name: String
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        let pages = mmap(nil, max(count, 1), protection, flags, descriptor, 0)
        guard let pages, pages != MAP_FAILED else { throw SystemError(call: "mmap", path: name, code: errno) }
        return pages
    }

    private static func failure(_ error: SystemError, count: Int) -> Failure {
        Failure(
            error.code == ENOMEM ? .systemRefused : .inputOutput,
            "\(error.path): the system gives no memory for its "
                + "\(count) bytes: \(String(cString: strerror(error.code)))")
    }

    #if canImport(Darwin)
        private static let anonymous = MAP_ANON
    #else
        private static let anonymous = MAP_ANONYMOUS
    #endif
}
