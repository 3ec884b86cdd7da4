import Kernels
import Settings
import Storage

/// −log softmax(x)_c on logits x, averaged over samples, as `torch.nn.CrossEntropyLoss`; targets are classes or rows of
/// class probabilities. `label_smoothing` ε mixes the targets with the uniform distribution (Szegedy et al., CVPR 2016).
package struct CrossEntropy: Loss {
    package static let kind = "cross_entropy"
    private let labelSmoothing: Double

    package init(options: Settings) throws {
        labelSmoothing = try options.double("label_smoothing", default: 0, in: .range(0...1))
    }

    package var outputTransform: OutputTransform { .softmax }
    package var targetDemand: TargetDemand { .classes }
    package func weightPerSample(outputs: Int) -> Int { 1 }

    package func evaluate(_ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
                          gradient: MutableMatrixView?, in workspace: Workspace) {
        switch targets {
        case .classes(let classes):
            workspace.crossEntropy(outputs, classes, labelSmoothing: labelSmoothing, losses: losses, gradient: gradient)
        case .values(let probabilities):
            workspace.crossEntropy(outputs, probabilities, labelSmoothing: labelSmoothing, losses: losses,
                                   gradient: gradient)
        }
    }
}
