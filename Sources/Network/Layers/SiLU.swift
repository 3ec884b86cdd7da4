import Kernels
import Settings
import Storage

/// y = x·σ(x) (Hendrycks and Gimpel, arXiv:1606.08415; Ramachandran et al., arXiv:1710.05941).
package struct SiLU: ElementwiseLayer {
    package static let kind = "silu"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .silu
    }
}
