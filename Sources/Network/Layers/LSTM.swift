import Kernels
import Settings

/// Long short-term memory (Hochreiter and Schmidhuber, Neural Computation 9, 1997; Gers et al., 2000), as `torch.nn.LSTM`, gates in
/// the order i f g o. `forget_bias: F` begins with F in `bias_ih` of f and 0 in its `bias_hh`. Shapes, names and options:
/// `RecurrentLevels`.
package struct LSTM: RecurrentLayer {
    package static let kind = "lstm"
    let levels: RecurrentLevels

    package init(options: Settings, site: inout LayerSite) throws {
        levels = try RecurrentLevels(.lstm, kind: Self.kind, options: options, site: &site)
    }
}
