import Kernels
import Storage

/// What travels between hosts in a step, piece by piece: sums of gradients to a piece's owner as soon as every rank of this
/// host has computed them, new weights from it as soon as it has stepped them, those that the next forward pass reads first
/// before all others.
///
/// Nothing here waits. `advance` does what can be done and returns; whoever has nothing else to do calls it again and again, and
/// a thread calls it while the network computes (`ExchangeThread`).
final class PieceExchange {
    /// A piece of this rank's slice.
    private struct Owned {
        let piece: Int
        /// The ranks of other hosts that it has to do with, one of each.
        let peers: [Peer]
    }

    /// A rank of another host, and the places of the two messages.
    private struct Peer {
        let rank: Int
        let gradients: Int, weights: Int
    }

    /// A piece of an owner on another host that this rank sees to for its own host.
    private struct Foreign {
        let piece: Int
        let peer: Peer
    }

    let pieces: [Piece]
    private let owned: [Owned]
    private let foreign: [Foreign]
    private let messages: any Messages
    /// Whether an own piece of this step is still to be combined, and whether the sums of a foreign one are still to be sent.
    private let isUncombined: AlignedBuffer<Bool>, isUnsent: AlignedBuffer<Bool>
    /// Whether this step's new weights of a foreign piece are still to be asked for, and whether they have been.
    private let isUnasked: AlignedBuffer<Bool>, isAwaited: AlignedBuffer<Bool>
    /// To how many of its peers the new weights of an own piece are still to be sent, the last ones of the list.
    private let unserved: AlignedBuffer<Int32>
    /// How many pieces there are of each kind.
    private var uncombined = 0, unsent = 0, unasked = 0, awaited = 0, unpublished = 0
    /// Places of messages that were sent and are under way.
    private var sending: [Int] = []
    private let mostSending: Int
    private var plan: ExchangePlan?
    /// Bytes that this rank has sent since the exchange was made.
    private(set) var sentBytes = 0

    /// Where the weights lie that a step changes, and where the new ones go: the same place, unless gradients are applied late.
    private var old: MutableParameterView, new: MutableParameterView
    private let format: ExchangeFormat
    /// Changes of weights in 16 bits: of the own pieces, and of the foreign ones. Old weights of a piece that is being changed.
    private let ownChanges: AlignedBuffer<UInt16>, foreignChanges: AlignedBuffer<UInt16>
    private let kept: AlignedBuffer<Float>
    private let mostElements: Int
    /// How this rank says that new weights of a piece may be read.
    private let arrived: (_ piece: Int) -> Void

    /// - Parameters:
    ///   - weights: where they lie until `begin` says otherwise.
    ///   - arrived: called when the weights of a piece are new on this host, where this rank owns it or sees to it.
    init(
        _ communicator: any Communicator, topology: Topology, pieces: [Piece], weights: MutableParameterView,
        format: ExchangeFormat, arrived: @escaping (_ piece: Int) -> Void
    ) throws {
        self.format = format
        old = weights
        new = weights
        self.pieces = pieces
        self.arrived = arrived
        let rank = communicator.rank
        let ownHost = topology.host(of: rank)
        let others = topology.hosts.indices.filter { $0 != ownHost }
        var places = 0
        func peer(_ rank: Int) -> Peer {
            defer { places += 2 }
            return Peer(rank: rank, gradients: places, weights: places + 1)
        }
        owned = pieces.indices.filter { pieces[$0].owner == rank }.map { index in
            Owned(piece: index, peers: others.map { peer(topology.counterpart(on: $0, of: rank)) })
        }
        foreign = pieces.indices.filter {
            topology.host(of: pieces[$0].owner) != ownHost && topology.counterpart(on: ownHost, of: pieces[$0].owner) == rank
        }.map { Foreign(piece: $0, peer: peer(pieces[$0].owner)) }
        messages = try communicator.messages(places: places)
        isUncombined = AlignedBuffer(count: owned.count, repeating: false)
        isUnsent = AlignedBuffer(count: foreign.count, repeating: false)
        isUnasked = AlignedBuffer(count: foreign.count, repeating: false)
        isAwaited = AlignedBuffer(count: foreign.count, repeating: false)
        unserved = AlignedBuffer(count: owned.count, repeating: 0)
        let mostElements = pieces.map(\.elements.count).max() ?? 0
        self.mostElements = mostElements
        let isShort = format == .bfloat16
        ownChanges = AlignedBuffer(count: isShort ? owned.count * mostElements : 0, repeating: 0)
        foreignChanges = AlignedBuffer(count: isShort ? foreign.count * mostElements : 0, repeating: 0)
        kept = AlignedBuffer(count: isShort ? mostElements : 0)
        // A few megabytes under way keep a link busy; more of them would only delay what is wanted first.
        mostSending = max(8, 2 * others.count)
        sending.reserveCapacity(mostSending)
    }

