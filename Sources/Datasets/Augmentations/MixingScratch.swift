import Storage

/// What one thread needs to mix samples with their partners: partners' inputs and targets while they are made, and which sample
/// is whose partner. For each augmentation that mixes a part of its own, since a partner may be mixed itself.
final class MixingScratch: @unchecked Sendable {
    // Sendable: one thread at a time has it, from `ScratchPool`.

    /// One for each augmentation that mixes, in their order.
    private let streams: [RandomStream]
    private let inputs: AlignedBuffer<Float>
    private let targets: AlignedBuffer<Float>
    private let orders: AlignedBuffer<Int32>
    private let inputCount: Int, targetCount: Int, batchSize: Int
    /// The step whose permutations are there, and its samples.
    private var current: (step: Int, count: Int) = (-1, 0)

    /// - Parameters:
    ///   - inputCount: of a sample.
    ///   - targetCount: the most numbers that are a sample's target.
    ///   - batchSize: the most samples of a step.
    init(streams: [RandomStream], inputCount: Int, targetCount: Int, batchSize: Int) {
        self.streams = streams
        self.inputCount = inputCount
        self.targetCount = targetCount
        self.batchSize = batchSize
        inputs = AlignedBuffer(count: streams.count * inputCount)
        targets = AlignedBuffer(count: streams.count * targetCount)
        orders = AlignedBuffer(count: streams.count * batchSize, repeating: 0)
    }

    /// Finds out who is whose partner in a batch: for each augmentation a permutation keyed by its place in the list and the step.
    func pair(_ batch: DrawnBatch) {
        let count = batch.samples.count
        precondition(count <= batchSize, "a batch of \(count) samples with room for \(batchSize)")
        guard current != (batch.step, count) else { return }
        for (index, stream) in streams.enumerated() {
            stream.permute(
                UnsafeMutableBufferPointer(rebasing: orders.elements[index * batchSize..<index * batchSize + count]),
                ordinal: UInt64(batch.step))
        }
        current = (batch.step, count)
    }

    /// The place in the batch of the partner of the sample at `place`, for one of the augmentations that mix.
    func partner(of place: Int, for mixing: Int) -> Int { Int(orders.elements[mixing * batchSize + place]) }

    /// Room for a partner's inputs, one row.
    func inputRow(_ mixing: Int) -> MutableMatrixView {
        inputs.matrix(rows: 1, columns: inputCount, offset: mixing * inputCount)
    }

    /// Room for a partner's targets, one row.
    func targetRow(_ mixing: Int, columns: Int) -> MutableMatrixView {
        precondition(columns <= targetCount, "targets of \(columns) numbers with room for \(targetCount)")
        return targets.matrix(rows: 1, columns: columns, offset: mixing * targetCount)
    }
}
