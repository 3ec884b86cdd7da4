import Settings

/// The learning rate as a function of the optimizer step.
package struct Schedule: Sendable {
    private let form: any ScheduleForm
    /// What is watched for a plateau, if the schedule does that.
    package let plateau: PlateauRule?
    /// Steps of linear warm-up in front: the rate at step s is base·(s + 1)/warmupDivisor.
    private let warmupSteps: Int
    private let warmupDivisor: Double

    /// Reads `schedule:` of a configuration; constant where there is none.
    ///
    /// The last step of a warm-up has the full rate already; with `warmup_inclusive: false` the first one behind it has, as in
    /// nanoGPT.
    package init(_ settings: Settings, among forms: ScheduleChoices = .standard) throws {
        let variant = try settings.variant("schedule", default: ConstantRate.kind)
        form = try forms.choice(for: variant).init(options: variant.options)
        plateau = form.plateau
        warmupSteps = try variant.options.int("warmup_steps", default: 0)
        let includesFullRate = try variant.options.bool("warmup_inclusive", default: true)
        warmupDivisor = Double(warmupSteps) + (includesFullRate ? 0 : 1)
    }

    /// The learning rate of the step that follows `completedSteps` steps.
    ///
    /// - Parameters:
    ///   - runSteps: how long the run is planned to be, for `cosine` and `polynomial` without `total_steps`.
    ///   - plateauRate: the rate that the plateau rule has arrived at, where that is the schedule.
    package func learningRate(base: Double, completedSteps: Int, runSteps: Int, plateauRate: Double?) -> Double {
        if completedSteps < warmupSteps { return base * Double(completedSteps + 1) / warmupDivisor }
        if plateau != nil { return plateauRate ?? base }
        return form.learningRate(base: base, step: completedSteps - warmupSteps, runSteps: runSteps - warmupSteps)
    }
}

/// A course of the learning rate, with the name and formula of `torch.optim.lr_scheduler`.
///
/// Closed forms, so that a resumed run needs no state but the step; only `reduce_on_plateau` remembers (`PlateauState`).
package protocol ScheduleForm: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    /// Reads the options (`warmup_steps` is read by the caller).
    init(options: Settings) throws

    /// The learning rate of a step.
    ///
    /// - Parameters:
    ///   - step: counted from 0 behind the warm-up; `runSteps`: how many the run is planned to have there.
    func learningRate(base: Double, step: Int, runSteps: Int) -> Double

    /// The rule that makes the rate from what validations report, in place of `learningRate`; nil for all but one.
    var plateau: PlateauRule? { get }
}

extension ScheduleForm {
    package var plateau: PlateauRule? { nil }
}

/// The schedules that a configuration can name.
package typealias ScheduleChoices = Choices<any ScheduleForm.Type>

extension Choices where Choice == any ScheduleForm.Type {
    package init(_ kinds: [any ScheduleForm.Type]) { self.init("schedule", kinds.map { ($0.kind, $0) }) }

    /// All of dtrain. A new one is a form and a line here.
    package static var standard: ScheduleChoices {
        ScheduleChoices([
            ConstantRate.self, StepRate.self, MultiStepRate.self, ExponentialRate.self, PolynomialRate.self,
            CosineRate.self, ReduceOnPlateau.self
        ])
    }
}
