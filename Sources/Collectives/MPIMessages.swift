import CMPI
import Diagnostics

/// Messages by MPI's nonblocking calls. Takes memory when it is made and never again.
final class MPIMessages: Messages {
    private let communicator: MPICommunicator
    private let requests: UnsafeMutableBufferPointer<PendingRequest>
    /// Room for what MPI says is complete.
    private let completed: UnsafeMutableBufferPointer<Int32>
    private let none: PendingRequest
    private(set) var underWay = 0

    init(_ communicator: MPICommunicator, places: Int) {
        self.communicator = communicator
        none = dtrain_mpi_request_null()
        requests = .allocate(capacity: places)
        requests.initialize(repeating: none)
        completed = .allocate(capacity: places)
        completed.initialize(repeating: 0)
    }

    deinit {
        requests.deallocate()
        completed.deallocate()
    }

    func send(_ place: Int, to rank: Int, tag: Int, _ bytes: UnsafeRawBufferPointer) throws {
        precondition(isIdle(place), "a second message in place \(place)")
        try communicator.check(
            MPI_Isend(
                bytes.baseAddress, count(bytes.count), dtrain_mpi_byte(), Int32(rank), Int32(tag), communicator.handle,
                &requests[place]), "MPI_Isend")
        underWay += 1
    }

    func receive(_ place: Int, from rank: Int, tag: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        precondition(isIdle(place), "a second message in place \(place)")
        try communicator.check(
            MPI_Irecv(
                bytes.baseAddress, count(bytes.count), dtrain_mpi_byte(), Int32(rank), Int32(tag), communicator.handle,
                &requests[place]), "MPI_Irecv")
        underWay += 1
    }

    func progress() throws {
        guard underWay > 0 else { return }
        var count: Int32 = 0
        try communicator.check(
            MPI_Testsome(
                Int32(requests.count), requests.baseAddress, &count, completed.baseAddress, dtrain_mpi_statuses_ignore()),
            "MPI_Testsome")
        // MPI_UNDEFINED is negative: nothing was under way.
        if count > 0 { underWay -= Int(count) }
    }

    func isIdle(_ place: Int) -> Bool { requests[place] == none }

    private func count(_ bytes: Int) -> Int32 {
        precondition(bytes <= MPICommunicator.largestPart, "a message of \(bytes) bytes")
        return Int32(bytes)
    }
}
