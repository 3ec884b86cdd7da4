import Diagnostics
import Kernels
import Settings
import Storage

/// A block of a Transformer, with the parameters and meaning of `torch.nn.TransformerEncoderLayer`: attention and a feed-forward
/// network, each added to what goes in. Shapes: x and y [steps, width].
///
/// `norm: pre` (the default, `norm_first=True`): x += dropout(self_attn(norm1(x))); x += dropout(linear2(dropout(f(linear1(norm2(x)))))).
/// `norm: post`: x = norm1(x + dropout(self_attn(x))); x = norm2(x + dropout(linear2(…linear1(x)))).
/// `gated: true`: f(linear_gate(x)) ⊙ linear1(x) in the place of f(linear1(x)) (Shazeer, arXiv:2002.05202).
/// `normalization: rms_norm` in the place of `layer_norm`. What `multi_head_attention` takes it hands on.
package struct TransformerBlock: LayerOfLayers {
    package static let kind = "transformer_block"
    /// What its options say; of the attention its layer knows.
    struct Form: Sendable {
        let hidden: Int
        /// Whether it normalises in front of its branches.
        let isFirst: Bool
        let activation: String
        let isGated: Bool, hasBias: Bool
        let dropout: Double
    }
    let form: Form
    let layers: Sequential
    var branchName: String { "block" }

    package init(options: Settings, site: inout LayerSite) throws {
        guard site.inputShape.dimensions.count == 2, site.inputShape.count > 0 else {
            throw options.failure(
                "transformer_block takes sequences, [steps, features], but this one gets \(site.inputShape)")
        }
        let width = site.inputShape.dimensions[1]
        let hidden = try options.int("hidden", default: 4 * width, in: 1...1 << 30)
        let isFirst = try options.choice("norm", of: ["pre", "post"], default: "pre") == "pre"
        let normalization = try options.choice("normalization", of: [LayerNorm.kind, RMSNorm.kind], default: LayerNorm.kind)
        let function = try options.choice(
            "activation", of: ["gelu", "gelu_tanh", "relu", "silu"], default: "gelu")
        let isGated = try options.bool("gated", default: false)
        let hasBias = try options.bool("bias", default: true)
        let dropout = try options.double("dropout", default: 0.1, in: .fraction)
        let epsilon = try options.optionalDouble("epsilon", in: .nonNegative)
        form = Form(
            hidden: hidden, isFirst: isFirst, activation: function, isGated: isGated, hasBias: hasBias, dropout: dropout)

        let plain = options.derived([])
        func norm(_ name: String) -> Sequential.Part {
            let values = [("bias", String(hasBias))] + (epsilon.map { [("epsilon", String($0))] } ?? [])
            return (
                name,
                {
                    if normalization == RMSNorm.kind { return try RMSNorm(options: options.derived(values), site: &$0) }
                    return try LayerNorm(options: options.derived(values), site: &$0)
                }
            )
        }
        func dense(_ name: String, _ units: Int) -> Sequential.Part {
            (
                name,
                {
                    try Dense(options: options.derived([("units", String(units)), ("bias", String(hasBias))]), site: &$0)
                }
            )
        }
        let dropped: [Sequential.Part] =
            dropout > 0 ? [(nil, { try Dropout(options: options.derived([("rate", String(dropout))]), site: &$0) })] : []
        let activation: Sequential.Part = (
            nil,
            {
                switch function {
                case "relu": return try ReLU(options: plain, site: &$0)
                case "silu": return try SiLU(options: plain, site: &$0)
                default:
                    return try GELU(
                        options: options.derived([("approximation", function == "gelu_tanh" ? "tanh" : "none")]), site: &$0)
                }
            }
        )
        let attention: [Sequential.Part] =
            [("self_attn", { try MultiHeadAttention(options, &$0, dropout: dropout) })] + dropped
        let opened: [Sequential.Part] =
            isGated
            ? [
                (
                    nil,
                    {
                        let gate = try Sequential(parts: [dense("linear_gate", hidden), activation], of: &$0)
                        let value = try Sequential(parts: [dense("linear1", hidden)], of: &$0)
                        return Parallel(product: [gate, value])
                    }
                )
            ] : [dense("linear1", hidden), activation]
        let network = opened + dropped + [dense("linear2", width)] + dropped
        func residual(_ parts: [Sequential.Part]) -> Sequential.Part {
            (nil, { Residual(layers: try Sequential(parts: parts, of: &$0)) })
        }
        layers = try Sequential(
            parts: isFirst
                ? [residual([norm("norm1")] + attention), residual([norm("norm2")] + network)]
                : [residual(attention), norm("norm1"), residual(network), norm("norm2")],
            of: &site)
        site.countBlock(residualProjections: ["self_attn.out_proj.weight", "linear2.weight"])
    }
}
