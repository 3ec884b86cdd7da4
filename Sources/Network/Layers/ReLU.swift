import Kernels
import Settings
import Storage

/// y = max(x, 0) (Nair and Hinton, ICML 2010); the derivative at 0 is 0, as in PyTorch.
package struct ReLU: ElementwiseLayer {
    package static let kind = "relu"
    package let outputShape: Shape
    let activation: Activation

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = site.inputShape
        activation = .relu
    }

    package func fused(with next: any Layer) -> (any Layer)? { (next as? MaxPool2d)?.rectified }
}
