import CMPI
import Watching

/// What each rank has, at all ranks.
extension MPICommunicator {
    package func allGather(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer, counts: [Int]) throws {
        let total = counts.reduce(0, +)
        precondition(
            counts.count == size && total <= all.count && own?.count ?? counts[rank] == counts[rank],
            "\(own?.count ?? 0) bytes of \(counts) into \(all.count)")
        guard total <= largestPart else { return try allGatherLarge(own, into: all, counts: counts) }
        pulse.beginWait(.meeting)
        defer { pulse.endWait() }
        var offsets = [Int32](repeating: 0, count: size)
        for rank in 1..<max(size, 1) { offsets[rank] = offsets[rank - 1] + Int32(counts[rank - 1]) }
        try check(
            MPI_Allgatherv(
                own?.baseAddress ?? UnsafeRawPointer(dtrain_mpi_in_place()),
                countable(counts[rank]), dtrain_mpi_byte(), all.baseAddress, counts.map(Int32.init),
                offsets, dtrain_mpi_byte(), handle), "MPI_Allgatherv")
    }

    package func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        let count = own.count
        precondition(
            count * size <= all.count && all.count <= Int(Int32.max), "\(count) bytes of \(size) ranks into \(all.count)")
        pulse.beginWait(.meeting)
        defer { pulse.endWait() }
        // MPI_Allgather does the same, but takes memory each time where the ranks are no power of two (Open MPI 4.1).
        if rotation.count < count * size {
            rotation = [UInt8](repeating: 0, count: count * size)
            try provideForEarlyMessages(ofUpTo: count)
        }
        try rotation.withUnsafeMutableBytes { blocks in
            guard let base = blocks.baseAddress, count > 0 else { return }
            blocks.copyMemory(from: own)
            // Place p holds the block of rank `rank` + p; how many places are filled doubles in each round.
            var filled = 1
            while filled < size {
                let sent = min(filled, size - filled) * count
                try sendAndReceive(
                    UnsafeRawBufferPointer(start: base, count: sent), to: (rank + size - filled) % size,
                    UnsafeMutableRawBufferPointer(start: base + filled * count, count: sent), from: (rank + filled) % size)
                filled *= 2
            }
            for place in 0..<size {
                let block = UnsafeRawBufferPointer(rebasing: blocks[place * count..<(place + 1) * count])
                UnsafeMutableRawBufferPointer(rebasing: all[(rank + place) % size * count..<all.count]).copyMemory(from: block)
            }
        }
    }

    /// Has MPI take, before the first step, the memory that it wants for messages that come before this rank waits for them:
    /// it keeps it for those that follow. How many do is a matter of chance; two of a size, from the same rank, are too many.
    private func provideForEarlyMessages(ofUpTo count: Int) throws {
        var places = 1
        while places < size {
            let target = Int32((rank + size - places) % size), source = Int32((rank + places) % size)
            var length = min(places, size - places) * count
            while length > 0 {
                try rotation.withUnsafeMutableBytes { bytes in
                    try withUnsafeTemporaryAllocation(of: PendingRequest.self, capacity: 2) { requests in
                        for copy in 0..<2 {
                            try check(
                                MPI_Isend(
                                    bytes.baseAddress, Int32(length), dtrain_mpi_byte(), target, 2 + Int32(copy), handle,
                                    &requests[copy]), "MPI_Isend")
                        }
                        // Both have come, and nothing waits for them.
                        for copy in 0..<2 {
                            try check(
                                MPI_Probe(source, 2 + Int32(copy), handle, dtrain_mpi_status_ignore()), "MPI_Probe")
                        }
                        for copy in 0..<2 {
                            try check(
                                MPI_Recv(
                                    bytes.baseAddress.map { $0 + bytes.count / 2 }, Int32(length), dtrain_mpi_byte(), source,
                                    2 + Int32(copy), handle,
                                    dtrain_mpi_status_ignore()), "MPI_Recv")
                        }
                        try check(MPI_Waitall(2, requests.baseAddress, dtrain_mpi_statuses_ignore()), "MPI_Waitall")
                    }
                }
                length /= 2
            }
            places *= 2
        }
    }

    /// As MPI_Sendrecv, which keeps the processor busy while it waits for what comes, whoever else needs it. Sent isn't in the
    /// background: MPI holds a request less then, of which it may want more memory where ranks are apart by a step.
    private func sendAndReceive(
        _ sent: UnsafeRawBufferPointer, to target: Int, _ received: UnsafeMutableRawBufferPointer, from source: Int
    ) throws {
        var request: PendingRequest = dtrain_mpi_request_null()
        try check(
            MPI_Irecv(
                received.baseAddress, Int32(received.count), dtrain_mpi_byte(), Int32(source), 1, handle, &request), "MPI_Irecv"
        )
        try check(
            MPI_Send(sent.baseAddress, Int32(sent.count), dtrain_mpi_byte(), Int32(target), 1, handle), "MPI_Send")
        var loop = WaitLoop(patience: patience)
        while true {
            var isDone: Int32 = 0
            try check(MPI_Testall(1, &request, &isDone, dtrain_mpi_statuses_ignore()), "MPI_Testall")
            if isDone != 0 { return }
            loop.pause()
        }
    }

    /// More than fits MPI's counts: each rank's bytes are broadcast in parts.
    private func allGatherLarge(
        _ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer,
        counts: [Int]
    ) throws {
        var offset = 0
        for (root, count) in counts.enumerated() {
            let place = UnsafeMutableRawBufferPointer(rebasing: all[offset..<offset + count])
            if root == rank, let own { place.copyMemory(from: own) }
            try broadcast(place, from: root)
            offset += count
        }
    }
}
