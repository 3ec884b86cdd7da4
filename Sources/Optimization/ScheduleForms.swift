import Diagnostics
import Kernels
import Settings

/// The same rate throughout.
struct ConstantRate: ScheduleForm {
    static let kind = "constant"

    init(options: Settings) throws {}

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double { base }
}

/// gammaᵏ after k·step_size steps.
struct StepRate: ScheduleForm {
    static let kind = "step"
    private let size: Int
    private let gamma: Double

    init(options: Settings) throws {
        size = try options.int("step_size", in: 1...Int.max)
        gamma = try options.double("gamma", default: 0.1, in: .nonNegative)
    }

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double { base * power(gamma, Double(step / size)) }
}

/// gammaᵏ after the k-th milestone.
struct MultiStepRate: ScheduleForm {
    static let kind = "multi_step"
    /// Ascending.
    private let milestones: [Int]
    private let gamma: Double

    init(options: Settings) throws {
        let milestones = try options.ints("milestones", in: 1...Int.max)
        guard milestones == milestones.sorted(), Set(milestones).count == milestones.count else {
            throw options.failure("milestones", "expected steps in ascending order, each once, found \(milestones)")
        }
        self.milestones = milestones
        gamma = try options.double("gamma", default: 0.1, in: .nonNegative)
    }

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double {
        base * power(gamma, Double(milestones.count { $0 <= step }))
    }
}

/// gammaˢ.
struct ExponentialRate: ScheduleForm {
    static let kind = "exponential"
    private let gamma: Double

    init(options: Settings) throws { gamma = try options.double("gamma", in: .nonNegative) }

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double { base * power(gamma, Double(step)) }
}

/// (1 − s/total)^power, down to 0.
struct PolynomialRate: ScheduleForm {
    static let kind = "polynomial"
    private let totalSteps: Int?
    private let power: Double

    init(options: Settings) throws {
        totalSteps = try options.optionalInt("total_steps", in: 1...Int.max)
        power = try options.double("power", default: 1, in: .nonNegative)
    }

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double {
        let total = max(1, totalSteps ?? runSteps)
        return base * Kernels.power(1 - Double(min(step, total)) / Double(total), power)
    }
}

/// From the full rate down to `minimum` along half a cosine (Loshchilov and Hutter, ICLR 2017).
struct CosineRate: ScheduleForm {
    static let kind = "cosine"
    private let totalSteps: Int?
    private let minimum: Double

    init(options: Settings) throws {
        totalSteps = try options.optionalInt("total_steps", in: 1...Int.max)
        minimum = try options.double("minimum", default: 0, in: .nonNegative)
    }

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double {
        let total = max(1, totalSteps ?? runSteps)
        let progress = Double(min(step, total)) / Double(total)
        return minimum + (base - minimum) * (1 + cosineOfPi(times: progress)) / 2
    }
}

/// The rate that `PlateauRule` has arrived at.
struct ReduceOnPlateau: ScheduleForm {
    static let kind = "reduce_on_plateau"
    private let rule: PlateauRule

    init(options: Settings) throws { rule = try PlateauRule(options) }

    var plateau: PlateauRule? { rule }
    func learningRate(base: Double, step: Int, runSteps: Int) -> Double { base }
}
