import Kernels
import Settings
import Storage

/// Root mean square normalisation (Zhang and Sennrich, NeurIPS 2019): y = γ·x̂ with x̂ = x/√(mean x² + ε) over the last
/// `dimensions` axes of each position, as `torch.nn.RMSNorm`, whose ε is the precision of Float32 where none is given.
///
/// Backward, with ĝ = ∂L/∂y·γ: ∂L/∂x = (ĝ − x̂·mean(ĝ·x̂))/√(mean x² + ε), ∂L/∂γ = Σ g·x̂.
package struct RMSNorm: RowNormalizing {
    package static let kind = "rms_norm"
    let rows: RowNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        rows = try RowNormalization(options, &site, epsilon: 0x1p-23, centers: false)
    }
}
