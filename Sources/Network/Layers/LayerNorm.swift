import Kernels
import Settings
import Storage

/// Layer normalisation (Ba, Kiros and Hinton, arXiv:1607.06450): y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), mean μ and biased
/// variance σ² over the last `dimensions` axes of each position, as `torch.nn.LayerNorm` with the `normalized_shape` of those
/// axes.
///
/// Backward, with ĝ = ∂L/∂y·γ: ∂L/∂x = (ĝ − mean ĝ − x̂·mean(ĝ·x̂))/√(σ² + ε), ∂L/∂γ = Σ g·x̂, ∂L/∂β = Σ g.
package struct LayerNorm: RowNormalizing {
    package static let kind = "layer_norm"
    let rows: RowNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        rows = try RowNormalization(options, &site, epsilon: 1e-5, centers: true)
    }
}
