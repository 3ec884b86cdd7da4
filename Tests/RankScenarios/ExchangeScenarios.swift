import Collectives
import Diagnostics
import Foundation
import Kernels
import Storage

/// The exchange of gradients between owners, on as many hosts as DTRAIN_NODE_SIZE makes.
let exchangeScenarios = [
    Scenario(name: "owner-exchange") { communicator in
        for agreesFirst in [false, true] {
            // More pieces than messages may be under way, and fewer blocks than ranks, of whom some then own nothing.
            for (leaves, blocks) in [(1, 5), (2, 5), (3, 5), (5, 5), (8, 5), (13, 5), (3, 300), (4, 1)] {
                try checkExchange(communicator, leafCount: leaves, blockCount: blocks, agreesFirst: agreesFirst)
            }
        }
    },
    Scenario(name: "topology") { communicator in
        let sizes = communicator.topology.hosts.map(\.count)
        let hostSize = ProcessInfo.processInfo.environment["DTRAIN_NODE_SIZE"].flatMap { Int($0) } ?? communicator.size
        expect(
            sizes.reduce(0, +) == communicator.size && sizes.dropLast().allSatisfy { $0 == hostSize },
            "\(communicator.size) ranks on hosts of \(hostSize): \(sizes)", communicator)
    },
    Scenario(name: "shared-memory") { communicator in
        // Every rank sees what every other one wrote, through memory of its own making.
        let grant = try communicator.shareMemory { _ in 1 << 16 }
        expect(grant.note == nil, grant.note ?? "", communicator)
        let ranks = grant.topology.hosts[grant.topology.host(of: communicator.rank)]
        let own = grant.memory.segment(communicator.rank - ranks.lowerBound).assumingMemoryBound(to: Int.self)
        expect((0..<1 << 13).allSatisfy { own[$0] == 0 }, "fresh memory isn't zero", communicator)
        own[77] = communicator.rank + 1
        try communicator.barrier()
        for rank in ranks {
            let seen = grant.memory.segment(rank - ranks.lowerBound).assumingMemoryBound(to: Int.self)[77]
            expect(seen == rank + 1, "rank \(rank) wrote \(seen)", communicator)
        }
        try communicator.barrier()
        grant.memory.close()
    }
]

/// Every leaf's gradient is a known function; the owners' combination must be, bit for bit, the tree over all leaves as
/// one rank would add it, every rank must see every owner's result, and what travels between hosts must be what the
/// formula says.
private func checkExchange(_ world: any Communicator, leafCount: Int, blockCount: Int, agreesFirst: Bool) throws {
    var layout = ParameterLayout()
    _ = layout.reserve(name: "w", shape: Shape([blockCount * ParameterLayout.blockSize - 7]), role: .weight)
    let communicator = CountingCommunicator(world)
    let tree = SummationTree(leafCount: leafCount)
    let program = tree.program(rankCount: communicator.size)
    let own = program.subtrees(of: communicator.rank)
    var plan: ExchangePlan?
    var weights: MutableParameterView?
    func combine(_ piece: Int, _ elements: Range<Int>, of slice: Range<Int>) {
        for first in stride(from: elements.lowerBound, to: elements.upperBound, by: ParameterLayout.blockSize) {
            guard let block = weights?[first..<first + ParameterLayout.blockSize] else { return }
            block.fill(.nan)
            plan?.combine(first - slice.lowerBound, piece: piece, factor: 1, into: block)
        }
    }
    // Where ranks agree first, weights change only after that.
    var combinedLater: [(Int, Range<Int>)] = []
    let ownSlice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
    let exchange = try OwnerExchange(
        communicator: communicator, layout: layout, subtrees: own.count, recordSize: 3,
        rules: ExchangeRules(agreesFirst: agreesFirst)
    ) { index, elements, _ in
        if !agreesFirst { combine(index, elements, of: ownSlice) } else { combinedLater.append((index, elements)) }
        return !agreesFirst
    }
    weights = exchange.weights
    let exchangePlan = ExchangePlan(program, tree: tree, exchange: exchange, followsTree: true)
    plan = exchangePlan
    func leaf(_ leaf: Int, _ element: Int, _ round: Int) -> Float {
        sin(Float(leaf * 7919 + element * 104_729 + round)) * Float(1 << (leaf % 11))
    }
    func subtreeSum(_ leaves: Range<Int>, _ element: Int, _ round: Int) -> Float {
        guard let (left, right) = tree.children(of: leaves) else { return leaf(leaves.lowerBound, element, round) }
        return subtreeSum(left, element, round) + subtreeSum(right, element, round)
    }
    try communicator.barrier()
    communicator.sentBytes = 0
    for round in 0..<3 {
        try exchange.beginStep(exchangePlan)
        for (index, subtree) in own.enumerated() {
            let gradients = exchange.gradients(index)[0..<layout.trainedCount].elements
            for element in gradients.indices { gradients[element] = subtreeSum(program.subtrees[subtree], element, round) }
        }
        exchange.record[2] = Double(communicator.rank * 10 + round)
        exchange.finished(from: layout.trainedCount / 2)
        expect(exchange.completeFrom >= layout.trainedCount / 2, "complete from \(exchange.completeFrom)", communicator)
        exchange.finished(from: 0)
        if exchange.combinesEarly {
            expect(exchange.awaitMore(before: 1) == 0, "complete from \(exchange.completeFrom)", communicator)
        } else {
            try exchange.finishGradients()
        }
        if agreesFirst { try exchange.agree() }
        if exchange.combinesEarly {
            combine(0, exchange.slice, of: exchange.slice)
        } else {
            for (index, elements) in combinedLater { combine(index, elements, of: exchange.slice) }
            combinedLater = []
        }
        var isDone = false
        try exchange.publish(showsRecords: !agreesFirst, sendsWeights: agreesFirst) { isDone = true }
        try exchange.settle()
        expect(isDone, "the work for the waiting time wasn't done", communicator)
        let weights = exchange.weights[0..<layout.trainedCount].elements
        for element in weights.indices {
            let expected = subtreeSum(0..<leafCount, element, round)
            expect(
                weights[element].bitPattern == expected.bitPattern,
                "\(leafCount) leaves, round \(round), element "
                    + "\(element): \(weights[element]), expected \(expected)", communicator)
        }
        for rank in 0..<communicator.size {
            expect(exchange.record(of: rank)[2] == Double(rank * 10 + round), "the record of rank \(rank)", communicator)
        }
    }
    let sent = try communicator.allGather(String(communicator.sentBytes)).compactMap { Int($0) }.reduce(0, +)
    let expected = 3 * bytesBetweenNodes(tree, communicator.topology, layout)
    expect(sent == expected, "\(sent) bytes between hosts, the formula says \(expected)", communicator)
    exchange.close()
}

