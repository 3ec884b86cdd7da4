import Collectives
import Kernels
import Network
import Storage

/// Sums over all leaves of a step in the middle of its passes: each rank adds up those of its subtrees, all hear of all of them,
/// and every rank adds these as the tree does. A rank without leaves takes part.
package final class RankTotals: StepTotals {
    private let communicator: any Communicator
    private let capacity: Int
    private let subtrees: Int
    private let own: AlignedBuffer<Double>, all: AlignedBuffer<Double>, totals: AlignedBuffer<Double>
    private var program = SummationTree(leafCount: 0).program(rankCount: 1)
    private var failure: (any Error)?

    /// Nil where no layer of the network asks.
    ///
    /// - Parameter subtrees: the most subtrees that any rank has in a step.
    package init?(_ network: Network, communicator: any Communicator, subtrees: Int) {
        guard network.joinsLeaves else { return nil }
        self.communicator = communicator
        self.subtrees = subtrees
        capacity = network.statisticsCount
        own = AlignedBuffer(count: subtrees * capacity, repeating: 0)
        all = AlignedBuffer(count: subtrees * capacity * communicator.size, repeating: 0)
        totals = AlignedBuffer(count: capacity, repeating: 0)
    }

    /// Bytes that `init` takes.
    static func byteCount(_ network: Network, subtrees: Int, rankCount: Int) -> Int {
        guard network.joinsLeaves else { return 0 }
        let count = network.statisticsCount
        return AlignedBuffer<Double>.byteCount(subtrees * count) + AlignedBuffer<Double>.byteCount(subtrees * count * rankCount)
            + AlignedBuffer<Double>.byteCount(count)
    }

    /// Begins a step.
    package func begin(_ program: SummationTree.Program) { self.program = program }

    package func total(_ sums: LeafSums) -> UnsafeBufferPointer<Double> {
        let width = sums.count
        precondition(width <= capacity, "\(width) sums of \(capacity)")
        let total = UnsafeBufferPointer(totals.first(width))
        // After a failure, which `check` tells, nobody answers any more.
        guard failure == nil else { return total }
        let ownSubtrees = program.subtrees(of: communicator.rank)
        let first = program.leaves(of: ownSubtrees).lowerBound
        for (place, index) in ownSubtrees.enumerated() {
            let leaves = program.subtrees[index]
            let tree = SummationTree(leafCount: leaves.count)
            for sum in 0..<width {
                own[place * width + sum] = tree.sum { sums.leaf(leaves.lowerBound - first + $0)[sum] }
            }
        }
        do {
            try communicator.allGather(
                UnsafeRawBufferPointer(own.first(subtrees * width)),
                into: UnsafeMutableRawBufferPointer(all.first(subtrees * width * communicator.size)))
        } catch {
            failure = error
            return total
        }
        for sum in 0..<width {
            var rank = 0
            totals[sum] = program.combine { index in
                while index >= program.subtrees(of: rank).upperBound { rank += 1 }
                return all[(rank * subtrees + index - program.subtrees(of: rank).lowerBound) * width + sum]
            }
        }
        return total
    }

    /// Throws what went wrong since the last call, if anything did: a pass can't.
    func check() throws {
        guard let failure else { return }
        self.failure = nil
        throw failure
    }
}
