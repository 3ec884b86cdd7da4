import Kernels
import Network
import Settings
import Storage
import Training

/// A loss of your own: a number for each sample, which training makes smaller on average.
///
/// As a ``Layer``'s rows, each sample's loss and gradient depend on that sample alone.
public protocol Loss: Sendable {
    /// Its name in a configuration: lowercase letters, digits and `_`.
    static var kind: String { get }

    /// Reads its options.
    init(options: Options) throws

    /// What it compares outputs with.
    var targets: TargetKind { get }

    /// What makes predictions of outputs; nothing by default.
    var prediction: PredictionTransform { get }

    /// Whether the mean is over all outputs of all samples, as PyTorch's of squared errors; else over samples, which is the default.
    var averagesOutputs: Bool { get }

    /// The loss of one sample, or of one position of it where it has targets at positions.
    ///
    /// - Parameters:
    ///   - outputs: of the network for it.
    ///   - target: what they should have been, of the kind that `targets` asks for.
    ///   - gradient: what to assign the gradient with respect to the outputs to; nil where nobody wants it.
    func evaluate(_ outputs: Row, target: Target, gradient: MutableRow?) -> Double
}

extension Loss {
    /// None.
    public var prediction: PredictionTransform { .none }
    /// Over samples.
    public var averagesOutputs: Bool { false }
}

/// What a loss compares outputs with.
public enum TargetKind: Sendable {
    /// A class, or a row of probabilities of classes.
    case classes
    /// Numbers that are 0 or 1, or with one output one of two classes.
    case binary
    /// Numbers.
    case values
}

/// What makes predictions of outputs.
public enum PredictionTransform: Sendable { case none, softmax, sigmoid }

/// What a network should have answered for a sample.
public enum Target {
    /// The index of a class.
    case label(Int)
    /// Numbers, or probabilities of classes.
    case values(Row)
}

extension TargetView {
    /// The target of a row.
    func target(_ row: Int) -> Target {
        switch self {
        case .classes(let classes): .label(classes[row])
        case .values(let values): .values(Rows(values)[row])
        }
    }
}

/// A loss of a program's own, as training calls it.
struct OwnLoss<Own: Loss>: NetworkLoss {
    static var kind: String { Own.kind }

    private let own: Own

    init(options: Settings) throws {
        own = try forDtrain {
            try Own(options: Options(options))
        } else: {
            options.failure($0)
        }
    }

    var outputTransform: OutputTransform {
        switch own.prediction {
        case .none: .none
        case .softmax: .softmax
        case .sigmoid: .sigmoid
        }
    }

    var targetDemand: TargetDemand {
        switch own.targets {
        case .classes: .classes
        case .binary: .binary
        case .values: .values
        }
    }

    func divisor(outputs: Int, hasClasses: Bool) -> LossDivisor { .perRow(own.averagesOutputs ? outputs : 1) }

    func evaluate(
        _ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?, in workspace: Workspace
    ) {
        let rows = Rows(outputs)
        let gradients = gradient.map { MutableRows($0) }
        for row in 0..<rows.count {
            losses[row] = own.evaluate(rows[row], target: targets.target(row), gradient: gradients?[row])
        }
    }
}
