import Kernels
import Settings

/// Gated recurrent units (Cho et al., arXiv:1406.1078), as `torch.nn.GRU`: gates in the order r z n, n = tanh(W·x + b + r⊙(U·h + b′)).
/// Shapes, names and options: `RecurrentLevels`.
package struct GRU: RecurrentLayer {
    package static let kind = "gru"
    let levels: RecurrentLevels

    package init(options: Settings, site: inout LayerSite) throws {
        levels = try RecurrentLevels(.gru, kind: Self.kind, options: options, site: &site)
    }
}
