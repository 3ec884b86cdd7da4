import Diagnostics
import Training

/// How far trials are trained on each rung.
package struct SweepRungs: Sendable, Equatable {
    package let unit: Halving.Unit
    /// In `unit`; nil: to the run's own end, as on the last rung.
    package let budgets: [Int?]

    package var count: Int { budgets.count }

    private init(unit: Halving.Unit, budgets: [Int?]) {
        self.unit = unit
        self.budgets = budgets
    }

    /// - Parameter configuration: of any trial; the length of a run is none of a halving sweep's parameters.
    /// - Throws: `Failure` with 78 where the configuration's length isn't counted as the rungs are.
    init(_ plan: SweepPlan, _ training: TrainingSection) throws {
        guard let halving = plan.method.halving else {
            (unit, budgets) = (.epochs, [nil])
            return
        }
        let place = plan.methodPlace
        for parameter in plan.parameters where ["training.epochs", "training.max_steps"].contains(parameter.key) {
            throw Failure(
                .badConfiguration,
                "\(parameter.place)successive_halving itself says how long trials are trained; take it out, or use another method"
            )
        }
        unit = halving.unit
        let total = unit == .epochs ? training.epochs : training.maxSteps
        let least = "min_\(unit.rawValue)"
        guard let total else {
            throw Failure(
                .badConfiguration,
                unit == .epochs
                    ? "\(place)\(least): the length of a run is given in steps (training.max_steps); use min_steps"
                    : "\(place)\(least): the length of a run is given in epochs; use min_epochs, or set training.max_steps")
        }
        guard halving.least < total else {
            throw Failure(
                .badConfiguration,
                "\(place)\(least): expected less than the \(total) \(unit.rawValue) of a whole run, found \(halving.least)")
        }
        budgets = halving.budgets(total: total).dropLast().map { $0 } + [nil]
    }

    /// The rungs of a sweep whose trials read as they should.
    package init(_ plan: SweepPlan, _ base: SweepBase) throws {
        guard plan.method.halving != nil, let trial = plan.trials.first else {
            self.init(unit: .epochs, budgets: [nil])
            return
        }
        try self.init(plan, try base.configuration(plan, trial).training)
    }

    /// `3 epochs, 9 epochs, all`, for people.
    package var description: String {
        budgets.map { budget in budget.map { "\($0) \($0 == 1 ? String(unit.rawValue.dropLast()) : unit.rawValue)" } ?? "all" }
            .joined(separator: ", ")
    }
}
