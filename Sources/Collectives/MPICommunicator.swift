import CMPI
import Diagnostics
import Foundation
import Synchronization
import Watching

/// The ranks of an MPI communicator. Used from the thread that started MPI, but for `messages`, which another one may look
/// after: all calls go through one gate, one at a time (MPI_THREAD_SERIALIZED).
package final class MPICommunicator: Communicator, @unchecked Sendable {
    // Sendable: a handle that never changes; `gate` keeps threads apart.

    let handle: MPI_Comm
    package let rank: Int
    package let size: Int
    package let topology: Topology
    /// Set once, before training begins.
    package var pulse = Pulse()
    /// The ranks that share memory with this one, and all ranks of its machine, which are more where a test cuts a
    /// machine into hosts.
    let host: MPI_Comm, machine: MPI_Comm
    /// Sums that were begun and not finished yet, in order.
    private var reductions: [PendingRequest] = []
    private var finishedReductions = 0
    /// Held during every call of MPI.
    private let gate = Mutex(())
    package let allowsThread: Bool
    /// The blocks of all ranks while they are gathered.
    var rotation: [UInt8] = []

    /// As of `WaitLoop`, for the ranks of this machine.
    let patience: Int
    /// Messages are split into parts of at most this many bytes.
    let largestPart: Int
    private let hostSize: Int?
    /// What MPI's counts leave room for.
    package static let largestPart = 1 << 30

    /// The ranks of `all`, numbered host by host. Collective over them.
    ///
    /// - Parameters:
    ///   - hostSize: for tests: machines are cut into hosts of so many ranks.
    ///   - largestPart: messages are split into parts of at most this many bytes.
    init(_ all: MPI_Comm, hostSize: Int?, largestPart: Int) throws {
        precondition((1...Int(Int32.max)).contains(largestPart), "parts of \(largestPart) bytes")
        self.largestPart = largestPart
        self.hostSize = hostSize
        allowsThread = Self.allowsThread
        let places = try Placement(of: all, hostSize: hostSize)
        handle = places.world
        host = places.host
        machine = places.machine
        topology = places.topology
        rank = try Self.rank(in: handle)
        size = try Self.size(of: handle)
        patience = WaitLoop.patience(ranks: try Self.size(of: machine))
        reductions.reserveCapacity(64)
    }

    /// All ranks of the job in MPI's own order, of which it isn't known yet where they run.
    init() throws {
        largestPart = Self.largestPart
        hostSize = nil
        allowsThread = Self.allowsThread
        let all = try made(dtrain_mpi_comm_world(), by: "MPI_Init_thread")
        MPI_Comm_set_errhandler(all, dtrain_mpi_errors_return())
        handle = all
        host = all
        machine = all
        rank = try Self.rank(in: all)
        size = try Self.size(of: all)
        patience = WaitLoop.patience(ranks: size)
        topology = .separate(rankCount: size)
    }

    /// Divides the ranks among groups that have nothing to do with each other, such as several runs of one job: those of one
    /// `color` (0 or more) get a communicator of their own, in the order they have here. Collective.
    package func split(color: Int) throws -> MPICommunicator {
        var part: MadeCommunicator = handle
        try check(MPI_Comm_split(handle, Int32(color), Int32(rank), &part), "MPI_Comm_split")
        return try MPICommunicator(made(part, by: "MPI_Comm_split"), hostSize: hostSize, largestPart: largestPart)
    }

    static func rank(in handle: MPI_Comm) throws -> Int {
        var rank: Int32 = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank", rank: nil)
        return Int(rank)
    }

    static func size(of handle: MPI_Comm) throws -> Int {
        var size: Int32 = 0
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size", rank: nil)
        return Int(size)
    }

    package func barrier() throws {
        try pulse.waiting(.meeting) { try check(MPI_Barrier(handle), "MPI_Barrier") }
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        pulse.beginWait(.meeting)
        defer { pulse.endWait() }
        for part in parts(of: bytes.count) {
            let base = bytes.baseAddress.map { $0 + part.lowerBound }
            try check(MPI_Bcast(base, countable(part.count), dtrain_mpi_byte(), Int32(root), handle), "MPI_Bcast")
        }
    }

    package func exchange(sending: [Outgoing], receiving: [Incoming]) throws {
        var requests: [PendingRequest] = []
        for incoming in receiving {
            for part in parts(of: incoming.bytes.count) {
                var request: PendingRequest = dtrain_mpi_request_null()
                try check(
                    MPI_Irecv(
                        incoming.bytes.baseAddress.map { $0 + part.lowerBound }, countable(part.count),
                        dtrain_mpi_byte(), Int32(incoming.rank), 0, handle, &request), "MPI_Irecv")
                requests.append(request)
            }
        }
        for outgoing in sending {
            for part in parts(of: outgoing.bytes.count) {
                var request: PendingRequest = dtrain_mpi_request_null()
                try check(
                    MPI_Isend(
                        outgoing.bytes.baseAddress.map { $0 + part.lowerBound }, countable(part.count),
                        dtrain_mpi_byte(), Int32(outgoing.rank), 0, handle, &request), "MPI_Isend")
                requests.append(request)
            }
        }
        try pulse.waiting(.messages) {
            try check(MPI_Waitall(Int32(requests.count), &requests, dtrain_mpi_statuses_ignore()), "MPI_Waitall")
        }
    }

    package func beginAllReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        precondition(values.count <= Int(Int32.max), "\(values.count) values in one sum")
        if finishedReductions == reductions.count {
            finishedReductions = 0
            reductions.removeAll(keepingCapacity: true)
        }
        var request: PendingRequest = dtrain_mpi_request_null()
        try check(
            MPI_Iallreduce(
                dtrain_mpi_in_place(), values.baseAddress, Int32(values.count), dtrain_mpi_float(),
                dtrain_mpi_sum(), handle, &request), "MPI_Iallreduce")
        reductions.append(request)
    }

    package func progressAllReduces() throws {
        var done: Int32 = 0
        guard finishedReductions < reductions.count else { return }
        try check(MPI_Test(&reductions[finishedReductions], &done, dtrain_mpi_status_ignore()), "MPI_Test")
    }

    package func finishAllReduce() throws {
        precondition(finishedReductions < reductions.count, "no sum was begun")
        pulse.beginWait(.meeting)
        defer { pulse.endWait() }
        try check(MPI_Wait(&reductions[finishedReductions], dtrain_mpi_status_ignore()), "MPI_Wait")
        finishedReductions += 1
    }

    package func shareMemory(_ byteCount: (_ isFirst: Bool) -> Int) throws -> HostMemoryGrant {
        let ranks = topology.hosts[topology.host(of: rank)]
        let bytes = byteCount(rank == ranks.lowerBound)
        let demand = ranks.count > 1 ? bytes : 0
        // All ranks of the machine take from one place, so what they want is added up before any of it is touched.
        let note = try agree { try lackOfSharedMemory(demand) }
        let notes = try allGather(note ?? "")
        if let note = notes.first(where: { !$0.isEmpty }) {
            return HostMemoryGrant(
                memory: PrivateMemory(byteCount: byteCount(true)), topology: .separate(rankCount: size),
                note: note)
        }
        guard ranks.count > 1 else {
            return HostMemoryGrant(memory: PrivateMemory(byteCount: bytes), topology: topology, note: nil)
        }
        let window = try pulse.waiting(.messages) {
            try SharedWindow(byteCount: bytes, host: host, size: ranks.count) { try check($0, $1) }
        }
        return HostMemoryGrant(memory: window, topology: topology, note: nil)
    }

    /// Why the ranks of this machine can't share `demand` bytes each; nil where they can. Collective. Throws
    /// `Failure(.systemRefused)` where this rank has no room for them.
    private func lackOfSharedMemory(_ demand: Int) throws -> String? {
        var total = Int64(0)
        var own = Int64(demand)
        var demands = [Int64](repeating: 0, count: try Self.size(of: machine))
        try pulse.waiting(.messages) {
            try check(MPI_Allgather(&own, 8, dtrain_mpi_byte(), &demands, 8, dtrain_mpi_byte(), machine), "MPI_Allgather")
        }
        for demand in demands { total += demand }
        guard total > 0 else { return nil }
        // Open MPI's own files lie there too.
        let needed = Int(total) + 8 << 20
        if let space = SharedWindow.freeSpace(), space.bytes < needed {
            return "\(space.description), but sharing memory between ranks takes "
                + "\((needed + 999_999) / 1_000_000) MB, so they exchange messages instead: the same results, but slower"
        }
        try SharedWindow.checkRoom(Int(total))
        return nil
    }

    package func abort(_ code: ExitCode) -> Never {
        MPI_Abort(handle, code.rawValue)
        exit(code.rawValue)
    }

    /// 0 ..< count in parts that MPI can count.
    func parts(of count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: largestPart).map { $0..<min($0 + largestPart, count) }
    }

    /// The number of bytes as MPI takes it: what wasn't split shows here, before it is sent.
    func countable(_ byteCount: Int) -> Int32 {
        precondition(byteCount <= largestPart, "\(byteCount) bytes in one part of at most \(largestPart)")
        return Int32(byteCount)
    }

    package func messages(places: Int) -> any Messages { MPIMessages(self, places: places) }

    /// Whether MPI was started so that threads may take turns.
    private static var allowsThread: Bool {
        var provided: Int32 = 0
        return MPI_Query_thread(&provided) == MPI_SUCCESS && provided >= Int32(MPI_THREAD_SERIALIZED)
    }

    func check(_ code: @autoclosure () -> Int32, _ call: String) throws {
        try Self.check(gate.withLock { _ in code() }, call, rank: rank)
    }

    /// The one funnel of every MPI call's result.
    static func check(_ code: Int32, _ call: String, rank: Int?) throws {
        guard code != MPI_SUCCESS else { return }
        var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
        var length: Int32 = 0
        MPI_Error_string(code, &text, &length)
        let bytes = text.prefix(Int(length)).map { UInt8(bitPattern: $0) }
        throw Failure(
            .inputOutput,
            "\(call) failed\(rank.map { " on rank \($0)" } ?? ""): code \(code), "
                + String(decoding: bytes, as: UTF8.self))
    }
}
