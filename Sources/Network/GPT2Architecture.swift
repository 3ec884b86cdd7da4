import Kernels
import Storage

/// A network that is GPT-2's (Radford et al., 2019), layer by layer: embedding, learned positions, Transformer blocks that
/// normalise first and look back only, `layer_norm`, and a `dense` without bias that has as many outputs as there are tokens. What
/// its layers are called, and whether blocks stand in a `repeat`, makes no difference.
package struct GPT2Architecture: Sendable {
    /// The first layer that isn't what GPT-2 has in its place.
    package struct Misfit: Error {
        /// `layer 3 (dense)`, or `the end of the network`.
        package let place: String
        /// What is wrong: `GPT-2 has …`.
        package let problem: String
    }

    /// A product or a normalisation: its weight and its bias.
    package struct Parameters: Sendable {
        package let weight: ParameterSlot
        /// Nil where the network has none, as nanoGPT's.
        package let bias: ParameterSlot?
    }

    /// A Transformer block.
    package struct Block: Sendable {
        package let norm1: Parameters
        /// From x to q, k and v, one below the other.
        package let attentionInput: Parameters
        package let attentionOutput: Parameters
        package let norm2: Parameters
        /// To the hidden numbers, and back.
        package let opening: Parameters, closing: Parameters
    }

    /// Vocabulary × width, and positions × width.
    package let tokens: ParameterSlot, positions: ParameterSlot
    package let blocks: [Block]
    package let norm: Parameters
    /// The weight of the last layer, which may be `tokens`; or what stands in its place.
    package let head: Result<ParameterSlot, Misfit>
    package let heads: Int
    /// The hidden numbers of a block.
    package let hidden: Int
    /// As the configuration calls it: `gelu_tanh`.
    package let activation: String
    package let epsilon: Double
    /// Whether products and normalisations have biases, as all of OpenAI's.
    package let hasBias: Bool
    /// Of the blocks, and behind the embeddings.
    package let dropout: Double, embeddingDropout: Double

    package var vocabulary: Int { tokens.shape.dimensions[0] }
    package var width: Int { tokens.shape.dimensions[1] }
    package var positionCount: Int { positions.shape.dimensions[0] }
    /// Whether the last layer has the weight of the embedding.
    package var isTied: Bool { (try? head.get().index) == tokens.index }

    /// - Throws: `Misfit` where the layers in front of the last one aren't GPT-2's.
    package init(_ network: Network) throws {
        var stages = Self.flat(network.layers)[...]
        // Part of the loss, and in no file.
        if network.fusedActivation != nil { stages.removeLast() }
        func next(_ what: String) throws -> Sequential.Stage {
            guard let stage = stages.popFirst() else {
                throw Misfit(place: "the end of the network", problem: "GPT-2 has \(what) here")
            }
            return stage
        }
        let first = try next("an embedding")
        guard let embedding = first.layer as? Embedding else { throw first.misfit("GPT-2 begins with an embedding") }
        let second = try next("a positional_embedding")
        guard let added = second.layer as? PositionalEmbedding, let positions = added.weight else {
            throw second.misfit("GPT-2 has a positional_embedding of kind: learned behind its embedding")
        }
        tokens = embedding.weight
        self.positions = positions
        var embeddingDropout = 0.0
        if let dropout = stages.first?.layer as? Dropout {
            embeddingDropout = dropout.rate
            stages.removeFirst()
        }
        self.embeddingDropout = embeddingDropout

        var blocks: [(stage: Sequential.Stage, found: FoundBlock)] = []
        while let stage = stages.first, let block = stage.layer as? TransformerBlock {
            blocks.append((stage, try FoundBlock(block, stage, network.layout)))
            stages.removeFirst()
        }
        guard let front = blocks.first else {
            throw try next("a transformer_block").misfit("GPT-2 has transformer_blocks behind its positions")
        }
        for (stage, block) in blocks {
            if let difference = block.difference(from: front.found) {
                throw stage.misfit("GPT-2's blocks are all alike, but it has \(difference) in the first one")
            }
        }
        self.blocks = blocks.map(\.found.parameters)
        (heads, hidden, dropout) = (front.found.heads, front.found.form.hidden, front.found.form.dropout)
        (activation, epsilon) = (front.found.form.activation, front.found.epsilon)
        hasBias = front.found.form.hasBias

        let behind = try next("a layer_norm")
        guard let norm = behind.layer as? LayerNorm, let weight = norm.rows.weight, weight.shape.dimensions.count == 1 else {
            throw behind.misfit("GPT-2 has a layer_norm with a weight behind its blocks")
        }
        guard (norm.rows.bias != nil) == hasBias else {
            throw behind.misfit(
                "all of GPT-2's layers have bias: true, and all of nanoGPT's true or false, but its blocks have \(hasBias)")
        }
        guard norm.rows.epsilon == epsilon else {
            throw behind.misfit("its epsilon is \(norm.rows.epsilon), but that of the blocks is \(epsilon); GPT-2 has one")
        }
        self.norm = Parameters(weight: weight, bias: norm.rows.bias)
        head = Self.head(Array(stages), tokens)
    }

    private static func head(_ stages: [Sequential.Stage], _ tokens: ParameterSlot) -> Result<ParameterSlot, Misfit> {
        let what = "GPT-2 ends in dense with bias: false and an output for each token"
        guard let stage = stages.first else { return .failure(Misfit(place: "the end of the network", problem: what)) }
        guard let dense = stage.layer as? Dense, dense.bias == nil, dense.weight.shape == tokens.shape else {
            return .failure(stage.misfit(what))
        }
        if stages.count > 1 { return .failure(stages[1].misfit(what)) }
        return .success(dense.weight)
    }

    /// The layers as they run, those of a `repeat` in its place.
    private static func flat(_ layers: Sequential) -> [Sequential.Stage] {
        layers.configured.flatMap { stage in
            stage.layer is Repeat ? stage.layer.branches.flatMap { flat($0.layers) } : stage.layer.isIdentity ? [] : [stage]
        }
    }
}

