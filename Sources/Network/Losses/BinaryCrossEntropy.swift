import Kernels
import Settings

/// −w·t·log σ(x) − (1 − t)·log(1 − σ(x)) on logits x, in the form that never overflows, averaged over all elements, as
/// `torch.nn.BCEWithLogitsLoss`; `pos_weight` w (1) weighs the answer yes, and the mean divides by the number of elements all
/// the same.
package struct BinaryCrossEntropy: ElementwiseLoss {
    package static let kind = "binary_cross_entropy"
    let elementLoss: ElementLoss

    package init(options: Settings) throws {
        let weight = try options.optionalDouble("pos_weight", in: .positive)
        elementLoss = weight.map { .weightedBinaryCrossEntropy(positiveWeight: $0) } ?? .binaryCrossEntropy
    }

    package var outputTransform: OutputTransform { .sigmoid }
    package var targetDemand: TargetDemand { .binary }
}
