import Kernels
import Settings

/// (x − t)², averaged over all elements, as `torch.nn.MSELoss`.
package struct MeanSquaredError: ElementwiseLoss {
    package static let kind = "mean_squared_error"
    let elementLoss = ElementLoss.squaredError

    package init(options: Settings) throws {}
}
