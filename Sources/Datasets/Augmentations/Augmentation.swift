import Diagnostics
import Settings
import Storage

/// A random change of a sample's inputs, made anew each time that training draws the sample, after normalisation. Validation,
/// evaluation and predictions see inputs as they are, and so does a target that is the input.
package protocol Augmentation: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    init(options: Settings) throws

    /// Changes the inputs of one sample: a function of them, the stream and the draw alone. Any thread may ask; allocates
    /// nothing.
    ///
    /// - Parameter draw: the ordinal of the sample's draw in the run.
    func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64)
}

/// All augmentations that a configuration can name. A new one is its file and a line here.
package let augmentationCatalog: [any Augmentation.Type] = [
    GaussianNoise.self,
    MaskingNoise.self,
    SaltAndPepper.self
]

/// Reads `data.augmentation`, a list in the order in which they are applied; `settings` is the section `data`.
func readAugmentations(_ settings: Settings) throws -> [any Augmentation] {
    try (try settings.optionalVariants("augmentation") ?? []).map { variant in
        guard let type = augmentationCatalog.first(where: { $0.kind == variant.name }) else {
            throw variant.unknown("augmentation", known: augmentationCatalog.map { $0.kind })
        }
        return try type.init(options: variant.options)
    }
}

/// Augmentations in their order, each with random numbers of its own.
struct AugmentationSequence: Sendable {
    private let steps: [(augmentation: any Augmentation, stream: RandomStream)]

    init(_ augmentations: [any Augmentation], seed: UInt64) {
        steps = augmentations.enumerated().map {
            ($1, RandomStream(seed: seed, purpose: .augmentation, layer: $0))
        }
    }

    /// Changes the inputs of the sample that was drawn as number `draw` of the run.
    func apply(to inputs: UnsafeMutableBufferPointer<Float>, draw: UInt64) {
        for step in steps { step.augmentation.apply(to: inputs, stream: step.stream, draw: draw) }
    }
}

extension DataSplits {
    /// The same with a training split that is augmented where it is gathered by draw. `seed` is that of the run.
    package func augmented(by augmentations: [any Augmentation], seed: UInt64) -> DataSplits {
        guard !augmentations.isEmpty else { return self }
        var splits = self
        splits.train.augmentation = AugmentationSequence(augmentations, seed: seed)
        return splits
    }
}
