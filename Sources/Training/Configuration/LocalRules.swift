import Kernels
import Settings
import Storage

/// `training.synchronization: {local: …}`: several workers train replicas of the weights for some steps, each on its own share of the
/// batch, before the replicas become one again. Post-local SGD (Lin, Stich, Patel and Jaggi, ICLR 2020), and with a momentum for
/// what that changes DiLoCo (Douillard et al., 2023).
package struct LocalRules: Sendable, Equatable {
    /// Replicas of the weights, whoever computes them: part of the result's definition, as the number of ranks is not.
    package let workers: Int
    /// The replicas become one behind every step whose number this divides.
    package let steps: Int
    /// And behind every step up to this one.
    package let startStep: Int
    package let outer: OuterStep

    package init(workers: Int, steps: Int, startStep: Int = 0, outer: OuterStep = .average) {
        self.workers = workers
        self.steps = steps
        self.startStep = startStep
        self.outer = outer
    }

    /// Reads the options of `local`.
    init(_ settings: Settings) throws {
        workers = try settings.int("workers", in: 1...1 << 20)
        steps = try settings.int("steps", in: 1...Int.max)
        startStep = try settings.int("start_step", default: 0)
        outer = try OuterStep(settings)
    }

    /// Whether the replicas become one behind a step (from 1).
    package func endsRound(_ step: Int) -> Bool { step <= startStep || step % steps == 0 }

    /// How many of a run's last steps come behind its last outer step, so that nothing of them is in the result.
    package func lostSteps(of totalSteps: Int) -> Int {
        totalSteps <= startStep ? 0 : min(totalSteps % steps, totalSteps - startStep)
    }

    /// The workers that a rank computes: contiguous, possibly none.
    package func workers(of rank: Int, rankCount: Int) -> Range<Int> { tree.leaves(of: rank, rankCount: rankCount) }

    /// The workers as leaves, along which their weights are added.
    var tree: SummationTree { SummationTree(leafCount: workers) }
}

/// What becomes of the weights when the workers meet.
package enum OuterStep: Sendable, Equatable {
    /// They become the average of the workers' weights.
    case average
    /// A step of `torch.optim.SGD` whose gradient is what the average is less than they are.
    case momentum(Momentum)

    package struct Momentum: Sendable, Equatable {
        package let learningRate: Double, momentum: Double
        package let isNesterov: Bool

        package init(learningRate: Double, momentum: Double, isNesterov: Bool) {
            self.learningRate = learningRate
            self.momentum = momentum
            self.isNesterov = isNesterov
        }

        /// The buffer is zero before the first step, so that one is like all others.
        var coefficients: Updates.SGD {
            Updates.SGD(
                learningRate: Float(learningRate), momentum: Float(momentum), dampening: 0, weightDecay: 0,
                isNesterov: isNesterov, isFirstStep: false)
        }
    }

    fileprivate init(_ settings: Settings) throws {
        let variant = try settings.variant("outer", default: "average")
        switch variant.name {
        case "average": self = .average
        case "momentum", "nesterov":
            self = .momentum(
                Momentum(
                    learningRate: try variant.options.double("learning_rate", default: 0.7, in: .positive),
                    momentum: try variant.options.double("momentum", default: 0.9, in: .fraction),
                    isNesterov: variant.name == "nesterov"))
        default: throw variant.unknown("outer step", known: ["average", "momentum", "nesterov"])
        }
    }

    /// The name of its state in a checkpoint; nil where it has none.
    package var stateName: String? { self == .average ? nil : "outer_momentum" }
}
