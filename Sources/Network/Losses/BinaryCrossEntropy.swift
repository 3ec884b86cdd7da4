import Kernels
import Settings

/// −t·log σ(x) − (1 − t)·log(1 − σ(x)) on logits x, in the form that never overflows, averaged over all elements, as
/// `torch.nn.BCEWithLogitsLoss`.
package struct BinaryCrossEntropy: ElementwiseLoss {
    package static let kind = "binary_cross_entropy"
    let elementLoss = ElementLoss.binaryCrossEntropy

    package init(options: Settings) throws {}

    package var outputTransform: OutputTransform { .sigmoid }
    package var targetDemand: TargetDemand { .binary }
}
