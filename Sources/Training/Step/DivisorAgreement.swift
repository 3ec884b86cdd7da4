import Collectives
import Storage

/// What the mean of a step's loss is divided by, where that depends on the targets (class weights, ignored ones): counted by
/// each rank for its own rows, summed along the tree, and known to all before the first block of gradients is combined.
final class DivisorAgreement {
    private let communicator: any Communicator
    private let own: AlignedBuffer<Double>
    private let all: AlignedBuffer<Double>

    /// - Parameter subtrees: the most subtrees that any rank has in a step.
    init(communicator: any Communicator, subtrees: Int) {
        self.communicator = communicator
        own = AlignedBuffer(count: max(subtrees, 1))
        all = AlignedBuffer(count: max(subtrees, 1) * communicator.size)
    }

    /// What this rank's subtrees add to the divisor, after `divisor`.
    var ofSubtrees: UnsafeBufferPointer<Double> { UnsafeBufferPointer(own.elements) }

    /// The divisor of a step. Collective where it isn't known.
    ///
    /// - Parameters:
    ///   - known: the divisor, where it follows from the number of rows.
    ///   - subtree: what the rank's subtree with that index in the program adds.
    func divisor(_ program: SummationTree.Program, known: Double?, _ subtree: (_ index: Int) -> Double) throws -> Double {
        let subtrees = program.subtrees(of: communicator.rank)
        precondition(subtrees.count <= own.count, "\(subtrees.count) subtrees of \(own.count)")
        for (place, index) in subtrees.enumerated() { own[place] = subtree(index) }
        if let known { return known }
        try communicator.allGather(UnsafeRawBufferPointer(own.elements), into: UnsafeMutableRawBufferPointer(all.elements))
        var rank = 0
        return program.combine { index in
            while index >= program.subtrees(of: rank).upperBound { rank += 1 }
            return all[rank * own.count + index - program.subtrees(of: rank).lowerBound]
        }
    }
}
