import Kernels
import Settings
import Storage

/// y = x·Φ(x) with the standard normal distribution Φ (Hendrycks and Gimpel, arXiv:1606.08415), or its approximation
/// by tanh.
package struct GELU: ElementwiseLayer {
    package static let kind = "gelu"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        let approximation = try options.choice("approximation", of: ["none", "tanh"], default: "none")
        activation = approximation == "tanh" ? .geluTanh : .gelu
    }
}
