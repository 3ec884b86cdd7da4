import Diagnostics
import Foundation
import Settings

/// The learning rate as a function of the optimizer step, as a factor on the optimizer's.
///
/// Closed forms, so that a resumed run needs no state but the step; only `reduce_on_plateau` remembers (`PlateauState`).
package struct Schedule: Sendable {
    /// The forms, with the names and formulas of `torch.optim.lr_scheduler`.
    enum Form: Sendable {
        case constant
        /// gammaᵏ after k·stepSize steps.
        case step(size: Int, gamma: Double)
        /// gammaᵏ after the k-th milestone; ascending.
        case multiStep(milestones: [Int], gamma: Double)
        /// (1 − s/total)^power, down to 0.
        case polynomial(totalSteps: Int?, power: Double)
        /// gammaˢ.
        case exponential(gamma: Double)
        /// From the full rate down to `minimum` along half a cosine (Loshchilov and Hutter, ICLR 2017).
        case cosine(totalSteps: Int?, minimum: Double)
        case plateau(PlateauRule)
    }

    let form: Form
    /// Steps of linear warm-up in front: the rate at step s is base·(s + 1)/warmupSteps.
    let warmupSteps: Int

    static let kinds = ["constant", "step", "multi_step", "exponential", "polynomial", "cosine", "reduce_on_plateau"]

    /// Reads `schedule:` of a configuration; constant where there is none.
    package init(_ settings: Settings) throws {
        let variant = try settings.variant("schedule", default: "constant")
        let options = variant.options
        switch variant.name {
        case "constant": form = .constant
        case "step":
            form = .step(size: try options.int("step_size", in: 1...Int.max),
                         gamma: try options.double("gamma", default: 0.1, in: .nonNegative))
        case "multi_step":
            let milestones = try options.ints("milestones", in: 1...Int.max)
            guard milestones == milestones.sorted(), Set(milestones).count == milestones.count else {
                throw options.failure("milestones", "expected steps in ascending order, each once, found \(milestones)")
            }
            form = .multiStep(milestones: milestones, gamma: try options.double("gamma", default: 0.1, in: .nonNegative))
        case "polynomial":
            form = .polynomial(totalSteps: try options.optionalInt("total_steps", in: 1...Int.max),
                               power: try options.double("power", default: 1, in: .nonNegative))
        case "exponential": form = .exponential(gamma: try options.double("gamma", in: .nonNegative))
        case "cosine":
            form = .cosine(totalSteps: try options.optionalInt("total_steps", in: 1...Int.max),
                           minimum: try options.double("minimum", default: 0, in: .nonNegative))
        case "reduce_on_plateau": form = .plateau(try PlateauRule(options))
        default: throw variant.unknown("schedule", known: Self.kinds)
        }
        warmupSteps = try options.int("warmup_steps", default: 0)
    }

    /// What is watched for a plateau, if the schedule does that.
    package var plateau: PlateauRule? {
        if case .plateau(let rule) = form { rule } else { nil }
    }

    /// The learning rate of the step that follows `completedSteps` steps.
    ///
    /// - Parameters:
    ///   - runSteps: how long the run is planned to be, for `cosine` and `polynomial` without `total_steps`.
    ///   - plateauRate: the rate that the plateau rule has arrived at, where that is the schedule.
    package func learningRate(base: Double, completedSteps: Int, runSteps: Int, plateauRate: Double?) -> Double {
        if completedSteps < warmupSteps { return base * Double(completedSteps + 1) / Double(warmupSteps) }
        let s = completedSteps - warmupSteps
        switch form {
        case .constant: return base
        case .step(let size, let gamma): return base * pow(gamma, Double(s / size))
        case .multiStep(let milestones, let gamma): return base * pow(gamma, Double(milestones.count { $0 <= s }))
        case .polynomial(let totalSteps, let power):
            let total = max(1, totalSteps ?? runSteps - warmupSteps)
            return base * pow(1 - Double(min(s, total)) / Double(total), power)
        case .exponential(let gamma): return base * pow(gamma, Double(s))
        case .cosine(let totalSteps, let minimum):
            let total = max(1, totalSteps ?? runSteps - warmupSteps)
            let progress = Double(min(s, total)) / Double(total)
            return minimum + (base - minimum) * (1 + cos(.pi * progress)) / 2
        case .plateau: return plateauRate ?? base
        }
    }
}

/// Lowers the rate when a monitored value hasn't improved for a while, as `ReduceLROnPlateau`.
package struct PlateauRule: Sendable {
    /// The monitored value; each validation reports it.
    package let monitor: String
    let factor: Double, threshold: Double, minimum: Double
    let patience: Int, cooldown: Int

    init(_ options: Settings) throws {
        monitor = try options.string("monitor", default: "validation_loss")
        factor = try options.double("factor", default: 0.1, in: .fraction)
        patience = try options.int("patience", default: 10)
        threshold = try options.double("threshold", default: 1e-4, in: .nonNegative)
        cooldown = try options.int("cooldown", default: 0)
        minimum = try options.double("minimum", default: 0, in: .nonNegative)
    }

    /// Takes a newly reported value; `state` and its rate follow. NaN is never an improvement, nor is the worst possible
    /// value as the first one.
    package func report(_ value: Double, higherIsBetter: Bool, to state: inout PlateauState) {
        let improved: Bool
        if let best = state.best {
            improved = higherIsBetter ? value > best * (1 + threshold) : value < best * (1 - threshold)
        } else {
            improved = higherIsBetter ? value > -.infinity : value < .infinity
        }
        if improved {
            state.best = value
            state.badReports = 0
        } else {
            state.badReports += 1
        }
        if state.cooldownLeft > 0 {
            state.cooldownLeft -= 1
            state.badReports = 0
        }
        if state.badReports > patience {
            state.rate = PlateauState.lowered(state.rate, factor: factor, minimum: minimum)
            state.cooldownLeft = cooldown
            state.badReports = 0
        }
    }
}

/// What `reduce_on_plateau` remembers; part of a checkpoint.
package struct PlateauState: Codable, Sendable, Equatable {
    /// The rate in force.
    package var rate: Double
    var best: Double?
    var badReports = 0
    var cooldownLeft = 0

    package init(rate: Double) { self.rate = rate }

    /// What can't be so in any run, where it was read from a file; nil if nothing is wrong.
    package var problem: String? {
        guard rate.isFinite, rate >= 0 else { return "a rate of \(rate)" }
        guard best?.isNaN != true, (0...(1 << 53)).contains(badReports), cooldownLeft >= 0 else {
            return "\(badReports) reports without improvement, a cooldown of \(cooldownLeft)"
        }
        return nil
    }

    /// Changes below 1e-8 are not made, as in PyTorch.
    static func lowered(_ rate: Double, factor: Double, minimum: Double) -> Double {
        let new = max(rate * factor, minimum)
        return rate - new > 1e-8 ? new : rate
    }
}