    /// The elements of this rank's pieces, and of those that it sees to for their owners on other hosts.
    var ownedElements: [Range<Int>] { owned.map { pieces[$0.piece].elements } }
    var foreignElements: [Range<Int>] { foreign.map { pieces[$0.piece].elements } }

    /// The elements of the own piece with this index.
    func ownedElements(_ index: Int) -> Range<Int> { pieces[owned[index].piece].elements }

    // MARK: - A step

    /// Begins a step. Nothing but new weights is left of the step before.
    ///
    /// - Parameters:
    ///   - old: the weights that are to be changed; `new`: where the new ones go.
    ///   - bringsWeights: whether new weights follow without further agreement; else `awaitWeights` says when, or never.
    func begin(_ plan: ExchangePlan, old: MutableParameterView, new: MutableParameterView, bringsWeights: Bool) throws {
        self.plan = plan
        self.old = old
        self.new = new
        uncombined = owned.count
        unsent = foreign.count
        for index in owned.indices {
            isUncombined[index] = true
            for (peer, room) in zip(owned[index].peers, plan.rooms[index]) where room.count > 0 {
                try messages.receive(
                    peer.gradients, from: peer.rank, tag: tag(owned[index].piece, isWeights: false),
                    into: format == .float32 ? UnsafeMutableRawBufferPointer(room.elements) : BFloat16.room(in: room))
            }
        }
        for index in foreign.indices { isUnsent[index] = true }
        guard bringsWeights else { return }
        unasked = foreign.count
        for index in foreign.indices { isUnasked[index] = true }
    }

    /// Where weights lie, and where new ones go, of a step that begins without gradients.
    func change(_ old: MutableParameterView, into new: MutableParameterView) {
        self.old = old
        self.new = new
    }

    /// Whether all own pieces are combined, and the gradients of all others have been received by their owners.
    var areGradientsThrough: Bool {
        uncombined == 0 && unsent == 0 && unasked == 0 && foreign.allSatisfy { messages.isIdle($0.peer.gradients) }
    }

    /// Whether everything that this rank has to send has been begun.
    var hasBegunAll: Bool { uncombined == 0 && unsent == 0 && unpublished == 0 }

    /// Whether nothing is under way.
    var isIdle: Bool { hasBegunAll && unasked == 0 && awaited == 0 && messages.underWay == 0 }

    /// Does what can be done: sends, receives and combines. Returns whether there was anything.
    ///
    /// - Parameters:
    ///   - summedFrom: from where on every rank of the host has its gradients.
    ///   - completeFrom: from where on it has also read its weights.
    ///   - combine: makes the sum of all ranks for the own piece with this index; returns whether its weights are new, too.
    @discardableResult
    func advance(summedFrom: Int, completeFrom: Int, combine: (_ index: Int) -> Bool) throws -> Bool {
        try messages.progress()
        var didAnything = false
        sending.removeAll { messages.isIdle($0) }
        if awaited > 0 {
            for index in foreign.indices where isAwaited[index] && messages.isIdle(foreign[index].peer.weights) {
                isAwaited[index] = false
                awaited -= 1
                take(index)
                arrived(foreign[index].piece)
                didAnything = true
            }
        }
        if unasked > 0 {
            for index in foreign.indices
            where isUnasked[index] && !isAwaited[index] && completeFrom <= pieces[foreign[index].piece].elements.lowerBound {
                isUnasked[index] = false
                unasked -= 1
                try awaitWeights(index)
            }
        }
        if uncombined > 0 {
            for index in owned.indices where isUncombined[index] && isReady(index, completeFrom: completeFrom) {
                isUncombined[index] = false
                uncombined -= 1
                if format == .bfloat16, let plan {
                    for room in plan.rooms[index] where room.count > 0 { BFloat16.expand(room) }
                }
                if change(index, { combine(index) }) { publish(index) }
                didAnything = true
            }
        }
        while sending.count < mostSending, try sendNext(summedFrom: summedFrom) { didAnything = true }
        return didAnything
    }

