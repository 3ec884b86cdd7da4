import CProcesses
import CProcessor
import Diagnostics
import Foundation

/// The lines of all ranks of a host in a file without a name, which ranks and watcher map. It ends with them, however they
/// end.
package final class PulseBoard: @unchecked Sendable {
    // Sendable: an address and a descriptor that never change.

    package let ranks: Int
    /// The file.
    package let descriptor: Int32
    private let base: UnsafeMutablePointer<Int64>

    private var byteCount: Int { ranks * Pulse.lineBytes }

    /// A new one, for so many ranks.
    /// - Throws: `Failure(.systemRefused)`.
    package convenience init(ranks: Int) throws(Failure) {
        var file: Int32 = -1
        let code = dtrain_nameless_file(ranks * Pulse.lineBytes, &file)
        guard code == 0 else { throw systemRefusal("a file in memory for the watcher", code) }
        try self.init(ranks: ranks, owning: file)
    }

    /// The one that another process of this user and host holds open.
    /// - Throws: `Failure(.systemRefused)`.
    package convenience init(ranks: Int, of process: pid_t, descriptor: Int32) throws(Failure) {
        let path = "/proc/\(process)/fd/\(descriptor)"
        let file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw systemRefusal("\(path), the file in memory for the watcher,", errno) }
        try self.init(ranks: ranks, owning: file)
    }

    /// The one behind a descriptor, which it closes with itself.
    /// - Throws: `Failure(.systemRefused)`.
    package init(ranks: Int, owning file: Int32) throws(Failure) {
        precondition(ranks > 0, "\(ranks) ranks")
        let wanted = ranks * Pulse.lineBytes
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) >= wanted else {
            close(file)
            throw Failure(.systemRefused, "descriptor \(file) is not the watcher's file of \(wanted) bytes")
        }
        guard let place = mmap(nil, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), place != MAP_FAILED else {
            let code = errno
            close(file)
            throw systemRefusal("mapping \(wanted) bytes for the watcher", code)
        }
        self.ranks = ranks
        descriptor = file
        base = place.assumingMemoryBound(to: Int64.self)
    }

    deinit {
        munmap(base, byteCount)
        close(descriptor)
    }

    /// The line of the rank with this index on the host, for the calling process.
    package func pulse(_ localRank: Int) -> Pulse {
        let line = line(localRank)
        dtrain_store_release(line + Pulse.Counter.process.rawValue, Int64(getpid()))
        return Pulse(line: line, owner: self)
    }

    /// What the rank's line says now.
    package func look(_ localRank: Int) -> PulseLook {
        let line = line(localRank)
        func load(_ counter: Pulse.Counter) -> Int64 { dtrain_load_acquire(line + counter.rawValue) }
        var look = PulseLook()
        look.moves = load(.moves)
        look.step = load(.step)
        look.word = load(.word)
        look.meetings = load(.meetings)
        look.samples = load(.samples)
        look.process = pid_t(truncatingIfNeeded: load(.process))
        return look
    }

    private func line(_ localRank: Int) -> UnsafeMutablePointer<Int64> {
        precondition((0..<ranks).contains(localRank), "rank \(localRank) of \(ranks)")
        return base + localRank * (Pulse.lineBytes / 8)
    }
}

/// A rank's line at one moment.
package struct PulseLook: Equatable {
    package var moves: Int64 = 0, step: Int64 = 0, word: Int64 = 0, meetings: Int64 = 0, samples: Int64 = 0
    package var process: pid_t = 0

    package init() {}
}

private func systemRefusal(_ what: String, _ code: Int32) -> Failure {
    Failure(.systemRefused, "\(what) can't be had: \(String(cString: strerror(code)))")
}
