import Kernels
import Settings
import Storage

/// RMSprop (Hinton, lecture 6e of "Neural networks for machine learning", 2012; centred: Graves, arXiv:1308.0850), as
/// `torch.optim.RMSprop`.
struct RMSprop: Optimizer {
    static let kind = "rmsprop"
    static let defaultLearningRate = 0.01

    let alpha: Double, epsilon: Double, momentum: Double, weightDecay: Double
    let isCentered: Bool

    init(options: Settings) throws {
        alpha = try options.double("alpha", default: 0.99, in: .range(0...1))
        epsilon = try options.double("epsilon", default: 1e-8, in: .nonNegative)
        momentum = try options.double("momentum", default: 0, in: .nonNegative)
        weightDecay = try options.double("weight_decay", default: 0, in: .nonNegative)
        isCentered = try options.bool("centered", default: false)
    }

    var states: [OptimizerState] {
        [OptimizerState("square_avg")] + (isCentered ? [OptimizerState("grad_avg")] : [])
            + (momentum > 0 ? [OptimizerState("momentum_buffer")] : [])
    }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.RMSprop {
        Updates.RMSprop(
            learningRate: Float(learningRate), alpha: Float(alpha), oneMinusAlpha: Float(1 - alpha),
            epsilon: Float(epsilon), momentum: Float(momentum), weightDecay: Float(weightDecay ?? self.weightDecay))
    }

    func update(_ coefficients: Updates.RMSprop, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        guard let square = states.first else { preconditionFailure("RMSprop without its mean square") }
        Updates.rmsprop(
            coefficients, weights: weights, gradient: gradient, square: square,
            mean: isCentered ? states.second : nil,
            momentum: momentum > 0 ? (isCentered ? states.third : states.second) : nil)
    }
}
