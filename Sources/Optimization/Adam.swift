import Kernels
import Settings
import Storage

/// Adam (Kingma and Ba, ICLR 2015), with weight decay as an L2 term of the gradient, as `torch.optim.Adam`.
struct Adam: Optimizer {
    static let kind = "adam"
    static let defaultLearningRate = 0.001

    let moments: AdamMoments
    let weightDecay: Double

    init(options: Settings) throws {
        moments = try AdamMoments(options: options)
        weightDecay = try options.double("weight_decay", default: 0, in: .nonNegative)
    }

    var states: [OptimizerState] { moments.states }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.Adam {
        moments.coefficients(
            step: step, learningRate: learningRate, coupledDecay: weightDecay ?? self.weightDecay, decoupledDecay: 0)
    }

    func update(_ coefficients: Updates.Adam, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        moments.update(coefficients, weights: weights, gradient: gradient, states: states)
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as `torch.optim.AdamW`.
struct AdamW: Optimizer {
    static let kind = "adamw"
    static let defaultLearningRate = 0.001

    let moments: AdamMoments
    let weightDecay: Double

    init(options: Settings) throws {
        moments = try AdamMoments(options: options)
        weightDecay = try options.double("weight_decay", default: 0.01, in: .nonNegative)
    }

    var states: [OptimizerState] { moments.states }

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Updates.Adam {
        moments.coefficients(
            step: step, learningRate: learningRate, coupledDecay: 0, decoupledDecay: weightDecay ?? self.weightDecay)
    }

    func update(_ coefficients: Updates.Adam, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        moments.update(coefficients, weights: weights, gradient: gradient, states: states)
    }
}

/// What both share: the two moments, their bias correction, and AMSGrad (Reddi et al., ICLR 2018).
struct AdamMoments: Sendable {
    let beta1: Double, beta2: Double, epsilon: Double
    let isAMSGrad: Bool

    init(options: Settings) throws {
        (beta1, beta2) = try options.betas(default: [0.9, 0.999])
        epsilon = try options.double("epsilon", default: 1e-8, in: .nonNegative)
        isAMSGrad = try options.bool("amsgrad", default: false)
    }

    var states: [OptimizerState] {
        [OptimizerState("exp_avg"), OptimizerState("exp_avg_sq")]
            + (isAMSGrad ? [OptimizerState("max_exp_avg_sq")] : [])
    }

    func coefficients(step: Int, learningRate: Double, coupledDecay: Double, decoupledDecay: Double) -> Updates.Adam {
        let t = Double(step)
        return Updates.Adam(
            stepSize: Float(learningRate / (1 - power(beta1, t))), beta1: Float(beta1), beta2: Float(beta2),
            oneMinusBeta1: Float(1 - beta1), oneMinusBeta2: Float(1 - beta2),
            correction: Float((1 - power(beta2, t)).squareRoot()), epsilon: Float(epsilon),
            coupledDecay: Float(coupledDecay), decoupledDecay: Float(1 - learningRate * decoupledDecay))
    }

    func update(_ coefficients: Updates.Adam, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        guard let first = states.first, let second = states.second else {
            preconditionFailure("Adam without its two moments")
        }
        Updates.adam(
            coefficients, weights: weights, gradient: gradient, first: first, second: second,
            largest: states.third)
    }
}

extension Settings {
    /// `betas`: the decay factors of two moments.
    func betas(default fallback: [Double]) throws -> (Double, Double) {
        let betas = try doubles("betas", default: fallback, in: .fraction)
        guard betas.count == 2 else { throw failure("betas", "expected two numbers, as in \(fallback), found \(betas.count)") }
        return (betas[0], betas[1])
    }
}
