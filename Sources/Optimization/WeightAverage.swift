import Kernels
import Settings
import Storage

/// An exponential moving average of the weights (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; as
/// `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn`, and `ema_momentum` of Keras): `training.ema`.
///
/// It is taken behind every `everySteps`th step after `startStep`: the first time it is the weights themselves, as in PyTorch, then
/// a ← a + (1 − decay)·(w − a). Before the first time it follows the weights. So what a step does follows from its number alone.
package struct WeightAverage: Sendable, Equatable {
    package let decay: Double
    /// Steps in front of the first that counts.
    package let startStep: Int
    package let everySteps: Int
    /// Whether validation during training looks at the average.
    package let validates: Bool

    /// Reads the section.
    package init(_ settings: Settings) throws {
        decay = try settings.double("decay", default: 0.999, in: .fraction)
        startStep = try settings.int("start_step", default: 0, in: 0...1 << 53)
        everySteps = try settings.int("every_steps", default: 1, in: 1...1 << 53)
        validates = try settings.bool("validate", default: false)
    }

    /// What happens to the average behind a step.
    package enum Change: Sendable, Equatable {
        case none
        /// It becomes the weights.
        case copy
        /// It moves so far towards the weights.
        case move(Float)
    }

    /// The change behind a step that was taken, which counts from 1.
    package func change(step: Int) -> Change {
        if step <= startStep + everySteps { return .copy }
        return (step - startStep) % everySteps == 0 ? .move(Float(1 - decay)) : .none
    }
}

extension WeightAverage.Change {
    /// Applies it to a part of the average, which belongs to these new weights.
    package func apply(to average: MutableMatrixView, weights: MatrixView) {
        switch self {
        case .none: break
        case .copy: average.copy(from: weights)
        case .move(let share): Updates.average(weights, into: average, share: share)
        }
    }
}
