import Storage

/// Which rank computes what in a step: worked out alike on every rank, for all of them.
package struct WorkShares {
    /// The trees that occur: of a full batch, and of a short last one.
    let trees: [SummationTree]
    /// How each of them is shared out.
    let programs: [SummationTree.Program]
    private let rankCount: Int
    private let sampleCount: Int
    private let microBatchSize: Int
    private let batchSize: Int

    package init(_ sampler: Sampler, rankCount: Int, summation: TrainingSection.Summation) {
        self.rankCount = rankCount
        sampleCount = sampler.sampleCount
        microBatchSize = sampler.microBatchSize
        batchSize = min(sampler.globalBatchSize, sampler.sampleCount)
        trees = sampler.trees
        programs = trees.map {
            summation == .tree ? $0.program(rankCount: rankCount) : $0.sequentialProgram(rankCount: rankCount)
        }
    }

    /// The most subtrees that `rank` has in a step.
    package func subtreeCount(of rank: Int) -> Int { programs.map { $0.subtrees(of: rank).count }.max() ?? 0 }

    /// The most subtrees that any rank has in a step.
    var mostSubtrees: Int { (0..<rankCount).map { subtreeCount(of: $0) }.max() ?? 0 }

    /// The most rows that `rank` has in a step.
    package func rows(of rank: Int) -> Int {
        min(trees.map { $0.leaves(of: rank, rankCount: rankCount).count * microBatchSize }.max() ?? 0, sampleCount)
    }

    /// How many rows of a full batch each rank has, which lie one rank's behind the other's.
    var rowsOfFullBatch: [Int] {
        (0..<rankCount).map { rank in
            let leaves = trees[0].leaves(of: rank, rankCount: rankCount)
            return min(leaves.upperBound * microBatchSize, batchSize) - min(leaves.lowerBound * microBatchSize, batchSize)
        }
    }

    /// How many gradients wait on `rank` to be added, where subtrees have more rows than `rowCapacity` and are halved.
    package func spareGradients(of rank: Int, rowCapacity: Int) -> Int {
        zip(trees, programs).flatMap { tree, program in
            program.subtrees(of: rank).map { index in
                tree.inParts(
                    program.subtrees[index], thatFit: { min($0.count * microBatchSize, sampleCount) <= rowCapacity },
                    part: { _, waiting in waiting }, add: max)
            }
        }.max() ?? 0
    }
}
