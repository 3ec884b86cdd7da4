import Kernels
import Settings
import Storage

/// y = 1 / (1 + e⁻ˣ); y′ = y·(1 − y).
package struct Sigmoid: ElementwiseLayer {
    package static let kind = "sigmoid"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .sigmoid
    }
}
