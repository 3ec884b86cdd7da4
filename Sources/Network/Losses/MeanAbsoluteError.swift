import Kernels
import Settings

/// |x − t|, averaged over all elements, as `torch.nn.L1Loss`.
package struct MeanAbsoluteError: ElementwiseLoss {
    package static let kind = "mean_absolute_error"
    let elementLoss = ElementLoss.absoluteError

    package init(options: Settings) throws {}
}
