import Kernels
import Settings

/// ½·(x − t)² within `delta` of the target, delta·(|x − t| − ½·delta) beyond (Huber 1964), averaged over all elements, as
/// `torch.nn.HuberLoss`.
package struct Huber: ElementwiseLoss {
    package static let kind = "huber"
    let elementLoss: ElementLoss

    package init(options: Settings) throws {
        elementLoss = .huber(delta: try options.double("delta", default: 1, in: .positive))
    }
}
