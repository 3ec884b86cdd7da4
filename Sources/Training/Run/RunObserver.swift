/// What a program of one's own is told while a run goes on, on every rank: the same on all of them, in the same order.
///
/// Each answers whether the run is to stop. It then stops, as by a signal, behind the next step, as soon as one rank says so.
package struct RunObserver {
    /// Behind every step.
    package var step: ((StepNews) -> Bool)?
    /// Behind the last step of every epoch, and its validation.
    package var epoch: ((EpochNews) -> Bool)?

    package init() {}
}

/// What a step came to.
package struct StepNews: Sendable {
    /// Counted from 1, from the beginning of the run.
    package let step: Int
    /// Counted from 1.
    package let epoch: Int
    package let samples: Int
    /// Name and value, the loss first: of the step's batch.
    package let figures: [(name: String, value: Double)]
    package let learningRate: Double
    /// Before clipping.
    package let gradientNorm: Double
}

/// What an epoch came to.
package struct EpochNews: Sendable {
    /// Counted from 1.
    package let epoch: Int
    package let step: Int
    /// Name and value, the loss first: means over the epoch's steps.
    package let training: [(name: String, value: Double)]
    /// The same of the validation behind its last step; empty where none was due.
    package let validation: [(name: String, value: Double)]
}

extension Experiment {
    /// Loss and metrics of the epoch that `state` has added up; empty where it has none.
    func epochFigures(_ state: TrainingState) -> [(name: String, value: Double)] {
        guard let lossSum = state.epochSums.first, state.epochSamples > 0 else { return [] }
        let values = metrics.values(Array(state.epochSums.dropFirst()))
        return [("loss", lossSum / (state.epochDivisor ?? divisor.sum(rows: state.epochSamples) ?? .nan))]
            + values.compactMap { value in value.scalar.map { (value.name, $0) } }
    }

    /// Loss and metrics of a step.
    func stepFigures(_ sums: UnsafeBufferPointer<Double>, loss: Double) -> [(name: String, value: Double)] {
        var values = [Double](repeating: .nan, count: metrics.names.count)
        values.withUnsafeMutableBufferPointer { metrics.scalarValues(UnsafeBufferPointer(rebasing: sums[1...]), into: $0) }
        return [("loss", loss)] + zip(metrics.names, values).map { ($0, $1) }
    }
}
