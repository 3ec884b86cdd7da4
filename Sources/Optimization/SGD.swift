import Kernels
import Settings
import Storage

/// Stochastic gradient descent with momentum (Polyak 1964), Nesterov's variant (Sutskever et al., ICML 2013), as
/// `torch.optim.SGD`.
struct SGD: Optimizer {
    static let kind = "sgd"
    static let defaultLearningRate = 0.001

    let momentum: Double, dampening: Double, weightDecay: Double
    let isNesterov: Bool

    init(options: Settings) throws {
        momentum = try options.double("momentum", default: 0, in: .nonNegative)
        dampening = try options.double("dampening", default: 0, in: .any)
        weightDecay = try options.double("weight_decay", default: 0, in: .nonNegative)
        isNesterov = try options.bool("nesterov", default: false)
        if isNesterov, momentum == 0 || dampening != 0 {
            throw options.failure("nesterov", "Nesterov's momentum needs a momentum greater than 0 and no dampening")
        }
    }

    var states: [OptimizerState] { momentum > 0 ? [OptimizerState("momentum_buffer")] : [] }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.SGD {
        Updates.SGD(
            learningRate: Float(learningRate), momentum: Float(momentum), dampening: Float(dampening),
            weightDecay: Float(weightDecay ?? self.weightDecay), isNesterov: isNesterov, isFirstStep: step == 1)
    }

    func update(_ coefficients: Updates.SGD, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        if let buffer = states.first {
            Updates.sgd(coefficients, weights: weights, gradient: gradient, momentum: buffer)
        } else {
            Updates.sgd(coefficients, weights: weights, gradient: gradient)
        }
    }
}
