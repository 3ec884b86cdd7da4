import Settings

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