    /// Whether all sums of an own piece are here, and nobody needs its old weights any more.
    private func isReady(_ index: Int, completeFrom: Int) -> Bool {
        completeFrom <= pieces[owned[index].piece].elements.lowerBound && unserved[index] == 0
            && owned[index].peers.allSatisfy { messages.isIdle($0.gradients) && messages.isIdle($0.weights) }
    }

    /// Has `body` change the weights of the own piece with this index; what it changes is rounded as others get it. It returns
    /// whether it has, and so does this.
    @discardableResult
    func change(_ index: Int, _ body: () -> Bool) -> Bool {
        guard format == .bfloat16 else { return body() }
        let elements = ownedElements(index)
        let before = kept.matrix(rows: 1, columns: elements.count)
        before.copy(from: old[elements].readOnly)
        guard body() else { return false }
        BFloat16.roundChange(
            from: before.readOnly, of: new[elements], into: UnsafeMutableRawPointer(ownChanges.base + index * mostElements))
        return true
    }

    /// Makes new weights of what has arrived for the foreign piece with this index.
    private func take(_ index: Int) {
        guard format == .bfloat16 else { return }
        let elements = pieces[foreign[index].piece].elements
        BFloat16.add(
            UnsafeRawPointer(foreignChanges.base + index * mostElements), to: old[elements].readOnly, into: new[elements])
    }

    /// Says that the own piece with this index has new weights.
    func publish(_ index: Int) {
        unserved[index] = Int32(owned[index].peers.count)
        if !owned[index].peers.isEmpty { unpublished += 1 }
        arrived(owned[index].piece)
    }

    /// Says that all foreign pieces get new weights, where not every step brings them. Nobody reads the old ones any more.
    func awaitWeights() throws { for index in foreign.indices { try awaitWeights(index) } }

    private func awaitWeights(_ index: Int) throws {
        let foreign = foreign[index]
        let elements = pieces[foreign.piece].elements
        try messages.receive(
            foreign.peer.weights, from: foreign.peer.rank, tag: tag(foreign.piece, isWeights: true),
            into: format == .float32
                ? UnsafeMutableRawBufferPointer(new[elements].elements)
                : UnsafeMutableRawBufferPointer(
                    start: foreignChanges.base + index * mostElements, count: elements.count * 2))
        isAwaited[index] = true
        awaited += 1
    }

    /// Begins to send what is read first in the next step, if anything may leave. Returns whether it did.
    private func sendNext(summedFrom: Int) throws -> Bool {
        let own = unpublished > 0 ? owned.indices.first { unserved[$0] > 0 } : nil
        let other =
            unsent > 0
            ? foreign.indices.first { isUnsent[$0] && summedFrom <= pieces[foreign[$0].piece].elements.lowerBound } : nil
        if let own, other.map({ owned[own].piece < foreign[$0].piece }) ?? true {
            let peers = owned[own].peers
            let peer = peers[peers.count - Int(unserved[own])]
            let elements = ownedElements(own)
            try send(
                peer.weights, to: peer.rank, owned[own].piece, isWeights: true,
                format == .float32
                    ? UnsafeRawBufferPointer(new[elements].elements)
                    : UnsafeRawBufferPointer(start: ownChanges.base + own * mostElements, count: elements.count * 2))
            unserved[own] -= 1
            if unserved[own] == 0 { unpublished -= 1 }
            return true
        }
        guard let other, let plan else { return false }
        let peer = foreign[other].peer
        let numbers = plan.bundle(other)
        let message = format == .float32 ? UnsafeRawBufferPointer(numbers.elements) : BFloat16.compress(numbers)
        // A host without leaves has no sums.
        if message.count > 0 { try send(peer.gradients, to: peer.rank, foreign[other].piece, isWeights: false, message) }
        isUnsent[other] = false
        unsent -= 1
        return true
    }

    private func send(_ place: Int, to rank: Int, _ piece: Int, isWeights: Bool, _ bytes: UnsafeRawBufferPointer) throws {
        try messages.send(place, to: rank, tag: tag(piece, isWeights: isWeights), bytes)
        sending.append(place)
        sentBytes += bytes.count
    }

    /// Tags below 16 are others'.
    private func tag(_ piece: Int, isWeights: Bool) -> Int { 16 + 2 * piece + (isWeights ? 1 : 0) }
}
