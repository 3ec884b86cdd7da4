import CMPI
import Diagnostics
import Foundation

/// The ranks of an MPI communicator. Used from the thread that started MPI.
package final class MPICommunicator: Communicator, @unchecked Sendable {
    // Sendable: a handle that never changes; calls are confined to the training thread by MPI_THREAD_FUNNELED.

    private let handle: MPI_Comm
    package let rank: Int
    package let size: Int

    /// Messages are split into parts of this many bytes, since MPI counts in Int32.
    static let largestPart = 1 << 30

    init(_ handle: MPI_Comm) throws {
        self.handle = handle
        MPI_Comm_set_errhandler(handle, dtrain_mpi_errors_return())
        var rank: Int32 = 0, size: Int32 = 0
        try Self.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank", rank: nil)
        try Self.check(MPI_Comm_size(handle, &size), "MPI_Comm_size", rank: nil)
        self.rank = Int(rank)
        self.size = Int(size)
    }

    package func barrier() throws {
        try check(MPI_Barrier(handle), "MPI_Barrier")
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        for part in Self.parts(of: bytes.count) {
            let base = bytes.baseAddress.map { $0 + part.lowerBound }
            try check(MPI_Bcast(base, Int32(part.count), dtrain_mpi_byte(), Int32(root), handle), "MPI_Bcast")
        }
    }

    package func allGather(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer, counts: [Int]) throws {
        let total = counts.reduce(0, +)
        precondition(counts.count == size && total <= all.count && own?.count ?? counts[rank] == counts[rank],
                     "\(own?.count ?? 0) bytes of \(counts) into \(all.count)")
        guard total <= Self.largestPart else { return try allGatherLarge(own, into: all, counts: counts) }
        var offsets = [Int32](repeating: 0, count: size)
        for rank in 1..<max(size, 1) { offsets[rank] = offsets[rank - 1] + Int32(counts[rank - 1]) }
        try check(MPI_Allgatherv(own?.baseAddress ?? UnsafeRawPointer(dtrain_mpi_in_place()),
                                 Int32(counts[rank]), dtrain_mpi_byte(), all.baseAddress, counts.map(Int32.init),
                                 offsets, dtrain_mpi_byte(), handle), "MPI_Allgatherv")
    }

    /// More than fits MPI's counts: each rank's bytes are broadcast in parts.
    private func allGatherLarge(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer,
                                counts: [Int]) throws {
        var offset = 0
        for (root, count) in counts.enumerated() {
            let place = UnsafeMutableRawBufferPointer(rebasing: all[offset..<offset + count])
            if root == rank, let own { place.copyMemory(from: own) }
            try broadcast(place, from: root)
            offset += count
        }
    }

    package func exchange(sending: [Outgoing], receiving: [Incoming]) throws {
        var requests: [MPI_Request?] = []
        for incoming in receiving {
            for part in Self.parts(of: incoming.bytes.count) {
                var request: MPI_Request? = dtrain_mpi_request_null()
                try check(MPI_Irecv(incoming.bytes.baseAddress.map { $0 + part.lowerBound }, Int32(part.count),
                                    dtrain_mpi_byte(), Int32(incoming.rank), 0, handle, &request), "MPI_Irecv")
                requests.append(request)
            }
        }
        for outgoing in sending {
            for part in Self.parts(of: outgoing.bytes.count) {
                var request: MPI_Request? = dtrain_mpi_request_null()
                try check(MPI_Isend(outgoing.bytes.baseAddress.map { $0 + part.lowerBound }, Int32(part.count),
                                    dtrain_mpi_byte(), Int32(outgoing.rank), 0, handle, &request), "MPI_Isend")
                requests.append(request)
            }
        }
        try check(MPI_Waitall(Int32(requests.count), &requests, dtrain_mpi_statuses_ignore()), "MPI_Waitall")
    }

    package func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        for part in Self.parts(of: values.count) {
            let base = values.baseAddress.map { $0 + part.lowerBound }
            try check(MPI_Allreduce(dtrain_mpi_in_place(), base, Int32(part.count), dtrain_mpi_float(),
                                    dtrain_mpi_sum(), handle), "MPI_Allreduce")
        }
    }

    package func abort(_ code: ExitCode) -> Never {
        fflush(nil)
        MPI_Abort(handle, code.rawValue)
        exit(code.rawValue)
    }

    /// 0 ..< count in parts that MPI can count.
    private static func parts(of count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: largestPart).map { $0..<min($0 + largestPart, count) }
    }

    private func check(_ code: Int32, _ call: String) throws {
        try Self.check(code, call, rank: rank)
    }

    /// The one funnel of every MPI call's result.
    private static func check(_ code: Int32, _ call: String, rank: Int?) throws {
        guard code != MPI_SUCCESS else { return }
        var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
        var length: Int32 = 0
        MPI_Error_string(code, &text, &length)
        let bytes = text.prefix(Int(length)).map { UInt8(bitPattern: $0) }
        throw Failure(.inputOutput, "\(call) failed\(rank.map { " on rank \($0)" } ?? ""): code \(code), "
            + String(decoding: bytes, as: UTF8.self))
    }
}
