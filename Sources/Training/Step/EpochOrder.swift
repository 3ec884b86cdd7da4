import Datasets
import Storage

/// The samples of an epoch in their order. It is a list, four bytes a sample, or, for windows on tokens, of which there may be more than
/// fit, computed batch by batch.
package final class EpochOrder {
    /// From 0.
    package let epoch: Int

    private enum Source {
        case list([Int32])
        case computed(KeyedPermutation)
    }

    private let source: Source
    /// The samples of some steps that were computed. A step's own and the next one's are wanted at a time; a third place, so that whoever
    /// still holds those of the step before doesn't make this one copy them.
    private var batches: [(step: Int, samples: [Int32])]

    package init(_ sampler: Sampler, epoch: Int) {
        self.epoch = epoch
        if sampler.computesOrder {
            source = .computed(
                KeyedPermutation(
                    count: sampler.sampleCount, RandomStream(seed: sampler.seed, purpose: .windows), ordinal: UInt64(epoch)))
            let room = min(sampler.globalBatchSize, sampler.sampleCount)
            batches = (0..<3).map { _ in (-1, [Int32](repeating: 0, count: room)) }
        } else {
            source = .list(sampler.order(epoch: epoch))
            batches = []
        }
    }

    /// The samples of one of the epoch's batches. In a steady state nothing is allocated.
    package func drawn(_ batch: Batch) -> DrawnBatch {
        precondition(batch.epoch == epoch, "a batch of epoch \(batch.epoch) in the order of \(epoch)")
        switch source {
        case .list(let samples): return drawn(batch, samples[batch.positions])
        case .computed(let permutation):
            let place = batch.step % batches.count
            if batches[place].step != batch.step {
                batches[place].step = batch.step
                for index in 0..<batch.sampleCount {
                    batches[place].samples[index] = Int32(permutation[batch.positions.lowerBound + index])
                }
            }
            return drawn(batch, batches[place].samples[..<batch.sampleCount])
        }
    }

    private func drawn(_ batch: Batch, _ samples: ArraySlice<Int32>) -> DrawnBatch {
        DrawnBatch(
            samples: samples, firstDraw: batch.firstDraw, step: batch.step, beginsEpoch: batch.positions.lowerBound == 0)
    }

    /// The first samples, in their order.
    package func prefix(_ count: Int) -> [Int32] {
        switch source {
        case .list(let samples): Array(samples.prefix(count))
        case .computed(let permutation): (0..<min(count, permutation.count)).map { Int32(permutation[$0]) }
        }
    }
}
