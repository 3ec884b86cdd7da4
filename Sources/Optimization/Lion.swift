import Kernels
import Settings
import Storage

/// Lion (Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2), with decoupled weight decay: every
/// weight changes by the learning rate, up or down, so that a rate is three to ten times smaller than AdamW's, and a decay as much
/// larger.
struct Lion: Optimizer {
    static let kind = "lion"
    static let defaultLearningRate = 0.0001

    let beta1: Double, beta2: Double, weightDecay: Double

    init(options: Settings) throws {
        (beta1, beta2) = try options.betas(default: [0.9, 0.99])
        weightDecay = try options.double("weight_decay", default: 0, in: .nonNegative)
    }

    var states: [OptimizerState] { [OptimizerState("exp_avg")] }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.Lion {
        Updates.Lion(
            learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2), oneMinusBeta1: Float(1 - beta1),
            oneMinusBeta2: Float(1 - beta2), decoupledDecay: Float(1 - learningRate * (weightDecay ?? self.weightDecay)))
    }

    func update(_ coefficients: Updates.Lion, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        guard let momentum = states.first else { preconditionFailure("Lion without its momentum") }
        Updates.lion(coefficients, weights: weights, gradient: gradient, momentum: momentum)
    }
}
