import Kernels
import Settings
import Storage

/// Adagrad (Duchi, Hazan and Singer, JMLR 12, 2011), as `torch.optim.Adagrad`.
struct Adagrad: Optimizer {
    static let kind = "adagrad"
    static let defaultLearningRate = 0.01

    let learningRateDecay: Double, epsilon: Double, weightDecay: Double, initialAccumulator: Double

    init(options: Settings) throws {
        learningRateDecay = try options.double("learning_rate_decay", default: 0, in: .nonNegative)
        weightDecay = try options.double("weight_decay", default: 0, in: .nonNegative)
        initialAccumulator = try options.double("initial_accumulator_value", default: 0, in: .nonNegative)
        epsilon = try options.double("epsilon", default: 1e-10, in: .nonNegative)
    }

    var states: [OptimizerState] { [OptimizerState("sum", initialValue: Float(initialAccumulator))] }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.Adagrad {
        Updates.Adagrad(
            learningRate: Float(learningRate / (1 + Double(step - 1) * learningRateDecay)),
            epsilon: Float(epsilon), weightDecay: Float(weightDecay ?? self.weightDecay))
    }

    func update(_ coefficients: Updates.Adagrad, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        guard let sum = states.first else { preconditionFailure("Adagrad without its sum of squares") }
        Updates.adagrad(coefficients, weights: weights, gradient: gradient, sum: sum)
    }
}
