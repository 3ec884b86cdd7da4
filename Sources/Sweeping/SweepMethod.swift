import Diagnostics
import Settings

/// How a sweep chooses its trials, and how far each of them is trained.
package enum SweepMethod: Sendable, Equatable {
    /// Every combination of the choices.
    case grid
    /// So many trials drawn at random.
    case random(trials: Int, seed: UInt64)
    /// Trials drawn at random, of which the better ones are trained on.
    case successiveHalving(Halving, trials: Int, seed: UInt64)

    static let names = ["grid", "random", "successive_halving"]
    /// More are hardly meant.
    package static let mostTrials = 10_000

    init(_ settings: Settings) throws {
        let variant = try settings.variant("method", default: "random")
        let options = variant.options
        func trials() throws -> Int { try options.int("trials", in: 1...Self.mostTrials) }
        func seed() throws -> UInt64 { UInt64(try options.int("seed", default: 0)) }
        switch variant.name {
        case "grid": self = .grid
        case "random": self = .random(trials: try trials(), seed: try seed())
        case "successive_halving":
            self = .successiveHalving(try Halving(options), trials: try trials(), seed: try seed())
        default: throw variant.unknown("method", known: Self.names)
        }
    }

    package var name: String {
        switch self {
        case .grid: "grid"
        case .random: "random"
        case .successiveHalving: "successive_halving"
        }
    }

    package var halving: Halving? { if case .successiveHalving(let halving, _, _) = self { halving } else { nil } }
}

/// Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943; ASHA: Li et al. 2018, arXiv 1810.05934), one bracket: all
/// trials are trained for a short time, of each rung the best `1/reductionFactor` go on for `reductionFactor` times as long.
///
/// Promotions wait until their rung is complete, so which trials go on doesn't depend on which of them was finished first.
package struct Halving: Sendable, Equatable {
    package enum Unit: String, Sendable { case epochs, steps }

    package let unit: Unit
    /// What every trial is trained for, in `unit`.
    package let least: Int
    package let reductionFactor: Int

    package init(unit: Unit, least: Int, reductionFactor: Int) {
        self.unit = unit
        self.least = least
        self.reductionFactor = reductionFactor
    }

    init(_ settings: Settings) throws {
        let epochs = try settings.optionalInt("min_epochs", in: 1...1 << 30)
        let steps = try settings.optionalInt("min_steps", in: 1...1 << 40)
        reductionFactor = try settings.int("reduction_factor", default: 3, in: 2...1000)
        switch (epochs, steps) {
        case (let epochs?, nil): (unit, least) = (.epochs, epochs)
        case (nil, let steps?): (unit, least) = (.steps, steps)
        case (nil, nil):
            throw settings.failure("expected min_epochs or min_steps: how long every trial is trained before the first choice")
        default: throw settings.failure("min_steps", "min_epochs says so too; take one of them out")
        }
    }

    /// How far the trials of each rung are trained, in `unit`; the last rung is trained to the run's own end, `total`.
    package func budgets(total: Int) -> [Int] {
        var budgets: [Int] = []
        var budget = least
        while budget < total {
            budgets.append(budget)
            let next = budget.multipliedReportingOverflow(by: reductionFactor)
            budget = next.overflow ? Int.max : next.partialValue
        }
        return budgets + [total]
    }

    /// How many go on of a rung of so many.
    package func promotedCount(of members: Int) -> Int { max(1, members / reductionFactor) }
}

/// Which of two values is the better one.
package enum SweepMode: String, Sendable, CaseIterable {
    case min, max

    /// Whether `value` is better than `other`. Nothing is better than NaN only.
    package func isBetter(_ value: Double, than other: Double) -> Bool {
        if value.isNaN || other.isNaN { return !value.isNaN }
        return self == .min ? value < other : value > other
    }
}
