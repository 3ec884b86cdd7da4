import Diagnostics
import Foundation
import Synchronization

/// The files that are mapped at the moment, and the end that comes when one of them can't be read any more.
///
/// A page of a mapped file that another program has cut away, or that the disk doesn't give, can't be had: the access
/// raises SIGBUS (mmap(2)). The handler knows the regions, says which file it was, and ends the process with 74; under
/// MPI the launcher ends the job, since a rank that dies without finishing MPI is an error. Nothing is lost: checkpoints
/// on the disk are complete at every instant.
///
/// A global, because a signal handler can reach nothing else. It takes no lock and allocates nothing.
enum MappedFiles {
    /// Invariant: where `count` isn't 0, `count` bytes from `base` are mapped and `message` holds `messageCount` bytes.
    private struct Region {
        var base: UInt = 0
        var count = 0
        var message: UnsafeMutableRawPointer?
        var messageCount = 0
    }

    /// More files than a configuration can name; those beyond would end the process without a message.
    private static let capacity = 2 * TokensSource.mostFiles + 64
    nonisolated(unsafe) private static let regions: UnsafeMutablePointer<Region> = {
        let regions = UnsafeMutablePointer<Region>.allocate(capacity: capacity)
        regions.initialize(repeating: Region(), count: capacity)
        return regions
    }()
    /// What SIGBUS did before.
    nonisolated(unsafe) private static let former: UnsafeMutablePointer<sigaction> = {
        let former = UnsafeMutablePointer<sigaction>.allocate(capacity: 1)
        former.initialize(to: sigaction())
        return former
    }()
    /// How long this process waits before it speaks: ranks of one job lose a file at the same time, and the end of the
    /// first ends the others.
    nonisolated(unsafe) private static let patience: UnsafeMutablePointer<timespec> = {
        let environment = ProcessInfo.processInfo.environment
        let rank = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"].compactMap { environment[$0].flatMap { Int($0) } }.first
        let milliseconds = min(max(rank ?? 0, 0), 10) * 200
        let patience = UnsafeMutablePointer<timespec>.allocate(capacity: 1)
        patience.initialize(to: timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000))
        return patience
    }()
    /// Whether the handler is installed; guards changes of `regions`.
    private static let isInstalled = Mutex(false)

    /// Watches `count` bytes from `base`, which nobody has read yet.
    static func add(_ base: UnsafeRawPointer, count: Int, name: String) {
        guard count > 0 else { return }
        isInstalled.withLock { isInstalled in
            if !isInstalled { install() }
            isInstalled = true
            guard let slot = (0..<capacity).first(where: { regions[$0].count == 0 }) else { return }
            let shown = String(decoding: name.utf8.map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
            let text = Array(
                ("dtrain: error: \(shown): it can't be read any more: it shrank while it was in use, or its disk "
                    + "has a fault; go on with --resume when it is complete again\n").utf8)
            let message = UnsafeMutableRawPointer.allocate(byteCount: text.count, alignment: 1)
            message.copyMemory(from: text, byteCount: text.count)
            regions[slot] = Region(base: UInt(bitPattern: base), count: count, message: message, messageCount: text.count)
        }
    }

    /// Forgets the region at `base`, before it is unmapped.
    static func remove(_ base: UnsafeRawPointer) {
        isInstalled.withLock { _ in
            guard
                let slot = (0..<capacity).first(where: {
                    regions[$0].count > 0 && regions[$0].base == UInt(bitPattern: base)
                })
            else { return }
            regions[slot].message?.deallocate()
            regions[slot] = Region()
        }
    }

    private static func install() {
        // The first use of a global initialises it, which must not happen inside of the handler.
        _ = (regions, former, patience)
        var action = sigaction()
        action.sa_flags = Int32(SA_SIGINFO)
        action.__sigaction_handler.sa_sigaction = { _, information, _ in
            // Only what the system itself says of an address; `kill -BUS` says nothing of one.
            if let information, information.pointee.si_code > 0 {
                let address = UInt(bitPattern: information.pointee._sifields._sigfault.si_addr)
                for slot in 0..<MappedFiles.capacity {
                    let region = MappedFiles.regions[slot]
                    if region.count > 0, address >= region.base, address - region.base < UInt(region.count) {
                        // A signal meanwhile is the launcher's: another rank has spoken.
                        guard nanosleep(MappedFiles.patience, nil) == 0 else { _exit(ExitCode.inputOutput.rawValue) }
                        _ = write(STDERR_FILENO, region.message, region.messageCount)
                        _exit(ExitCode.inputOutput.rawValue)
                    }
                }
            }
            // Somebody else's: the access is repeated, and ends as it would have.
            sigaction(SIGBUS, MappedFiles.former, nil)
        }
        sigaction(SIGBUS, &action, former)
    }
}
