import Diagnostics
import Settings
import Storage

/// A rule that turns gradients into changes of the weights, element by element.
///
/// It never sees a layer or a rank: it is handed ranges of the flat buffer. Hyperparameters are Double and rounded to
/// Float32 where they meet the elements.
package protocol Optimizer: Sendable {
    /// The name in a configuration, and in a checkpoint the kind that must not change.
    static var kind: String { get }

    /// Reads the options (`learning_rate` is read by the caller), with PyTorch's names and defaults.
    init(options: Settings) throws

    /// The learning rate where the configuration names none.
    static var defaultLearningRate: Double { get }

    /// The per-parameter state, by PyTorch's names, and what it is before the first step.
    var states: [OptimizerState] { get }

    /// What a step multiplies by.
    associatedtype Coefficients: Sendable

    /// The coefficients of a step, which counts from 1.
    ///
    /// - Parameter weightDecay: in place of the configured one; nil: that one.
    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Coefficients

    /// Changes `weights` and `states` (in the order of `states`) by `gradient`.
    func update(_ coefficients: Coefficients, weights: MutableMatrixView, gradient: MatrixView, states: StateViews)
}

extension Optimizer {
    /// A step of everything at once.
    package func update(
        weights: MutableMatrixView, gradient: MatrixView, states: StateViews, step: Int,
        learningRate: Double
    ) {
        update(
            coefficients(step: step, learningRate: learningRate, weightDecay: nil), weights: weights, gradient: gradient,
            states: states)
    }
}

/// One number of state per parameter.
package struct OptimizerState: Sendable, Equatable {
    /// PyTorch's name: `exp_avg`.
    package let name: String
    package let initialValue: Float

    package init(_ name: String, initialValue: Float = 0) {
        self.name = name
        self.initialValue = initialValue
    }
}

/// The same range of each state buffer, without an allocation. No rule has more than three.
package struct StateViews: Sendable {
    package var first, second, third: MutableMatrixView?

    package init(first: MutableMatrixView? = nil, second: MutableMatrixView? = nil, third: MutableMatrixView? = nil) {
        self.first = first
        self.second = second
        self.third = third
    }

    /// Some columns of each.
    package subscript(columns range: Range<Int>) -> StateViews {
        StateViews(first: first?[columns: range], second: second?[columns: range], third: third?[columns: range])
    }
}

/// The optimizers that a configuration can name.
package typealias OptimizerChoices = Choices<any Optimizer.Type>

extension Choices where Choice == any Optimizer.Type {
    package init(_ kinds: [any Optimizer.Type]) { self.init("optimizer", kinds.map { ($0.kind, $0) }) }

    /// All of dtrain. A new one is its file and a line here.
    package static var standard: OptimizerChoices {
        OptimizerChoices([SGD.self, RMSprop.self, Adagrad.self, Adam.self, AdamW.self, Lion.self])
    }
}

/// An optimizer, its learning rate and everything that changes gradients or the rate on the way.
package struct OptimizerConfiguration: Sendable {
    package let kind: String
    package let optimizer: any Optimizer
    package let learningRate: Double
    /// Which parameters its weight decay is for.
    package let decay: DecayRule
    /// Parameters for which it works with other numbers.
    package let groups: ParameterGroups

    /// Reads `optimizer:` and `parameter_groups:` of a configuration; Adam where there is none.
    package init(_ settings: Settings, among optimizers: OptimizerChoices = .standard) throws {
        let variant = try settings.variant("optimizer", default: Adam.kind)
        let type = try optimizers.choice(for: variant)
        kind = variant.name
        learningRate = try variant.options.double("learning_rate", default: type.defaultLearningRate, in: .nonNegative)
        optimizer = try type.init(options: variant.options)
        let rules = DecayRule.allCases.map(\.rawValue)
        decay = DecayRule(rawValue: try variant.options.choice("decay", of: rules, default: DecayRule.all.rawValue)) ?? .all
        groups = try ParameterGroups(settings)
    }
}

/// Which parameters an optimizer's `weight_decay` is for. A group that says `weight_decay` itself has that.
package enum DecayRule: String, CaseIterable, Sendable {
    /// All of them, as in PyTorch.
    case all
    /// Those of two dimensions or more, as nanoGPT groups them: weights of products and embeddings, but neither biases nor the
    /// scales of norms.
    case matrices

    /// Whether a parameter decays.
    func includes(_ slot: ParameterSlot) -> Bool { self == .all || slot.shape.dimensions.count >= 2 }
}
