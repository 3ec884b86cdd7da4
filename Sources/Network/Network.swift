import Diagnostics
import Kernels
import Settings
import Storage

/// A network as a configuration describes it, with the loss it is trained with: layers, the layout of its parameters,
/// and what they start as. It holds no weights and no activations; those are handed to it.
package struct Network: Sendable {
    package let inputShape: Shape
    /// What training runs: the layers up to the logits.
    package let layers: Sequential
    package let layout: ParameterLayout
    /// A final softmax or sigmoid that the loss contains already, and that is therefore applied to predictions only.
    package let fusedActivation: (any Layer.Type)?
    /// How many numbers the layers sum over a batch besides gradients.
    package let statisticsCount: Int
    /// Numbers of a sample's state that is carried from step to step; 0 where none is.
    package let stateCount: Int
    /// Numbers that are remembered of each position of a sample where a sequence is continued (`StepCache`).
    package let cacheCount: Int
    /// Parameters that have a row for each token.
    package let tokenTables: [ParameterSlot]
    /// How many layers there are, those inside others included.
    let layerCount: Int
    /// The fewest rows that a leaf may have.
    package let leastLeafRows: Int
    /// The fewest rows that a step may have.
    package let leastBatchRows: Int
    private let updates: [BufferUpdate]
    private let initializers: [(slot: ParameterSlot, initializer: Initializer)]

    /// The shape of one sample of the output.
    package var outputShape: Shape { layers.outputShape }

    /// Builds the layers of `model:` for samples of `inputShape`. A network that ends in the activation that `loss`
    /// contains (softmax and cross entropy, sigmoid and binary cross entropy) has it fused, not applied twice.
    ///
    /// - Parameters:
    ///   - tokenKinds: how many different tokens the samples are made of; nil where they are made of numbers.
    ///   - hasLengths: whether samples are sequences of different lengths, whose steps lie on the first axis.
    ///   - carriesState: whether recurrent layers go on with the state that the step before left them.
    ///   - context: steps of the whole sequence, where `inputShape` has some of them: the network is run on the next ones with
    ///     `ForwardPass.cache`. It has the same layout of parameters.
    ///   - choices: the layers that `model:` can name.
    package init(
        _ settings: Settings, inputShape: Shape, tokenKinds: Int? = nil, hasLengths: Bool = false, carriesState: Bool = false,
        context: Int? = nil, loss: any Loss, seed: UInt64, choices: LayerChoices = .standard
    ) throws {
        self.inputShape = inputShape
        guard let variants = try settings.optionalVariants("layers"), !variants.isEmpty else {
            throw settings.failure("layers", "a network needs at least one layer, as in layers: [dense: {units: 10}]")
        }
        var blueprint = LayerSite.Blueprint(layers: choices)
        blueprint.carriesState = carriesState
        blueprint.vocabulary = tokenKinds
        blueprint.context = context
        let initializer = try settings.choice("initializer", of: ["pytorch", "gpt2"], default: "pytorch")
        blueprint.frozen = try settings.optionalStrings("freeze")?.map(NamePattern.init) ?? []
        let all = try Sequential(
            variants, options: settings, path: "", inputShape: inputShape,
            tokenKinds: tokenKinds, sequence: hasLengths ? SequenceSteps(axis: 0) : nil, seed: seed, blueprint: &blueprint)
        let final = all.computed.last?.layer
        switch (loss.outputTransform, final) {
        case (.softmax, is Softmax) where all.computed.last?.inputShape != all.outputShape:
            throw settings.failure(
                "layers",
                "the final softmax makes several rows of probabilities out of "
                    + "\(all.computed.last?.inputShape.description ?? "?"), but cross_entropy compares one row of classes per "
                    + "sample; put \"flatten\" in front of it")
        case (.softmax, is Softmax), (.sigmoid, is Sigmoid):
            layers = all.droppingLast()
            fusedActivation = final.map { type(of: $0) }
        case (.softmax, is Sigmoid):
            throw settings.failure(
                "layers",
                "the network ends in sigmoid, but cross_entropy contains a softmax over "
                    + "classes; end in the last dense layer, or use loss: binary_cross_entropy for yes/no answers")
        case (.sigmoid, is Softmax):
            throw settings.failure(
                "layers",
                "the network ends in softmax, but binary_cross_entropy contains a sigmoid; "
                    + "end in a dense layer with one unit, or use loss: cross_entropy with one unit per class")
        default:
            layers = all
            fusedActivation = nil
        }
        layout = blueprint.layout
        initializers = initializer == "gpt2" ? blueprint.initializersOfGPT2 : blueprint.initializers
        statisticsCount = blueprint.statisticsCount
        layerCount = blueprint.nextOrdinal
        leastLeafRows = blueprint.leastLeafRows
        leastBatchRows = blueprint.leastBatchRows
        stateCount = blueprint.stateCount
        cacheCount = blueprint.cacheCount
        tokenTables = blueprint.tokenTables
        guard !carriesState || stateCount > 0 else {
            throw settings.failure(
                "layers",
                "training.stateful: true carries the state of recurrent layers from step to step, and there is none; take it out, "
                    + "or use lstm, gru or simple_rnn")
        }
        updates = blueprint.updates
        guard layout.parameterCount > 0 else {
            throw settings.failure("layers", "the network has no parameters to train; add a dense layer")
        }
        let names = layout.slots.map(\.name)
        if let idle = blueprint.frozen.first(where: { pattern in !names.contains { pattern.matches($0) } }) {
            throw settings.failure(
                "freeze",
                "no parameter is called \"\(idle)\""
                    + suggestion(for: idle.description, among: names) + "; the network's: " + Self.list(names))
        }
        guard layout.trainedCount > 0 else {
            throw settings.failure("freeze", "all parameters are frozen, so that there is nothing to train; leave some out")
        }
    }

    /// A few of many names.
    package static func list(_ names: [String]) -> String {
        names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    }

    /// Whether it can be built for some steps of a sequence and be run on the next ones.
    package var isStepwise: Bool { layers.isStepwise }

    /// Whether a layer needs sums over all rows of a step in the middle of a pass, so that all of a rank's rows go through the
    /// layers together.
    package var joinsLeaves: Bool { layers.joinsLeaves }

    /// Fills `weights` with the numbers a run with `seed` starts from; padding becomes zero.
    package func initialize(_ weights: MutableParameterView, seed: UInt64) {
        weights[0..<weights.count].fill(0)
        for (slot, initializer) in initializers { initializer.fill(weights.matrix(slot), slot: slot, seed: seed) }
    }

    /// Makes the layers' buffers follow from what they summed over the batch of a step.
    package func updateBuffers(_ weights: MutableParameterView, sums: UnsafeBufferPointer<Double>) {
        precondition(sums.count == statisticsCount, "\(sums.count) sums of \(statisticsCount)")
        for update in updates { update.apply(UnsafeBufferPointer(rebasing: sums[update.sums]), weights) }
    }

    /// Floating-point operations of the matrix products that training takes per sample.
    package var productOperations: Int { layers.productOperations(withInputGradient: false) }

    /// The layer that owns the slot, as messages name it.
    package func layerDescription(ofSlot index: Int) -> String {
        layers.configured.first { $0.slots.contains(index) }?.description ?? "?"
    }
}
