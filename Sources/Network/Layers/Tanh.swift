import Kernels
import Settings
import Storage

/// y = tanh x; y′ = 1 − y².
package struct Tanh: ElementwiseLayer {
    package static let kind = "tanh"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .tanh
    }
}
