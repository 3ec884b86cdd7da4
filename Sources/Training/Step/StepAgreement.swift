import Collectives
import Optimization
import Storage

extension GradientRules {
    /// Whether ranks have to agree on something before any weight changes: the norm to clip by, or that a step is to be
    /// skipped.
    func needsAgreement(skipsNonFinite: Bool) -> Bool { if case .norm = clipping { true } else { skipsNonFinite } }
}

/// The small record that every rank contributes to a step, and the agreement that follows from all of them: sums along
/// the tree, never in the order of arrival.
///
/// A record is: the stop flag, loss and statistics of the rank's subtrees, `sumCount` each, and sums of squares of gradients: of the
/// subtrees of blocks in its slice, or of its workers.
final class StepAgreement {
    /// Doubles in every rank's record.
    let recordSize: Int

    private let rank: Int
    private let rankCount: Int
    private let sumCount: Int
    private let layerSumCount: Int
    /// Where in a record the squares begin.
    private let squaresOffset: Int
    private let squareProgram: SummationTree.Program
    private let sums: AlignedBuffer<Double>

    /// - Parameters:
    ///   - squareCount: how many sums of squares there are, of which each rank has its share, one rank's behind the other's.
    ///   - subtrees: the most subtrees that any rank has in a step.
    ///   - sumCount: the loss, the metrics' statistics and the layers'; of these `layerSumCount`.
    init(communicator: any Communicator, squareCount: Int, subtrees: Int, sumCount: Int, layerSumCount: Int) {
        rank = communicator.rank
        rankCount = communicator.size
        self.sumCount = sumCount
        self.layerSumCount = layerSumCount
        let program = SummationTree(leafCount: squareCount).program(rankCount: communicator.size)
        squareProgram = program
        squaresOffset = 1 + subtrees * sumCount
        recordSize = squaresOffset + ((0..<communicator.size).map { program.subtrees(of: $0).count }.max() ?? 0)
        sums = AlignedBuffer(count: sumCount)
    }

    /// Where loss and statistics of the k-th subtree of the rank whose record it is are written.
    func subtreeSums(_ subtree: Int, in record: UnsafeMutableBufferPointer<Double>) -> UnsafeMutableBufferPointer<Double> {
        let start = 1 + subtree * sumCount
        precondition(start + sumCount <= squaresOffset, "the sums of subtree \(subtree)")
        return UnsafeMutableBufferPointer(rebasing: record[start..<start + sumCount])
    }

    /// Completes this rank's record.
    ///
    /// - Parameter squares: this rank's share of the sums of squares.
    func fill(
        _ record: UnsafeMutableBufferPointer<Double>, stopRequested: Bool,
        squares: UnsafeBufferPointer<Double>
    ) {
        record[0] = stopRequested ? 1 : 0
        let own = squareProgram.subtrees(of: rank)
        var target = squaresOffset
        var first = 0
        for index in own {
            let subtree = squareProgram.subtrees[index]
            let start = first
            record[target] = SummationTree(leafCount: subtree.count).sum { squares[start + $0] }
            target += 1
            first += subtree.count
        }
    }

    /// What follows from the records of all ranks.
    ///
    /// - Parameter squareShare: what the sum of all squares is multiplied by.
    func outcome(
        _ program: SummationTree.Program, squareShare: Double = 1, record: (_ rank: Int) -> UnsafePointer<Double>
    ) -> StepOutcome {
        var stopRequested = false
        for rank in 0..<rankCount where record(rank)[0] != 0 { stopRequested = true }
        for index in 0..<sumCount {
            sums[index] = combine(program) { rank, subtree in record(rank)[1 + subtree * sumCount + index] }
        }
        let squares = combine(squareProgram) { rank, subtree in record(rank)[squaresOffset + subtree] }
        let norm = (squares * squareShare).squareRoot()
        let all = UnsafeBufferPointer(sums.elements)
        let split = sumCount - layerSumCount
        return StepOutcome(
            sums: UnsafeBufferPointer(rebasing: all[..<split]),
            layerSums: UnsafeBufferPointer(rebasing: all[split...]), gradientNorm: norm,
            isFinite: norm.isFinite && sums[0].isFinite, stopRequested: stopRequested)
    }

    /// The program's sum of one number for each subtree of each rank.
    private func combine(_ program: SummationTree.Program, _ value: (_ rank: Int, _ subtree: Int) -> Double) -> Double {
        var rank = 0
        return program.combine { subtree in
            while subtree >= program.subtrees(of: rank).upperBound { rank += 1 }
            return value(rank, subtree - program.subtrees(of: rank).lowerBound)
        }
    }
}
