import Settings

/// `logging.tensorboard` of a configuration: `true`, or a section.
package struct TensorBoardSection: Sendable {
    /// Epochs, or steps, between histograms of weights and gradients; nil: not by these.
    package let histogramsEveryEpochs: Int?
    package let histogramsEverySteps: Int?
    /// How many samples the picture of inputs shows; 0: none.
    package let images: Int
    /// Whether there is a picture of the first layer's filters with each set of histograms.
    package let filters: Bool
    /// Whether the rows of embeddings are written for the *Projector* page with each set of histograms.
    package let embeddings: Bool

    /// Nil where nothing is to be written.
    init?(logging: Settings) throws {
        let key = "tensorboard"
        let isSection = logging.hasSection(key)
        guard try isSection || logging.bool(key, default: false) else { return nil }
        let settings = try isSection ? logging.section(key) : logging.derived([])
        let steps = try settings.optionalInt("histograms_every_steps", in: 1...Int.max)
        let epochs = try settings.optionalInt("histograms_every_epochs", default: steps == nil ? 1 : nil)
        histogramsEverySteps = steps
        // As in Keras, 0 is never.
        histogramsEveryEpochs = epochs == 0 ? nil : epochs
        images = try settings.int("images", default: 16, in: 0...1024)
        filters = try settings.bool("filters", default: true)
        embeddings = try settings.bool("embeddings", default: true)
    }

    /// Whether histograms are ever written.
    var hasHistograms: Bool { histogramsEveryEpochs != nil || histogramsEverySteps != nil }

    /// Whether they are behind this step, from 1.
    func histogramsAreDue(afterStep step: Int, stepsPerEpoch: Int) -> Bool {
        histogramsEverySteps.map { step % $0 == 0 } ?? false
            || histogramsEveryEpochs.map { step % stepsPerEpoch == 0 && step / stepsPerEpoch % $0 == 0 } ?? false
    }
}
