import Collectives
import Storage

/// The average of all weights on every rank, for validations that look at it (`training.ema.validate`): the owners' averages, and
/// what isn't trained as the model has it.
final class AveragedWeights {
    private let synchronizer: any Synchronizer
    private let engine: UpdateEngine
    private let communicator: any Communicator
    /// Whether each rank keeps the average of its slice only.
    private let isShared: Bool
    private let buffer: AlignedBuffer<Float>

    /// Nil where there is no average.
    init?(_ synchronizer: any Synchronizer, communicator: any Communicator, isShared: Bool) {
        guard let engine = synchronizer.averagingEngine else { return nil }
        self.synchronizer = synchronizer
        self.engine = engine
        self.communicator = communicator
        self.isShared = isShared
        buffer = AlignedBuffer(count: engine.layout.weightCount)
    }

    /// The average as it is now, valid until the next call. Collective, after `Synchronizer.settle`.
    func gather() throws -> ParameterView {
        let layout = engine.layout
        guard let own = engine.averageSlice else { preconditionFailure("an average of weights that isn't kept") }
        let all = buffer.weights(layout)
        let untrained = layout.trainedCount..<layout.weightCount
        all[untrained].copy(from: synchronizer.weights[untrained].readOnly)
        all[engine.slice].copy(from: own.readOnly)
        if isShared {
            let size = communicator.size
            try communicator.allGather(
                nil, into: UnsafeMutableRawBufferPointer(all[0..<layout.trainedCount].elements),
                counts: (0..<size).map { layout.slice(of: $0, ownerCount: size).count * MemoryLayout<Float>.stride })
        }
        return all.readOnly
    }
}
