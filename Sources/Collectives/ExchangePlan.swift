import Kernels
import Storage

/// Everything about the exchange that depends on who computes which leaves: worked out once for each summation program,
/// so that a step allocates nothing and decides nothing.
package final class ExchangePlan {
    package let program: SummationTree.Program
    /// The subtrees whose sum the owner makes, in order: those of its own host's ranks where they lie, those of other
    /// hosts as they arrive; each from the first element of the slice on.
    private let sources: [UnsafePointer<Float>]
    /// The same of weights that are used again later, in the order of the uses.
    private let laterUses: [LaterUseSources]
    /// How often the two topmost sums are added after each source.
    private let additions: [Int]

    let sentGradients: [Outgoing]
    let receivedGradients: [Incoming]
    let sentWeights: [Outgoing]
    let receivedWeights: [Incoming]
    private let bundles: [Bundle]
    /// Sums of a block that wait for others.
    private let scratch: AlignedBuffer<Float>
    /// A block of a later use's gradient.
    private let laterBlock: AlignedBuffer<Float>

    /// The gradients of a later use, as far as its weight lies in the owner's slice.
    private struct LaterUseSources {
        /// The elements of the slice, in whole blocks, that they belong to, and those that the weight lies in.
        let blocks: Range<Int>, weight: Range<Int>
        /// From the first of the blocks on.
        let sources: [UnsafePointer<Float>]
    }

    /// A host's sum over one of its own maximal subtrees, for the owner of a slice on another host.
    private struct Bundle {
        let sources: [UnsafePointer<Float>]
        let additions: [Int]
        let result: MutableMatrixView
    }

    /// - Parameter followsTree: false where sums are made in the order of ranks instead (`summation: arrival`).
    package init(_ program: SummationTree.Program, tree: SummationTree, exchange: OwnerExchange, followsTree: Bool) {
        self.program = program
        let topology = exchange.topology
        let size = exchange.communicator.size
        let rank = exchange.communicator.rank
        let slice = exchange.slice
        let ownHost = exchange.ownHost
        let layout = exchange.layout
        func additions(_ subtrees: [Range<Int>]) -> [Int] {
            followsTree ? tree.additions(for: subtrees) : subtrees.indices.map { $0 == 0 ? 0 : 1 }
        }
        func subtrees(ofHost host: Int) -> [Range<Int>] {
            Self.subtrees(of: topology.hosts[host], program, tree: tree, followsTree: followsTree)
        }

        // The slice, and behind it what belongs to it of later uses: each a range of the flat buffer of gradients.
        let parts = layout.gradientParts(of: slice)
        var sources = [[UnsafePointer<Float>]](repeating: [], count: parts.count)
        var combined: [Range<Int>] = []
        var received: [Incoming] = []
        // A rank may own nothing: there can be more of them than blocks.
        for host in slice.isEmpty ? 0..<0 : topology.hosts.indices {
            if host == ownHost {
                for rank in topology.hosts[host] {
                    for (index, subtree) in program.subtrees(of: rank).enumerated() {
                        let gradients = exchange.gradients(index, of: rank)
                        for (part, elements) in parts.enumerated() {
                            sources[part].append(UnsafePointer(gradients[elements.gradients].base))
                        }
                        combined.append(program.subtrees[subtree])
                    }
                }
            } else {
                for subtree in subtrees(ofHost: host) {
                    for (part, elements) in parts.enumerated() {
                        let place = exchange.staging.take(elements.gradients.count)
                        received.append(Incoming(from: topology.counterpart(on: host, of: rank), place))
                        sources[part].append(UnsafePointer(place.base))
                    }
                    combined.append(subtree)
                }
            }
        }
        self.sources = sources.first ?? []
        laterUses = zip(parts, sources).dropFirst().map { part, sources in
            LaterUseSources(
                blocks: part.blocks.shifted(by: -slice.lowerBound), weight: part.weight.shifted(by: -slice.lowerBound),
                sources: sources)
        }
        self.additions = additions(combined)
        receivedGradients = received

        // For the slices of other hosts' owners that fall to this rank.
        var bundles: [Bundle] = []
        var sent: [Outgoing] = []
        var receivedWeights: [Incoming] = []
        for owner in 0..<size where topology.host(of: owner) != ownHost {
            let target = layout.slice(of: owner, ownerCount: size)
            guard topology.counterpart(on: ownHost, of: owner) == rank, !target.isEmpty else { continue }
            for subtree in subtrees(ofHost: ownHost) {
                for part in layout.gradientParts(of: target) {
                    let place = exchange.staging.take(part.gradients.count)
                    var sources: [UnsafePointer<Float>] = []
                    var covered: [Range<Int>] = []
                    for rank in topology.hosts[ownHost] {
                        for (index, own) in program.subtrees(of: rank).enumerated()
                        where subtree.contains(program.subtrees[own].lowerBound) {
                            sources.append(UnsafePointer(exchange.gradients(index, of: rank)[part.gradients].base))
                            covered.append(program.subtrees[own])
                        }
                    }
                    bundles.append(Bundle(sources: sources, additions: additions(covered), result: place))
                    sent.append(Outgoing(to: owner, place.readOnly))
                }
            }
            receivedWeights.append(Incoming(from: owner, exchange.weights[target]))
        }
        self.bundles = bundles
        sentGradients = sent
        self.receivedWeights = receivedWeights
        sentWeights =
            slice.isEmpty
            ? []
            : topology.hosts.indices.filter { $0 != ownHost }.map {
                Outgoing(to: topology.counterpart(on: $0, of: rank), exchange.weights[slice].readOnly)
            }
        exchange.staging.restart()
        let levels = ([self.additions] + bundles.map(\.additions)).map(combinationLevels).max() ?? 0
        scratch = AlignedBuffer(count: levels * ParameterLayout.blockSize)
        laterBlock = AlignedBuffer(count: laterUses.isEmpty ? 0 : ParameterLayout.blockSize)
    }

    /// The sum of all ranks for one block of the owner's slice, which begins `offset` elements in, times `factor`. Returns
    /// the sum of its squares.
    @discardableResult
    package func combine(_ offset: Int, factor: Float, into block: MutableMatrixView) -> Double {
        guard laterUses.contains(where: { $0.blocks.contains(offset) }) else {
            return combineTree(
                sources, additions: additions, offset: offset, factor: factor, scratch: scratch.elements, into: block)
        }
        // The uses have a tree each; their roots are joined before anything is scaled.
        combineTree(sources, additions: additions, offset: offset, factor: 1, scratch: scratch.elements, into: block)
        let later = laterBlock.matrix(rows: 1, columns: block.count)
        for use in laterUses where use.blocks.contains(offset) {
            combineTree(
                use.sources, additions: additions, offset: offset - use.blocks.lowerBound, factor: 1,
                scratch: scratch.elements, into: later)
            let own = use.weight.clamped(to: offset..<offset + block.count)
            Updates.add(later[columns: own.shifted(by: -offset)].readOnly, to: block[columns: own.shifted(by: -offset)])
        }
        Updates.scale(block, by: factor)
        return sumOfSquares(block.readOnly)
    }

    /// What the ranks of a host hand over: as few sums as the tree allows.
    private static func subtrees(
        of ranks: Range<Int>, _ program: SummationTree.Program, tree: SummationTree,
        followsTree: Bool
    ) -> [Range<Int>] {
        let all = ranks.flatMap { program.subtrees(of: $0).map { program.subtrees[$0] } }
        guard let first = all.first, let last = all.last else { return [] }
        let leaves = first.lowerBound..<last.upperBound
        return followsTree ? tree.subtrees(of: leaves) : [leaves]
    }

    /// Elements that travel from or to `rank` and are kept in its memory: what a plan takes from an exchange's staging.
    package static func stagedCount(
        _ program: SummationTree.Program, tree: SummationTree, topology: Topology,
        layout: ParameterLayout, rank: Int, followsTree: Bool
    ) -> Int {
        let size = topology.hosts.last?.upperBound ?? 1
        let ownHost = topology.host(of: rank)
        func sums(_ host: Int) -> Int {
            subtrees(of: topology.hosts[host], program, tree: tree, followsTree: followsTree).count
        }
        func count(ofOwner owner: Int) -> Int {
            layout.gradientParts(of: layout.slice(of: owner, ownerCount: size)).reduce(0) { $0 + $1.gradients.count }
        }
        let received =
            topology.hosts.indices.filter { $0 != ownHost }.reduce(0) { $0 + sums($1) }
            * count(ofOwner: rank)
        let sent = (0..<size).filter {
            topology.host(of: $0) != ownHost && topology.counterpart(on: ownHost, of: $0) == rank
        }.reduce(0) { $0 + sums(ownHost) * count(ofOwner: $1) }
        return received + sent
    }

    /// Adds up what this host's ranks have for the owners on other hosts, as far as the tree allows.
    func combineForOthers() {
        let blockSize = ParameterLayout.blockSize
        for bundle in bundles {
            for first in stride(from: 0, to: bundle.result.count, by: blockSize) {
                combineTree(
                    bundle.sources, additions: bundle.additions, offset: first, factor: 1, scratch: scratch.elements,
                    into: MutableMatrixView(base: bundle.result.base + first, rows: 1, columns: blockSize))
            }
        }
    }
}

/// Rooms for sums that travel. Plans are used one at a time, so they share them; memory is kept as long as the exchange.
final class Staging {
    private final class Room {
        let buffer: AlignedBuffer<Float>
        init(count: Int) { buffer = AlignedBuffer(count: count) }
    }

    private var rooms: [Room] = []
    private var taken = 0

    /// A room of `count` elements that nobody else has until `restart`.
    func take(_ count: Int) -> MutableMatrixView {
        if let index = rooms[taken...].firstIndex(where: { $0.buffer.count == count }) {
            rooms.swapAt(taken, index)
        } else {
            rooms.insert(Room(count: count), at: taken)
        }
        defer { taken += 1 }
        return rooms[taken].buffer.matrix(rows: 1, columns: count)
    }

    /// All rooms may be taken again, by the next plan.
    func restart() { taken = 0 }
}
