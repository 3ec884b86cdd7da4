import Collectives
import Diagnostics
import Reporting
import Timing

/// What every rank does when, in one file of rank 0.
package struct PhaseTrace {
    /// The newest events that each rank keeps: 6.4 MB, and about 20 MB of the file.
    package static let eventCapacity = 200_000

    /// For `Trainer.clock`.
    package let clock: PhaseClock
    private let communicator: any Communicator
    private let file: TraceFile?
    /// The time of this rank's clock that is 0 in the trace.
    private let origin: UInt64

    /// Opens the file on rank 0. Collective; throws the same failure on all ranks.
    package init(path: String, communicator: any Communicator) throws {
        self.communicator = communicator
        file = try communicator.agree { communicator.rank == 0 ? try TraceFile(path: path) : nil }
        clock = PhaseClock(eventCapacity: Self.eventCapacity)
        let now = MonotonicClock.nanoseconds
        let first = UInt64(try communicator.broadcast(String(now), from: 0)) ?? now
        // Ranks of one machine share its clock. Another machine's began elsewhere; there this instant stands for rank 0's.
        origin = max(now, first) - min(now, first) < 10_000_000_000 ? first : MonotonicClock.nanoseconds
    }

    /// Writes the file, rank by rank, so that rank 0 holds the events of one other rank at a time. Collective.
    package func write() throws {
        let events = clock.keptEvents
        let heads = try communicator.allGather("\(events.count) \(clock.droppedCount) \(origin)").map { text in
            text.split(separator: " ").compactMap { UInt64($0) }
        }
        let hosts = try communicator.hostNames()
        try communicator.agree { try file?.begin(dropped: heads.map { Int($0[1]) }, hosts: hosts) }
        var failure: Failure?
        for (rank, head) in heads.enumerated() {
            let received = try exchange(events, from: rank, count: Int(head[0]))
            guard let file, failure == nil else { continue }
            do {
                try received.withUnsafeBufferPointer { try file.add(rank: rank, events: $0, origin: head[2]) }
            } catch let error as Failure {
                failure = error
            }
        }
        try communicator.agree {
            if let failure { throw failure }
            try file?.end()
        }
    }

    /// What each rank's time went into, seconds by phase, with its host. Collective.
    func totals() throws -> [(host: String, seconds: [(name: String, seconds: Double)])] {
        let own = Phase.allCases.map { clock.seconds($0) }
        let all = try communicator.allGather(own.withUnsafeBytes { Array($0) })
        let hosts = try communicator.hostNames()
        return zip(all, hosts).map { bytes, host in
            let seconds = bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
            return (host, zip(Phase.allCases, seconds).map { ($0.name, $1) })
        }
    }

    /// The events of `rank`, on rank 0.
    private func exchange(_ own: [PhaseEvent], from rank: Int, count: Int) throws -> [PhaseEvent] {
        if rank == 0 || count == 0 { return communicator.rank == rank ? own : [] }
        if communicator.rank == rank {
            try own.withUnsafeBytes { try communicator.exchange(sending: [Outgoing(to: 0, $0)], receiving: []) }
        } else if communicator.rank == 0 {
            var received = [PhaseEvent](repeating: PhaseEvent(.load, start: 0, nanoseconds: 0, step: 0), count: count)
            try received.withUnsafeMutableBytes {
                try communicator.exchange(sending: [], receiving: [Incoming(from: rank, $0)])
            }
            return received
        }
        return []
    }
}
