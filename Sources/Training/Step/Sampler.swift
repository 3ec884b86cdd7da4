import Datasets
import Storage

/// Which samples make up a step: a function of the seed and the step alone. Every sample is used once per epoch, but for a
/// short last batch that is dropped.
package struct Sampler: Sendable, Equatable {
    package let sampleCount: Int
    package let globalBatchSize: Int
    package let microBatchSize: Int
    package let seed: UInt64
    package let shuffles: Bool
    /// Whether samples at an epoch's end that don't fill a batch are left out.
    package let dropsLast: Bool
    /// Whether each sample of a batch is the next one of a stream of its own: the samples in their order are cut into as many
    /// streams as a batch has samples, and those that don't fill one are left out.
    package let followsStreams: Bool
    /// Whether the order of an epoch is computed batch by batch, and listed nowhere: `EpochOrder`.
    package let computesOrder: Bool

    package init(
        sampleCount: Int, globalBatchSize: Int, microBatchSize: Int, seed: UInt64, shuffles: Bool,
        dropsLast: Bool = false, followsStreams: Bool = false, computesOrder: Bool = false
    ) {
        precondition(
            sampleCount > 0 && (shuffles || !computesOrder) && globalBatchSize > 0 && microBatchSize > 0
                && (!dropsLast || sampleCount >= globalBatchSize) && (!followsStreams || dropsLast && !shuffles),
            "\(sampleCount) samples in batches of \(globalBatchSize) and micro-batches of \(microBatchSize)")
        self.sampleCount = sampleCount
        self.globalBatchSize = globalBatchSize
        self.microBatchSize = microBatchSize
        self.seed = seed
        self.shuffles = shuffles
        self.dropsLast = dropsLast
        self.followsStreams = followsStreams
        self.computesOrder = computesOrder
    }

    /// The last step of an epoch may have fewer samples.
    package var stepsPerEpoch: Int {
        dropsLast ? sampleCount / globalBatchSize : (sampleCount + globalBatchSize - 1) / globalBatchSize
    }

    /// The samples that an epoch uses.
    package var samplesPerEpoch: Int { min(stepsPerEpoch * globalBatchSize, sampleCount) }

    /// The samples in the order of an epoch (from 0), where it is listed.
    package func order(epoch: Int) -> [Int32] {
        if followsStreams {
            return (0..<stepsPerEpoch).flatMap { step in
                (0..<globalBatchSize).map { Int32($0 * stepsPerEpoch + step) }
            }
        }
        guard shuffles else { return (0..<Int32(sampleCount)).map { $0 } }
        return RandomStream(seed: seed, purpose: .shuffle).permutation(count: sampleCount, ordinal: UInt64(epoch))
    }

    /// The batch of the step that follows `completedSteps` steps.
    package func batch(completedSteps: Int) -> Batch {
        let epoch = completedSteps / stepsPerEpoch
        let index = completedSteps % stepsPerEpoch
        let first = index * globalBatchSize
        let end = min(first + globalBatchSize, sampleCount)
        return Batch(
            step: completedSteps, epoch: epoch, indexInEpoch: index, positions: first..<end, microBatchSize: microBatchSize,
            firstDraw: UInt64(epoch) * UInt64(sampleCount) + UInt64(first))
    }

    /// The summation trees that occur: of a full batch, and of a short last one.
    package var trees: [SummationTree] {
        let full = batch(completedSteps: 0)
        let last = batch(completedSteps: stepsPerEpoch - 1)
        return full.tree == last.tree ? [full.tree] : [full.tree, last.tree]
    }
}

/// The samples of one step: a range of positions in the epoch's order, cut into leaves.
package struct Batch: Sendable, Equatable {
    /// The steps of the run before this one.
    package let step: Int
    /// From 0.
    package let epoch: Int
    /// From 0.
    package let indexInEpoch: Int
    package let positions: Range<Int>
    package let microBatchSize: Int
    /// The ordinal in the run of the first position's draw.
    package let firstDraw: UInt64

    package var sampleCount: Int { positions.count }
    package var tree: SummationTree {
        SummationTree(leafCount: (positions.count + microBatchSize - 1) / microBatchSize)
    }

    /// The positions of a range of leaves, relative to the batch's first.
    package func rows(of leaves: Range<Int>) -> Range<Int> {
        leaves.lowerBound * microBatchSize..<min(leaves.upperBound * microBatchSize, positions.count)
    }
}
