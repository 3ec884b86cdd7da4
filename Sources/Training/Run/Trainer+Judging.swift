/// What becomes of a validation's result.
extension Trainer {
    /// Lets schedule, early stopping and the choice of the best checkpoint know; true if this one is the best so far.
    func judge(_ result: Evaluator.Result) -> Bool {
        let values = Dictionary(result.scalars.map { ("validation_" + $0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
        if let rule = experiment.configuration.schedule.plateau, var plateau = state.plateau {
            rule.report(
                values[rule.monitor] ?? .nan, higherIsBetter: experiment.higherIsBetter(rule.monitor) ?? false,
                to: &plateau)
            state.plateau = plateau
        }
        if let rule = experiment.configuration.earlyStopping {
            state.stopReason = state.earlyStopping.report(
                values[rule.monitor] ?? .nan, rule: rule,
                higherIsBetter: experiment.higherIsBetter(rule.monitor) ?? false)
        }
        let monitor = experiment.bestMonitor
        let value = values[monitor] ?? .nan
        let higherIsBetter = experiment.higherIsBetter(monitor) ?? false
        let isBest = state.bestValue.map { higherIsBetter ? value > $0 : value < $0 } ?? !value.isNaN
        if isBest {
            state.bestValue = value
            state.bestStep = state.step
            recorder?.noteBest(value)
        }
        return isBest
    }
}