/// What one step sends between hosts: from every host, for every slice that is owned elsewhere, one sum for each maximal
/// subtree of the host's leaves; and every slice once to every other host.
private func bytesBetweenNodes(_ tree: SummationTree, _ topology: Topology, _ layout: ParameterLayout) -> Int {
    let rankCount = topology.hosts.last?.upperBound ?? 0
    var elements = 0
    for ranks in topology.hosts {
        let owned = ranks.reduce(0) { $0 + layout.slice(of: $1, ownerCount: rankCount).count }
        let leaves =
            tree.leaves(of: ranks.lowerBound, rankCount: rankCount)
            .lowerBound..<tree.leaves(of: ranks.upperBound - 1, rankCount: rankCount).upperBound
        elements += tree.subtrees(of: leaves).count * (layout.trainedCount - owned)
        elements += owned * (topology.hosts.count - 1)
    }
    return elements * MemoryLayout<Float>.stride
}

/// Counts the bytes that are handed to messages.
private final class CountingCommunicator: Communicator, @unchecked Sendable {
    // Sendable: used by one thread.
    private let base: any Communicator
    var sentBytes = 0

    init(_ base: any Communicator) { self.base = base }

    var rank: Int { base.rank }
    var size: Int { base.size }
    var topology: Topology { base.topology }

    func exchange(sending: [Outgoing], receiving: [Incoming]) throws {
        for outgoing in sending { sentBytes += outgoing.bytes.count }
        try base.exchange(sending: sending, receiving: receiving)
    }

    func barrier() throws { try base.barrier() }
    func shareMemory(_ byteCount: (_ isFirst: Bool) -> Int) throws -> HostMemoryGrant { try base.shareMemory(byteCount) }
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws { try base.broadcast(bytes, from: root) }
    func allGather(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer, counts: [Int]) throws {
        try base.allGather(own, into: all, counts: counts)
    }
    func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        try base.allGather(own, into: all)
    }
    func beginAllReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws { try base.beginAllReduceSum(values) }
    func progressAllReduces() throws { try base.progressAllReduces() }
    func finishAllReduce() throws { try base.finishAllReduce() }
    func abort(_ code: ExitCode) -> Never { base.abort(code) }
    func messages(places: Int) throws -> any Messages { CountingMessages(try base.messages(places: places), self) }
    var allowsThread: Bool { base.allowsThread }
}

private final class CountingMessages: Messages {
    private let base: any Messages
    private let counter: CountingCommunicator

    init(_ base: any Messages, _ counter: CountingCommunicator) {
        self.base = base
        self.counter = counter
    }

    func send(_ place: Int, to rank: Int, tag: Int, _ bytes: UnsafeRawBufferPointer) throws {
        counter.sentBytes += bytes.count
        try base.send(place, to: rank, tag: tag, bytes)
    }

    func receive(_ place: Int, from rank: Int, tag: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        try base.receive(place, from: rank, tag: tag, into: bytes)
    }

    func progress() throws { try base.progress() }
    func isIdle(_ place: Int) -> Bool { base.isIdle(place) }
    var underWay: Int { base.underWay }
}
