import Diagnostics
import Kernels
import Settings
import Storage

/// What the samples are that an augmentation will change.
package struct AugmentationSite {
    /// Of a sample's inputs.
    let shape: Shape
    /// How numbers of the file become inputs, channel by channel: (x − offset) · factor. Nil where the inputs of a channel
    /// have terms of their own, as `standardize` gives them.
    private let terms: [(offset: Float, factor: Float)]?
    /// Whether the file holds bytes, which stay within 0 and 255.
    private let isBytes: Bool
    /// Whether samples are steps of series, which no change of images fits.
    private let areSeries: Bool
    private let targetKind: TargetKind
    private let hasWeights: Bool

    /// The site of a training split.
    init(_ dataset: Dataset) {
        shape = dataset.inputShape
        targetKind = dataset.targetKind
        hasWeights = dataset.hasWeights
        areSeries =
            switch dataset.inputs {
            case .series, .steps: true
            default: false
            }
        guard case .encoded(let samples, let rescaling) = dataset.inputs else {
            isBytes = false
            terms = Array(repeating: (0, 1), count: max(Self.extent(shape)?.channels ?? 1, 1))
            return
        }
        isBytes = samples.type == .unsigned8
        let channels = Self.extent(shape)?.channels ?? 1
        let (offsets, factors) = (rescaling.floats.offsets, rescaling.floats.factors)
        let area = shape.count / channels
        func term(_ list: [Float], _ channel: Int) -> Float? {
            if list.count == 1 { return list[0] }
            let part = list[channel * area..<(channel + 1) * area]
            return part.allSatisfy { $0 == part.first } ? part.first : nil
        }
        let found = (0..<channels).compactMap { channel -> (offset: Float, factor: Float)? in
            guard let offset = term(offsets, channel), let factor = term(factors, channel) else { return nil }
            return (offset, factor)
        }
        terms = found.count == channels ? found : nil
    }

    private static func extent(_ shape: Shape) -> ImageExtent? {
        let sizes = shape.dimensions
        guard sizes.allSatisfy({ $0 > 0 }) else { return nil }
        switch sizes.count {
        case 2: return ImageExtent(channels: 1, height: sizes[0], width: sizes[1])
        case 3: return ImageExtent(channels: sizes[0], height: sizes[1], width: sizes[2])
        default: return nil
        }
    }

    /// The images that samples are.
    /// - Throws: 78 where they are none.
    func image(for kind: String) throws -> ImageExtent {
        guard !areSeries else {
            throw Failure(
                .badConfiguration, "data.augmentation: \(kind) changes images, but samples are series; leave it out")
        }
        guard let extent = Self.extent(shape) else {
            throw Failure(
                .badConfiguration,
                "data.augmentation: \(kind) changes images, but a sample has the shape \(shape); expected [height, width] or "
                    + "[channels, height, width]")
        }
        return extent
    }

    /// Refuses samples that can't be mixed with one another.
    /// - Throws: 78 for targets that are the inputs, and for samples with weights.
    func requireMixing(for kind: String) throws {
        let problem: String? =
            if targetKind.areInputs {
                "\(kind) mixes targets as well as inputs, but data.target_kind: input makes the unchanged inputs the targets; "
                    + "leave out one of the two"
            } else if hasWeights {
                "\(kind) makes one sample of two, whose weights may differ; leave out \(kind) or data.train.weight"
            } else {
                nil
            }
        if let problem { throw Failure(.badConfiguration, "data.augmentation: \(problem)") }
    }

    /// A number of the file as each channel's input; 0 where inputs of a channel have terms of their own, which is their mean.
    func inputs(of number: Double) -> [Float] {
        terms?.map { (Float(number) - $0.offset) * $0.factor } ?? Array(repeating: 0, count: Self.extent(shape)?.channels ?? 1)
    }

    /// The terms of each channel, and the bounds of its inputs.
    /// - Throws: 78 where inputs of a channel have terms of their own.
    func levels(for kind: String) throws -> [(offset: Float, factor: Float, bounds: ClosedRange<Float>)] {
        guard let terms else {
            throw Failure(
                .badConfiguration,
                "data.augmentation: \(kind) needs one mean and deviation for each channel, but each input has its own; use "
                    + "normalize instead of standardize, with the numbers that dtrain data prints")
        }
        return terms.map { term in
            let low = (0 - term.offset) * term.factor
            let high = (255 - term.offset) * term.factor
            let most = Float.greatestFiniteMagnitude
            return (term.offset, term.factor, isBytes ? min(low, high)...max(low, high) : -most...most)
        }
    }
}

extension RandomStream {
    /// A uniform number from `range`, of 53 random bits.
    func uniform(in range: ClosedRange<Double>, _ index: UInt32, draw: UInt64) -> Double {
        let share = Double(word(index, ordinal: draw) >> 11) * 0x1p-53
        return range.lowerBound + (range.upperBound - range.lowerBound) * share
    }
}
