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
    /// Whether subtrees are workers', each of which has weights of its own.
    private let hasWorkers: Bool

    /// - Parameter workers: how many replicas of the weights there are; nil where all ranks compute with the same.
    package init(_ sampler: Sampler, rankCount: Int, summation: TrainingSection.Summation, workers: Int? = nil) {
        hasWorkers = workers != nil
        self.rankCount = rankCount
        sampleCount = sampler.sampleCount
        microBatchSize = sampler.microBatchSize
        batchSize = min(sampler.globalBatchSize, sampler.sampleCount)
        trees = sampler.trees
        programs = trees.map {
            if let workers { return $0.program(workerCount: workers, rankCount: rankCount) }
            return summation == .tree ? $0.program(rankCount: rankCount) : $0.sequentialProgram(rankCount: rankCount)
        }
    }

    /// The most subtrees that `rank` has in a step.
    package func subtreeCount(of rank: Int) -> Int { programs.map { $0.subtrees(of: rank).count }.max() ?? 0 }

    /// The most subtrees that any rank has in a step.
    var mostSubtrees: Int { (0..<rankCount).map { subtreeCount(of: $0) }.max() ?? 0 }

    /// The most rows that `rank` has in a step; of several workers, which it computes one after the other, those of one.
    package func rows(of rank: Int) -> Int {
        guard !hasWorkers else {
            let leaves =
                programs.flatMap { program in program.subtrees(of: rank).map { program.subtrees[$0].count } }.max() ?? 0
            return min(leaves * microBatchSize, sampleCount)
        }
        return min(trees.map { $0.leaves(of: rank, rankCount: rankCount).count * microBatchSize }.max() ?? 0, sampleCount)
    }

    /// How many rows of a full batch each rank has, which lie one rank's behind the other's.
    var rowsOfFullBatch: [Int] {
        (0..<rankCount).map { rank in
            programs[0].subtrees(of: rank).reduce(0) { rows, index in
                let leaves = programs[0].subtrees[index]
                return rows + min(leaves.upperBound * microBatchSize, batchSize)
                    - min(leaves.lowerBound * microBatchSize, batchSize)
            }
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
