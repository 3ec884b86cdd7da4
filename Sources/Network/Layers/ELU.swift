import Kernels
import Settings
import Storage

/// y = x for x > 0, else alpha·(eˣ − 1) (Clevert et al., ICLR 2016).
package struct ELU: ElementwiseLayer {
    package static let kind = "elu"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .elu(alpha: Float(try options.double("alpha", default: 1)))
    }
}
