import Kernels
import Storage

/// Everything about the exchange of gradients that depends on who computes which leaves: worked out once for each summation
/// program, so that a step allocates nothing and decides nothing.
package final class ExchangePlan {
    package let program: SummationTree.Program
    /// What this rank's own pieces are the sums of, in their order.
    private let owned: [OwnedPiece]
    /// How often the two topmost sums are added after each source.
    private let additions: [Int]
    /// Rooms for what other hosts send for this rank's pieces: for each piece, for each of those hosts.
    let rooms: [[MutableMatrixView]]
    /// What this rank sends for pieces that are owned elsewhere, in the order of `PieceExchange.foreign`.
    private let bundles: [Bundle]
    /// Sums of a block that wait for others.
    private let scratch: AlignedBuffer<Float>
    /// A block of a later use's gradient.
    private let laterBlock: AlignedBuffer<Float>

    private struct OwnedPiece {
        /// The element of the slice that it begins with.
        let start: Int
        /// The subtrees whose sum the owner makes, in order: those of its own host's ranks where they lie, those of other
        /// hosts as they arrive; each from the first element of the piece on.
        var sources: [UnsafePointer<Float>] = []
        /// The same of weights that are used again later, in the order of the uses.
        var laterUses: [LaterUseSources] = []
    }

    /// The gradients of a later use, as far as its weight lies in a piece.
    private struct LaterUseSources {
        /// The elements of the slice, in whole blocks, that they belong to, and those that the weight lies in.
        let blocks: Range<Int>, weight: Range<Int>
        /// From the first of the blocks on.
        var sources: [UnsafePointer<Float>] = []
    }

    /// A host's sums over its own maximal subtrees of a piece that is owned on another host: one message.
    private struct Bundle {
        var sums: [Sum] = []
        /// What is sent: where the sums are put one behind the other, or the one gradient that there is, where it lies.
        let message: MutableMatrixView

        struct Sum {
            let sources: [UnsafePointer<Float>]
            let additions: [Int]
            let result: MutableMatrixView
        }
    }

    /// - Parameters:
    ///   - followsTree: false where sums are made in the order of ranks instead (`summation: arrival`).
    ///   - set: which of the exchange's sets of gradients it is about.
    package init(
        _ program: SummationTree.Program, tree: SummationTree, exchange: OwnerExchange, followsTree: Bool, set: Int = 0
    ) {
        self.program = program
        let topology = exchange.topology
        let slice = exchange.slice
        let ownHost = exchange.ownHost
        let layout = exchange.layout
        func additions(_ subtrees: [Range<Int>]) -> [Int] {
            followsTree ? tree.additions(for: subtrees) : subtrees.indices.map { $0 == 0 ? 0 : 1 }
        }
        func subtrees(ofHost host: Int) -> [Range<Int>] {
            Self.subtrees(of: topology.hosts[host], program, tree: tree, followsTree: followsTree)
        }

        // What lies where of an own piece: for each subtree, in order, each part of the gradients that belongs to it.
        var combined: [Range<Int>] = []
        for host in topology.hosts.indices {
            combined +=
                host == ownHost
                ? topology.hosts[host].flatMap { program.subtrees(of: $0).map { program.subtrees[$0] } }
                : subtrees(ofHost: host)
        }
        var owned: [OwnedPiece] = []
        var rooms: [[MutableMatrixView]] = []
        // A rank may own nothing: there can be more of them than blocks.
        for elements in exchange.ownedPieces {
            let parts = layout.gradientParts(of: elements)
            var piece = OwnedPiece(start: elements.lowerBound - slice.lowerBound)
            piece.laterUses = parts.dropFirst().map {
                LaterUseSources(
                    blocks: $0.blocks.shifted(by: -slice.lowerBound), weight: $0.weight.shifted(by: -slice.lowerBound))
            }
            func add(_ part: Int, _ source: UnsafePointer<Float>) {
                if part == 0 { piece.sources.append(source) } else { piece.laterUses[part - 1].sources.append(source) }
            }
            var places: [MutableMatrixView] = []
            for host in topology.hosts.indices {
                guard host != ownHost else {
                    for rank in topology.hosts[host] {
                        for subtree in program.subtrees(of: rank).indices {
                            let gradients = exchange.gradients(
                                subtree - program.subtrees(of: rank).lowerBound, of: rank, set: set)
                            for (part, place) in parts.enumerated() {
                                add(part, UnsafePointer(gradients[place.gradients].base))
                            }
                        }
                    }
                    continue
                }
                let count = parts.reduce(0) { $0 + $1.gradients.count }
                let sums = subtrees(ofHost: host)
                let room = exchange.staging.take(count * sums.count)
                places.append(room)
                var place = UnsafePointer(room.base)
                for _ in sums {
                    for (part, elements) in parts.enumerated() {
                        add(part, place)
                        place += elements.gradients.count
                    }
                }
            }
            owned.append(piece)
            rooms.append(places)
        }
        self.owned = owned
        self.rooms = rooms
        self.additions = additions(combined)

        // For the pieces of other hosts' owners that fall to this rank.
        bundles = exchange.foreignPieces.map { elements in
            let parts = layout.gradientParts(of: elements)
            func sources(
                _ subtree: Range<Int>, _ part: ParameterLayout.GradientPart
            ) -> [(MutableMatrixView, Range<Int>)] {
                topology.hosts[ownHost].flatMap { rank in
                    program.subtrees(of: rank).enumerated().compactMap { index, own in
                        guard subtree.contains(program.subtrees[own].lowerBound) else { return nil }
                        let gradients = exchange.gradients(index, of: rank, set: set)[part.gradients]
                        return (gradients, program.subtrees[own])
                    }
                }
            }
            let subtrees = subtrees(ofHost: ownHost)
            if exchange.format == .float32, subtrees.count == 1, parts.count == 1,
                case let all = sources(subtrees[0], parts[0]), all.count == 1
            {
                return Bundle(message: all[0].0)
            }
            let count = parts.reduce(0) { $0 + $1.gradients.count }
            let room = exchange.staging.take(count * subtrees.count)
            var bundle = Bundle(message: room)
            var place = 0
            for subtree in subtrees {
                for part in parts {
                    let all = sources(subtree, part)
                    bundle.sums.append(
                        Bundle.Sum(
                            sources: all.map { UnsafePointer($0.0.base) }, additions: additions(all.map(\.1)),
                            result: MutableMatrixView(base: room.base + place, rows: 1, columns: part.gradients.count)))
                    place += part.gradients.count
                }
            }
            return bundle
        }
        exchange.staging.restart()
        let levels =
            ([self.additions] + bundles.flatMap { $0.sums.map(\.additions) }).map(combinationLevels).max() ?? 0
        scratch = AlignedBuffer(count: levels * ParameterLayout.blockSize)
        laterBlock = AlignedBuffer(count: owned.allSatisfy(\.laterUses.isEmpty) ? 0 : ParameterLayout.blockSize)
    }

    /// The sum of all ranks for one block of the owner's slice, which begins `offset` elements in and lies in the own piece
    /// with this index, times `factor`. Returns the sum of its squares.
    @discardableResult
    package func combine(_ offset: Int, piece index: Int = 0, factor: Float, into block: MutableMatrixView) -> Double {
        let start = owned[index].start
        guard owned[index].laterUses.contains(where: { $0.blocks.contains(offset) }) else {
            return combineTree(
                owned[index].sources, additions: additions, offset: offset - start, factor: factor, scratch: scratch.elements,
                into: block)
        }
        // The uses have a tree each; their roots are joined before anything is scaled.
        combineTree(
            owned[index].sources, additions: additions, offset: offset - start, factor: 1, scratch: scratch.elements,
            into: block)
        let later = laterBlock.matrix(rows: 1, columns: block.count)
        for use in owned[index].laterUses where use.blocks.contains(offset) {
            combineTree(
                use.sources, additions: additions, offset: offset - use.blocks.lowerBound, factor: 1,
                scratch: scratch.elements, into: later)
            let own = use.weight.clamped(to: offset..<offset + block.count)
            Updates.add(later[columns: own.shifted(by: -offset)].readOnly, to: block[columns: own.shifted(by: -offset)])
        }
        Updates.scale(block, by: factor)
        return sumOfSquares(block.readOnly)
    }

    /// Adds up what this host's ranks have for the piece with this index among those that are owned elsewhere, as far as the
    /// tree allows. Returns what is to be sent, which may be changed where `format` isn't float32.
    func bundle(_ index: Int) -> MutableMatrixView {
        let blockSize = ParameterLayout.blockSize
        for sum in bundles[index].sums {
            for first in stride(from: 0, to: sum.result.count, by: blockSize) {
                combineTree(
                    sum.sources, additions: sum.additions, offset: first, factor: 1, scratch: scratch.elements,
                    into: MutableMatrixView(base: sum.result.base + first, rows: 1, columns: blockSize))
            }
        }
        return bundles[index].message
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
