import Kernels
import Settings
import Storage

/// −w_c·log softmax(x)_c on logits x, as `torch.nn.CrossEntropyLoss`; targets are classes or rows of class probabilities.
///
/// `class_weights` w (1 without) weigh the classes, and the mean divides by the sum of the samples' weights; with rows of
/// probabilities each term has its class's weight, and the mean divides by the samples, as in PyTorch. Samples of the class
/// `ignore_index`, counted from 0, add nothing to the loss and nothing to what it is divided by. `label_smoothing` ε mixes
/// the targets with the uniform distribution (Szegedy et al., CVPR 2016).
package struct CrossEntropy: Loss {
    package static let kind = "cross_entropy"
    private let labelSmoothing: Double
    private let classWeights: [Double]?
    package let ignoredClass: Int?
    private let floatWeights: [Float]

    package init(options: Settings) throws {
        labelSmoothing = try options.double("label_smoothing", default: 0, in: .range(0...1))
        classWeights = try options.optionalDoubles("class_weights", in: .nonNegative)
        ignoredClass = try options.optionalInt("ignore_index", in: 0...Int(Int32.max))
        floatWeights = classWeights?.map { Float($0) } ?? []
        guard classWeights?.contains(where: { $0 > 0 }) ?? true else {
            throw options.failure("class_weights", "all are 0, so that nothing would be learned; give some class a weight")
        }
    }

    package var outputTransform: OutputTransform { .softmax }
    package var targetDemand: TargetDemand { .classes }
    package var isPlainCrossEntropy: Bool { labelSmoothing == 0 && classWeights == nil }

    package func divisor(outputs: Int, hasClasses: Bool) -> LossDivisor {
        guard hasClasses, classWeights != nil || ignoredClass != nil else { return .perRow(1) }
        var weights = classWeights ?? Array(repeating: 1, count: outputs)
        if let ignoredClass { weights[ignoredClass] = 0 }
        return .byClass(weights)
    }

    package func problem(outputs: Int, hasClasses: Bool) -> (option: String, text: String)? {
        if let count = classWeights?.count, count != outputs {
            return ("class_weights", "expected a weight for each of the \(outputs) classes, found \(count)")
        }
        guard let ignoredClass else { return nil }
        guard hasClasses else { return ("ignore_index", "the targets are rows of probabilities, of which none can be ignored") }
        return ignoredClass < outputs
            ? nil
            : ("ignore_index", "expected a class from 0 to \(outputs - 1), found \(ignoredClass)")
    }

    package func evaluate(
        _ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?, in workspace: Workspace
    ) {
        if classWeights != nil || ignoredClass != nil {
            floatWeights.withUnsafeBufferPointer { weights in
                let given = classWeights == nil ? nil : weights.baseAddress
                switch targets {
                case .classes(let classes):
                    workspace.weightedCrossEntropy(
                        outputs, classes, weights: given, ignoredClass: ignoredClass,
                        labelSmoothing: labelSmoothing, losses: losses, gradient: gradient)
                case .values(let probabilities):
                    workspace.weightedCrossEntropy(
                        outputs, probabilities, weights: given, labelSmoothing: labelSmoothing,
                        losses: losses, gradient: gradient)
                }
            }
            return
        }
        switch targets {
        case .classes(let classes):
            workspace.crossEntropy(outputs, classes, labelSmoothing: labelSmoothing, losses: losses, gradient: gradient)
        case .values(let probabilities):
            workspace.crossEntropy(
                outputs, probabilities, labelSmoothing: labelSmoothing, losses: losses,
                gradient: gradient)
        }
    }
}
