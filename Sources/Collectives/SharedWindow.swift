import CMPI
import Diagnostics
import Foundation

/// An MPI shared-memory window (MPI 4.1, 12.2.3): every rank of a host maps the segments of all of them.
///
/// Only its memory is used; ordering comes from the counters of `HostFlags`.
package final class SharedWindow: HostMemory {
    private var window: MadeWindow = dtrain_mpi_win_null()
    /// Invariant: each segment is mapped until `close`.
    private let segments: [UnsafeMutableRawPointer]

    private static let page = 4096

    /// Collective over `host`. Each rank asks for memory of its own, so that its pages lie near its processor.
    ///
    /// - Parameter check: the funnel of MPI results.
    init(byteCount: Int, host: MPI_Comm, size: Int, check: (Int32, String) throws -> Void) throws {
        var info: MadeInfo = dtrain_mpi_info_null()
        try check(MPI_Info_create(&info), "MPI_Info_create")
        defer { MPI_Info_free(&info) }
        try check(MPI_Info_set(info, "alloc_shared_noncontig", "true"), "MPI_Info_set")
        var own: UnsafeMutableRawPointer?
        // Open MPI begins segments anywhere in a page. Processes map a window at multiples of pages, so that all of them
        // round up to the same byte.
        try check(MPI_Win_allocate_shared(byteCount + Self.page, 1, info, host, &own, &window), "MPI_Win_allocate_shared")
        var segments: [UnsafeMutableRawPointer] = []
        for rank in 0..<size {
            var bytes = 0
            var unit: Int32 = 0
            var base: UnsafeMutableRawPointer?
            try check(MPI_Win_shared_query(window, Int32(rank), &bytes, &unit, &base), "MPI_Win_shared_query")
            guard let base else { preconditionFailure("a window without memory for rank \(rank) of the host") }
            segments.append(base.alignedUp(toMultipleOf: Self.page))
        }
        self.segments = segments
    }

    package func segment(_ localRank: Int) -> UnsafeMutableRawPointer { segments[localRank] }

    package func close() {
        if window != dtrain_mpi_win_null() { MPI_Win_free(&window) }
    }

    /// Makes sure that so many bytes can be mapped: where they can't be, MPI would only say that something failed.
    package static func checkRoom(_ byteCount: Int) throws(Failure) {
        let place = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let place, place != MAP_FAILED else {
            throw Failure(
                .systemRefused,
                "out of memory: the \((byteCount + 999_999) / 1_000_000) MB that the ranks of this "
                    + "machine share can't be mapped: \(String(cString: strerror(errno))); raise the limit of memory (ulimit -v), "
                    + "or make the network smaller")
        }
        munmap(place, byteCount)
    }

    /// The bytes that there are for windows, which MPI puts into files, and in words what bounds them; nil where that
    /// can't be told.
    static func freeSpace() -> (description: String, bytes: Int)? {
        let directory = ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return nil }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        var limit = rlimit()
        if getrlimit(Int32(RLIMIT_FSIZE.rawValue), &limit) == 0, limit.rlim_cur < UInt(free) {
            return ("the limit on the size of a file is \(limit.rlim_cur / 1_000_000) MB (ulimit -f)", Int(limit.rlim_cur))
        }
        return ("\(directory) has \(free / 1_000_000) MB free", free)
    }
}
