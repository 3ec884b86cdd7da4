import Diagnostics
import Kernels
import Settings
import Storage

/// The same list of layers `times` times, one behind the other, each time with parameters of its own.
///
/// In PyTorch: `nn.Sequential(*[nn.Sequential(...) for _ in range(times)])`; parameters are named `2.0.1.weight`: layer 2, its
/// first turn, of that layer 1.
package struct Repeat: LayerOfLayers {
    package static let kind = "repeat"
    let layers: Sequential
    var branchName: String { "layers" }

    package init(options: Settings, site: inout LayerSite) throws {
        let times = try options.int("times", in: 1...10_000)
        guard let variants = try options.optionalVariants("layers"), !variants.isEmpty else {
            throw options.failure("layers", "what is repeated needs at least one layer")
        }
        layers = try site.build(variants, in: options, times: times)
    }
}
