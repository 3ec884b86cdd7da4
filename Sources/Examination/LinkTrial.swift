import CProcesses
import Collectives
import Foundation
import Storage
import Timing

/// Measures messages between two ranks, there and back: 4 KB for the latency, 4 MB for the bandwidth.
///
/// Both ranks call it with the same pair. The first one decides after each message whether another one follows, so that a
/// slow link takes no longer than a fast one.
final class LinkTrial {
    private static let smallBytes = 4_096, largeBytes = 4_000_000
    /// Seconds for each size, and the most messages.
    private static let seconds = 0.1, mostRounds = 2_000
    /// Rounds that count for nothing: connections are made at the first message.
    private static let warmUp = 3

    private let communicator: any Communicator
    private let outgoing: AlignedBuffer<Float>
    private let incoming: AlignedBuffer<Float>

    init(_ communicator: any Communicator) {
        self.communicator = communicator
        let count = Self.largeBytes / MemoryLayout<Float>.stride
        outgoing = AlignedBuffer(count: count, repeating: 0)
        incoming = AlignedBuffer(count: count, repeating: 0)
    }

    /// What stands at the beginning of every message.
    private struct Header {
        /// Whether another message follows.
        var goesOn = true
        /// The sender's wall clock, seconds.
        var time = 0.0
        /// The sender, and where in its memory `mark` lies.
        var process: Int32 = 0
        var address: UInt64 = 0
        var mark = Self.expectedMark

        static let expectedMark: UInt64 = 0x6474_7261_696e_2121
    }

    /// Returns what was measured on rank `from`, nil on rank `to`.
    func run(from: Int, to: Int, isBetweenHosts: Bool) throws -> LinkFacts? {
        guard communicator.rank == from else {
            try answer(from, Self.smallBytes)
            try answer(from, Self.largeBytes)
            return nil
        }
        var offset: (uncertainty: Double, seconds: Double)?
        let small = try measure(to, Self.smallBytes) { before, after in
            let uncertainty = after - before
            if offset.map({ uncertainty < $0.uncertainty }) ?? true {
                offset = (uncertainty, received.time - (before + after) / 2)
            }
        }
        // The other one waits for the large messages now: its memory stays where it is.
        let readFailure = isBetweenHosts ? nil : readNeighbour()
        let large = try measure(to, Self.largeBytes) { _, _ in }
        return LinkFacts(
            from: from, to: to, isBetweenHosts: isBetweenHosts, latencySeconds: median(small),
            bandwidth: Double(Self.largeBytes) / max(median(large), 1e-9),
            clockOffsetSeconds: isBetweenHosts ? offset?.seconds : nil, readFailure: readFailure)
    }

    /// Sends messages and waits for their answers; returns half the time of each.
    private func measure(
        _ partner: Int, _ byteCount: Int, _ note: (_ before: Double, _ after: Double) -> Void
    ) throws -> [Double] {
        var times: [Double] = []
        var round = 0
        let start = MonotonicClock.seconds
        var isLast = false
        while !isLast {
            isLast = round >= Self.mostRounds || round > Self.warmUp && MonotonicClock.seconds - start > Self.seconds
            write(Header(goesOn: !isLast))
            let before = wallClock
            let begin = MonotonicClock.seconds
            try communicator.exchange(sending: [Outgoing(to: partner, part(byteCount))], receiving: [])
            try communicator.exchange(sending: [], receiving: [Incoming(from: partner, room(byteCount))])
            let time = MonotonicClock.seconds - begin
            if round >= Self.warmUp {
                times.append(time / 2)
                note(before, wallClock)
            }
            round += 1
        }
        return times
    }

    private func answer(_ partner: Int, _ byteCount: Int) throws {
        var goesOn = true
        while goesOn {
            try communicator.exchange(sending: [], receiving: [Incoming(from: partner, room(byteCount))])
            goesOn = received.goesOn
            // `mark` is the header's last field, whose place both ranks know.
            let place = UInt64(UInt(bitPattern: outgoing.base)) + UInt64(MemoryLayout<Header>.offset(of: \.mark) ?? 0)
            write(Header(time: wallClock, process: getpid(), address: place))
            try communicator.exchange(sending: [Outgoing(to: partner, part(byteCount))], receiving: [])
        }
    }

    /// Why memory of the rank that answered last can't be read; nil where it can.
    private func readNeighbour() -> String? {
        let header = received
        var mark: UInt64 = 0
        let code = dtrain_read_process(header.process, header.address, &mark, MemoryLayout<UInt64>.size)
        guard code == 0 else { return String(cString: strerror(code)) }
        return mark == Header.expectedMark ? nil : "another process has its number: containers with namespaces of their own"
    }

    private func median(_ times: [Double]) -> Double { times.isEmpty ? 0 : times.sorted()[times.count / 2] }

    private var wallClock: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    // Invariant: both buffers are longer than a header, which begins them.
    private func write(_ header: Header) {
        UnsafeMutableRawPointer(outgoing.base).storeBytes(of: header, as: Header.self)
    }

    private var received: Header { UnsafeRawPointer(incoming.base).loadUnaligned(as: Header.self) }

    private func part(_ byteCount: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: outgoing.base, count: byteCount)
    }

    private func room(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: incoming.base, count: byteCount)
    }
}
