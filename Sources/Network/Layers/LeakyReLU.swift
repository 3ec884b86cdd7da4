import Kernels
import Settings
import Storage

/// y = x for x > 0, else slope·x (Maas et al., ICML 2013).
package struct LeakyReLU: ElementwiseLayer {
    package static let kind = "leaky_relu"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .leakyReLU(slope: Float(try options.double("slope", default: 0.01)))
    }
}
