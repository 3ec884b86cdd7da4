import Kernels
import Storage

/// Augmentations in their order, each with random numbers of its own.
struct AugmentationSequence: Sendable {
    private enum Step: Sendable {
        case alone(any Augmentation, RandomStream)
        /// The number among those that mix.
        case mixing(any MixingAugmentation, RandomStream, Int)
    }

    private let steps: [Step]
    /// Nil where nothing is mixed.
    private let scratch: ScratchPool<MixingScratch>?

    /// - Parameters:
    ///   - dataset: whose samples they change.
    ///   - batchSize: the most samples of a step.
    init(_ augmentations: [any Augmentation], of dataset: Dataset, seed: UInt64, batchSize: Int) {
        var partners: [RandomStream] = []
        steps = augmentations.enumerated().map { place, augmentation in
            let stream = RandomStream(seed: seed, purpose: .augmentation, layer: place)
            guard let mixing = augmentation as? any MixingAugmentation else { return .alone(augmentation, stream) }
            partners.append(RandomStream(seed: seed, purpose: .partners, layer: place))
            return .mixing(mixing, stream, partners.count - 1)
        }
        let streams = partners
        let inputCount = dataset.inputShape.count
        let targetCount = dataset.targetKind.count
        scratch =
            streams.isEmpty
            ? nil
            : ScratchPool {
                MixingScratch(streams: streams, inputCount: inputCount, targetCount: targetCount, batchSize: batchSize)
            }
    }

    /// Whether targets are mixed as well.
    var mixes: Bool { scratch != nil }

    /// Changes rows of inputs.
    ///
    /// - Parameters:
    ///   - samples: of the batch, a row each.
    ///   - copy: writes the inputs of one sample of the batch as they are stored into one row.
    func apply(
        to rows: MutableMatrixView, of samples: ArraySlice<Int32>, in batch: DrawnBatch,
        copy: (ArraySlice<Int32>, MutableMatrixView) -> Void
    ) {
        let first = batch.place(of: samples)
        guard let scratch else {
            for row in 0..<rows.rows {
                change(rows.row(row), place: first + row, in: batch, steps: steps.count, nil, copy)
            }
            return
        }
        scratch.withScratch { scratch in
            scratch.pair(batch)
            for row in 0..<rows.rows {
                change(rows.row(row), place: first + row, in: batch, steps: steps.count, scratch, copy)
            }
        }
    }

    /// Applies the first `count` augmentations to the sample at a place of the batch.
    private func change(
        _ inputs: UnsafeMutableBufferPointer<Float>, place: Int, in batch: DrawnBatch, steps count: Int,
        _ scratch: MixingScratch?, _ copy: (ArraySlice<Int32>, MutableMatrixView) -> Void
    ) {
        let draw = batch.firstDraw + UInt64(place)
        for index in 0..<count {
            switch steps[index] {
            case .alone(let augmentation, let stream): augmentation.apply(to: inputs, stream: stream, draw: draw)
            case .mixing(let augmentation, let stream, let mixing):
                guard let scratch else { preconditionFailure("a mix without scratch") }
                let mixture = augmentation.mixture(stream: stream, draw: draw)
                let partner = scratch.partner(of: place, for: mixing)
                guard mixture.share < 1, partner != place else { continue }
                let row = scratch.inputRow(mixing)
                copy(batch.sample(at: partner), row)
                change(row.row(0), place: partner, in: batch, steps: index, scratch, copy)
                mixture.apply(to: inputs, partner: row.row(0))
            }
        }
    }

    /// Mixes rows of targets as `apply` mixes inputs.
    ///
    /// - Parameter copy: writes the targets of one sample of the batch as they are stored into one row.
    func mix(
        _ rows: MutableMatrixView, of samples: ArraySlice<Int32>, in batch: DrawnBatch,
        copy: (ArraySlice<Int32>, MutableMatrixView) -> Void
    ) {
        guard let scratch else { return }
        let first = batch.place(of: samples)
        scratch.withScratch { scratch in
            scratch.pair(batch)
            for row in 0..<rows.rows {
                mix(rows.row(row), place: first + row, in: batch, steps: steps.count, scratch, copy)
            }
        }
    }

    private func mix(
        _ targets: UnsafeMutableBufferPointer<Float>, place: Int, in batch: DrawnBatch, steps count: Int,
        _ scratch: MixingScratch, _ copy: (ArraySlice<Int32>, MutableMatrixView) -> Void
    ) {
        for index in 0..<count {
            guard case .mixing(let augmentation, let stream, let mixing) = steps[index] else { continue }
            let share = augmentation.mixture(stream: stream, draw: batch.firstDraw + UInt64(place)).share
            let partner = scratch.partner(of: place, for: mixing)
            guard share < 1, partner != place else { continue }
            let row = scratch.targetRow(mixing, columns: targets.count)
            copy(batch.sample(at: partner), row)
            mix(row.row(0), place: partner, in: batch, steps: index, scratch, copy)
            blendNumbers(targets, with: UnsafeBufferPointer(row.row(0)), share: share)
        }
    }
}
