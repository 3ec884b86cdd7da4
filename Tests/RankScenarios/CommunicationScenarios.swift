import Collectives
import Diagnostics
import Foundation
import Storage

/// The calls of a communicator, one by one.
let communicationScenarios = [
    Scenario(name: "broadcast") { communicator in
        for root in 0..<communicator.size {
            var bytes = (0..<1003).map { UInt8(truncatingIfNeeded: communicator.rank == root ? $0 * 7 + root : 0xAA) }
            try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: root) }
            expect(
                bytes.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0 * 7 + root) },
                "broadcast from \(root) brought something else", communicator)
        }
    },
    Scenario(name: "all-gather") { communicator in
        // Rank r has r·3 bytes, so rank 0 has none.
        let own = [UInt8](repeating: UInt8(communicator.rank + 1), count: communicator.rank * 3)
        let all = try communicator.allGather(own)
        expect(all.count == communicator.size, "\(all.count) parts", communicator)
        for (rank, part) in all.enumerated() {
            expect(part == [UInt8](repeating: UInt8(rank + 1), count: rank * 3), "rank \(rank) sent \(part)", communicator)
        }
        let texts = try communicator.allGather("rank \(communicator.rank) grüßt")
        expect(texts == (0..<communicator.size).map { "rank \($0) grüßt" }, "\(texts)", communicator)
        let text = try communicator.broadcast(
            communicator.rank == communicator.size - 1 ? "last" : "other",
            from: communicator.size - 1)
        expect(text == "last", text, communicator)
    },
    Scenario(name: "all-gather-as-many-of-each") { communicator in
        for count in [0, 1, 5, 24, 1000, 3] {
            let own = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 3 + communicator.rank * 17 + 1) }
            var all = [UInt8](repeating: 0xEE, count: count * communicator.size + 2)
            try own.withUnsafeBytes { own in
                try all.withUnsafeMutableBytes { try communicator.allGather(own, into: $0) }
            }
            let expected = (0..<communicator.size).flatMap { rank in
                (0..<count).map { UInt8(truncatingIfNeeded: $0 * 3 + rank * 17 + 1) }
            }
            expect(all == expected + [0xEE, 0xEE], "\(count) bytes of each rank: \(all)", communicator)
        }
    },
    Scenario(name: "all-gather-in-place") { communicator in
        let counts = (0..<communicator.size).map { ($0 % 3) * 4 }
        var all = [UInt8](repeating: 0xEE, count: counts.reduce(0, +) + 1)
        var start = counts[..<communicator.rank].reduce(0, +)
        for index in start..<start + counts[communicator.rank] { all[index] = UInt8(communicator.rank) }
        try all.withUnsafeMutableBytes { try communicator.allGather(nil, into: $0, counts: counts) }
        start = 0
        for (rank, count) in counts.enumerated() {
            expect(all[start..<start + count].allSatisfy { $0 == UInt8(rank) }, "part of rank \(rank): \(all)", communicator)
            start += count
        }
        expect(all.last == 0xEE, "written behind the end", communicator)
    },
    Scenario(name: "exchange") { communicator in
        // Everybody sends everybody else two messages of different size; their order must be kept.
        let rank = communicator.rank
        let others = (0..<communicator.size).filter { $0 != rank }
        func content(from source: Int, to target: Int, _ number: Int) -> [UInt8] {
            (0..<(17 + 5 * number)).map { UInt8(truncatingIfNeeded: $0 + 31 * source + 7 * target + number) }
        }
        var outgoing = others.flatMap { other in (0..<2).map { content(from: rank, to: other, $0) } }
        var incoming = others.flatMap { _ in (0..<2).map { [UInt8](repeating: 0xAB, count: 17 + 5 * $0) } }
        let sending = outgoing.indices.map { index in
            outgoing[index].withUnsafeMutableBytes { Outgoing(to: others[index / 2], UnsafeRawBufferPointer($0)) }
        }
        let receiving = incoming.indices.map { index in
            incoming[index].withUnsafeMutableBytes { Incoming(from: others[index / 2], $0) }
        }
        try withExtendedLifetime((outgoing, incoming)) {
            try communicator.exchange(sending: sending, receiving: receiving)
        }
        for (index, bytes) in incoming.enumerated() {
            expect(bytes == content(from: others[index / 2], to: rank, index % 2), "message \(index)", communicator)
        }
    },
    Scenario(name: "all-reduce") { communicator in
        let sums = (0..<3).map { _ in Numbers(count: 999) }
        for round in 0..<3 {
            for (number, sum) in sums.enumerated() {
                for index in 0..<999 { sum.buffer[index] = Float(index + communicator.rank + number + round) }
                try communicator.beginAllReduceSum(sum.buffer.elements)
                try communicator.progressAllReduces()
            }
            let size = communicator.size
            for (number, sum) in sums.enumerated() {
                try communicator.finishAllReduce()
                for index in 0..<999 {
                    // Whole numbers: exact in any order.
                    let expected = Float(size * (index + number + round) + size * (size - 1) / 2)
                    expect(sum.buffer[index] == expected, "element \(index) is \(sum.buffer[index])", communicator)
                }
            }
        }
    },
    Scenario(name: "agree-on-success") { communicator in
        let value = try communicator.agree { communicator.rank * 2 }
        expect(value == communicator.rank * 2, "\(value)", communicator)
    },
    Scenario(name: "agree-on-failure") { communicator in
        // All ranks but the first fail, each in its own way: rank 1 speaks, or nobody on one rank.
        try communicator.agree {
            if communicator.rank > 0 { throw Failure(.badData, "rank \(communicator.rank) has a bad file") }
        }
        expect(communicator.size == 1, "a failure that nobody noticed", communicator)
    },
    Scenario(name: "abort") { communicator in
        // The last rank fails alone while the others wait for it.
        if communicator.rank == communicator.size - 1 { communicator.abort(.inputOutput) }
        try communicator.barrier()
    }
]

/// Numbers that stay in place.
private final class Numbers {
    let buffer: AlignedBuffer<Float>
    init(count: Int) { buffer = AlignedBuffer(count: count) }
}
