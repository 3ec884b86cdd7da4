import Diagnostics
import Training

/// What can be said of a sweep before its first trial: every trial's configuration is read, and of each parameter's values some are
/// built with the data, as a run would.
struct SweepCheck {
    let plan: SweepPlan
    let base: SweepBase
    private var problems: [String] = []
    /// Parameters that a problem was found with. They are left out from then on, so that others show.
    private var troubled: Set<String> = []
    private(set) var mode: SweepMode?

    /// - Throws: `Failure`: 78 that tells of all problems, or what stands in the way of reading the data.
    init(_ plan: SweepPlan, _ base: SweepBase) throws {
        self.plan = plan
        self.base = base
        let covering = Self.covering(plan)
        for trial in plan.trials where problems.count < SweepPlan.mostProblems {
            try check(trial, withData: covering.contains(trial.number))
        }
        guard problems.isEmpty else { throw SweepPlan.failure(problems, in: plan.documentName) }
    }

    /// The fewest trials, or nearly, among which every choice occurs, and the least and the largest number of every range.
    static func covering(_ plan: SweepPlan) -> Set<Int> {
        var numbers: Set<Int> = [0]
        for (index, parameter) in plan.parameters.enumerated() {
            if case .choices = parameter.values {
                var seen: Set<String> = []
                for trial in plan.trials where seen.insert(trial.values[index]).inserted { numbers.insert(trial.number) }
            } else {
                let ordered = plan.trials.map { (number: $0.number, value: Double($0.values[index]) ?? 0) }
                    .sorted { ($0.value, $0.number) < ($1.value, $1.number) }
                if let first = ordered.first, let last = ordered.last { numbers.formUnion([first.number, last.number]) }
            }
        }
        return numbers
    }

    private mutating func check(_ trial: Trial, withData: Bool) throws {
        // Each time round one parameter less.
        for _ in 0...plan.parameters.count {
            guard let message = try problem(trial, without: troubled, withData: withData) else { return }
            guard let parameter = try culprit(of: message, trial, withData: withData) else {
                return note(message.hasPrefix(plan.metricPlace) ? message : told(message, trial))
            }
            troubled.insert(parameter.key)
            note(parameter.place + reason(message, parameter, trial))
        }
    }

    /// What is wrong with a trial without some of its values; nil: nothing.
    private mutating func problem(_ trial: Trial, without left: Set<String>, withData: Bool) throws -> String? {
        do {
            let configuration = try base.configuration(plan, trial, without: left)
            if trial.number == 0 { try checkRungs(configuration.training, configuration.validation) }
            if withData { try checkMetric(try Experiment(configuration)) }
            return nil
        } catch let failure as Failure where [.badConfiguration, .usage].contains(failure.code) {
            return failure.message
        }
    }

    /// The parameter whose value a message is about: the one that it names, else the one without which something else is said.
    private mutating func culprit(of message: String, _ trial: Trial, withData: Bool) throws -> SweepParameter? {
        let left = plan.parameters.filter { !troubled.contains($0.key) }
        if let named = left.first(where: { message.hasPrefix("--set \($0.key)=") || message.hasPrefix($0.place) }) {
            return named
        }
        guard !message.hasPrefix(plan.metricPlace), !message.hasPrefix(plan.methodPlace) else { return nil }
        return try left.first {
            try problem(trial, without: troubled.union([$0.key]), withData: withData) != message
        }
    }

    /// What a parameter's place is put in front of: the value, and what is wrong with it.
    private func reason(_ message: String, _ parameter: SweepParameter, _ trial: Trial) -> String {
        if message.hasPrefix(parameter.place) { return String(message.dropFirst(parameter.place.count)) }
        let value = zip(plan.parameters, trial.values).first { $0.0.key == parameter.key }?.1 ?? ""
        let mark = "--set \(parameter.key)=\(value): "
        return "\(value): \(message.hasPrefix(mark) ? String(message.dropFirst(mark.count)) : message)"
    }

    private func told(_ message: String, _ trial: Trial) -> String {
        message.hasPrefix(base.name) || message.hasPrefix(plan.methodPlace)
            ? message : "trial \(trial.number) (\(plan.description(of: trial))): \(message)"
    }

    private mutating func note(_ problem: String) { if !problems.contains(problem) { problems.append(problem) } }

    private func checkRungs(_ training: TrainingSection, _ validation: ValidationSection) throws {
        let rungs = try SweepRungs(plan, training)
        guard let first = rungs.budgets.first, let least = first else { return }
        // In the other unit it depends on the trial, which says so itself.
        let interval = rungs.unit == .epochs ? validation.everyEpochs : validation.everySteps
        guard let interval, interval > least, validation.everySteps == nil || validation.everyEpochs == nil else { return }
        throw Failure(
            .badConfiguration,
            "\(plan.methodPlace)min_\(rungs.unit.rawValue): the first choice comes after \(least) \(rungs.unit.rawValue), but validations "
                + "every \(interval); choose a larger number, or a smaller validation.every_\(rungs.unit.rawValue)")
    }

    private mutating func checkMetric(_ experiment: Experiment) throws {
        guard let higherIsBetter = experiment.higherIsBetter(plan.metric) else {
            let known = (["loss"] + experiment.metrics.scalars.map(\.name)).map { "validation_" + $0 }
            throw Failure(
                .badConfiguration,
                plan.metricPlace
                    + (experiment.splits.validation == nil
                        ? "\"\(plan.metric)\" can't be measured without validation data; add data.validation or "
                            + "data.validation_fraction to the configuration"
                        : "nothing is called \"\(plan.metric)\"\(suggestion(for: plan.metric, among: known)); known: "
                            + known.joined(separator: ", ")))
        }
        if mode == nil { mode = plan.mode ?? (higherIsBetter ? .max : .min) }
    }
}
