import Diagnostics
import Settings
import Storage

/// A random change of a sample's inputs, made anew each time that training draws the sample, after normalisation. Validation,
/// evaluation and predictions see inputs as they are, and so does a target that is the input. One that mixes samples is a
/// `MixingAugmentation`.
package protocol Augmentation: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    /// The option that a number alone means, as 4 in `shift: 4`; nil where there is none.
    static var mainOption: String? { get }

    init(options: Settings) throws

    /// The same for samples of a training split, which it may have to know the shape of.
    /// - Throws: 78 where it can't change such samples.
    func prepared(for site: AugmentationSite) throws -> any Augmentation

    /// Changes the inputs of one sample: a function of them, the stream and the draw alone. Any thread may ask; allocates
    /// nothing.
    ///
    /// - Parameter draw: the ordinal of the sample's draw in the run.
    func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64)
}

extension Augmentation {
    package static var mainOption: String? { nil }
    package func prepared(for site: AugmentationSite) throws -> any Augmentation { self }
}

/// All augmentations that a configuration can name. A new one is its file and a line here.
package let augmentationCatalog: [any Augmentation.Type] = [
    GaussianNoise.self,
    MaskingNoise.self,
    SaltAndPepper.self,
    Shift.self,
    HorizontalFlip.self,
    VerticalFlip.self,
    Rotate.self,
    Scale.self,
    Brightness.self,
    Contrast.self,
    Cutout.self,
    Mixup.self,
    CutMix.self
]

/// Reads `data.augmentation`, or `data.augment`, a list in the order in which they are applied; `settings` is the section `data`.
func readAugmentations(_ settings: Settings) throws -> [any Augmentation] {
    let mainOptions = Dictionary(
        uniqueKeysWithValues: augmentationCatalog.compactMap { type in type.mainOption.map { (type.kind, $0) } })
    let key = settings.has("augment") ? "augment" : "augmentation"
    return try (try settings.optionalVariants(key, mainOptions: mainOptions) ?? []).map { variant in
        guard let type = augmentationCatalog.first(where: { $0.kind == variant.name }) else {
            throw variant.unknown("augmentation", known: augmentationCatalog.map { $0.kind })
        }
        return try type.init(options: variant.options)
    }
}

extension DataSplits {
    /// The same with a training split that is augmented where it is gathered as part of a batch.
    ///
    /// - Parameters:
    ///   - seed: that of the run.
    ///   - globalBatchSize: the most samples of a step.
    /// - Throws: 78 for an augmentation that can't change such samples.
    package func augmented(by augmentations: [any Augmentation], seed: UInt64, globalBatchSize: Int) throws -> DataSplits {
        guard !augmentations.isEmpty else { return self }
        var splits = self
        let site = AugmentationSite(train)
        splits.train.augmentation = AugmentationSequence(
            try augmentations.map { try $0.prepared(for: site) }, of: train, seed: seed,
            batchSize: min(globalBatchSize, train.count))
        return splits
    }
}