/// What a block of the network is.
private struct FoundBlock {
    let form: TransformerBlock.Form
    let heads: Int
    let epsilon: Double
    let parameters: GPT2Architecture.Block

    /// - Throws: `Misfit` for a block that GPT-2 hasn't.
    init(_ block: TransformerBlock, _ stage: Sequential.Stage, _ layout: ParameterLayout) throws {
        form = block.form
        let attentions = block.parts(MultiHeadAttention.self)
        let norms = block.parts(LayerNorm.self)
        guard form.isFirst else { throw stage.misfit("GPT-2's blocks have norm: pre") }
        guard norms.count == 2 else { throw stage.misfit("GPT-2's blocks have normalization: layer_norm") }
        guard !form.isGated else { throw stage.misfit("GPT-2's blocks have gated: false") }
        guard let attention = attentions.first, attention.attention.isCausal else {
            throw stage.misfit("GPT-2's blocks have causal: true")
        }
        guard attention.rotary == nil else { throw stage.misfit("GPT-2's blocks have rotary: false") }
        heads = attention.attention.heads
        guard attention.attention.keyHeads == heads else {
            throw stage.misfit("GPT-2's blocks have as many key_value_heads as heads")
        }
        epsilon = norms[0].rows.epsilon
        func parameters(_ weight: String, _ bias: String) throws -> GPT2Architecture.Parameters {
            func slot(_ name: String) -> ParameterSlot? {
                stage.slots.lazy.map { layout.slots[$0] }.first { $0.name == "\(stage.path).\(name)" }
            }
            guard let weight = slot(weight) else { throw stage.misfit("GPT-2's blocks have \(weight)") }
            return GPT2Architecture.Parameters(weight: weight, bias: slot(bias))
        }
        self.parameters = GPT2Architecture.Block(
            norm1: try parameters("norm1.weight", "norm1.bias"),
            attentionInput: try parameters("self_attn.in_proj_weight", "self_attn.in_proj_bias"),
            attentionOutput: try parameters("self_attn.out_proj.weight", "self_attn.out_proj.bias"),
            norm2: try parameters("norm2.weight", "norm2.bias"),
            opening: try parameters("linear1.weight", "linear1.bias"),
            closing: try parameters("linear2.weight", "linear2.bias"))
    }

    /// `heads: 4, and heads: 2`; nil where both are alike.
    func difference(from other: FoundBlock) -> String? {
        func apart<Value: Equatable>(_ name: String, _ own: Value, _ others: Value) -> String? {
            own == others ? nil : "\(name): \(own), and \(name): \(others)"
        }
        return apart("heads", heads, other.heads) ?? apart("hidden", form.hidden, other.form.hidden)
            ?? apart("activation", form.activation, other.form.activation) ?? apart("epsilon", epsilon, other.epsilon)
            ?? apart("bias", form.hasBias, other.form.hasBias)
    }
}

extension Layer {
    /// The layers of a kind that it is made of, in order.
    fileprivate func parts<Kind: Layer>(_ kind: Kind.Type) -> [Kind] {
        branches.flatMap { $0.layers.configured }.flatMap { stage in
            (stage.layer as? Kind).map { [$0] } ?? stage.layer.parts(kind)
        }
    }
}

extension Sequential.Stage {
    fileprivate func misfit(_ problem: String) -> GPT2Architecture.Misfit {
        GPT2Architecture.Misfit(place: "layer \(description)", problem: problem)
    }
}
