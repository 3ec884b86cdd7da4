import Diagnostics
import Kernels
import Settings
import Storage

/// What training makes smaller: a number per sample, averaged over the global batch as PyTorch's `mean` does.
package protocol Loss: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    init(options: Settings) throws

    /// What turns outputs into predictions: the activation that the loss contains.
    var outputTransform: OutputTransform { get }

    /// What kind of targets it compares with.
    var targetDemand: TargetDemand { get }

    /// What rows of `outputs` numbers add to the mean's divisor.
    ///
    /// - Parameter hasClasses: whether targets are one class per row; else they are numbers.
    func divisor(outputs: Int, hasClasses: Bool) -> LossDivisor

    /// The class whose rows count for nothing; nil where all count.
    var ignoredClass: Int? { get }

    /// Whether each row's loss is −log softmax(x)_c alone, where its class isn't ignored.
    var isPlainCrossEntropy: Bool { get }

    /// Why it can't be used with so many outputs: the option, and what is wrong with it; nil where it can.
    func problem(outputs: Int, hasClasses: Bool) -> (option: String, text: String)?

    /// Assigns each row's loss and, where asked for, the gradient of their sum with respect to the outputs. Not scaled
    /// by the batch: the owner of a parameter does that once.
    func evaluate(
        _ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?, in workspace: Workspace)
}

extension Loss {
    package var ignoredClass: Int? { nil }
    package var isPlainCrossEntropy: Bool { false }
    package func problem(outputs: Int, hasClasses: Bool) -> (option: String, text: String)? { nil }
}

/// The activation that a loss on logits contains.
package enum OutputTransform: Sendable, Equatable { case none, softmax, sigmoid }

/// The targets that a loss compares with.
package enum TargetDemand: Sendable, Equatable {
    /// One class per sample, or a row of class probabilities.
    case classes
    /// A row of 0 and 1, or with one output one of two classes.
    case binary
    /// A row of numbers.
    case values
}

/// The losses that a configuration can name.
package typealias LossChoices = Choices<any Loss.Type>

extension Choices where Choice == any Loss.Type {
    package init(_ kinds: [any Loss.Type]) { self.init("loss", kinds.map { ($0.kind, $0) }) }

    /// All of dtrain. A new loss is its file, its row in the table of tests, and a line here.
    package static var standard: LossChoices {
        LossChoices([
            MeanSquaredError.self,
            MeanAbsoluteError.self,
            Huber.self,
            BinaryCrossEntropy.self,
            CrossEntropy.self
        ])
    }
}

/// Reads `loss:` of a configuration; cross entropy where there is none.
package func readLoss(_ settings: Settings, among losses: LossChoices = .standard) throws -> any Loss {
    let variant = try settings.variant("loss", default: CrossEntropy.kind)
    return try losses.choice(for: variant).init(options: variant.options)
}

/// A loss that is a sum over the elements of a row, averaged over elements.
protocol ElementwiseLoss: Loss {
    var elementLoss: ElementLoss { get }
}

extension ElementwiseLoss {
    package var outputTransform: OutputTransform { .none }
    package var targetDemand: TargetDemand { .values }
    package func divisor(outputs: Int, hasClasses: Bool) -> LossDivisor { .perRow(outputs) }

    package func evaluate(
        _ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?, in workspace: Workspace
    ) {
        guard case .values(let values) = targets else { preconditionFailure("\(Self.kind) takes numbers, not classes") }
        workspace.elementLoss(elementLoss, outputs, values, losses: losses, gradient: gradient)
    }
}
