import Kernels
import Settings

/// h′ = tanh(W·x + b + U·h + b′), as `torch.nn.RNN`; `nonlinearity: relu` for max(·, 0). Shapes, names and options: `RecurrentLevels`.
package struct SimpleRNN: RecurrentLayer {
    package static let kind = "simple_rnn"
    let levels: RecurrentLevels

    package init(options: Settings, site: inout LayerSite) throws {
        let isTanh = try options.choice("nonlinearity", of: ["tanh", "relu"], default: "tanh") == "tanh"
        levels = try RecurrentLevels(isTanh ? .tanh : .relu, kind: Self.kind, options: options, site: &site)
    }
}
