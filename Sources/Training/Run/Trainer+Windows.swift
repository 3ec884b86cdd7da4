import Network
import Storage
import Timing

/// What a rank did in a stretch of time of nothing but steps.
package struct WindowFigures: Sendable {
    package let steps: Int
    /// Over all ranks.
    package let samples: Int
    package let seconds: Double
    /// In the order of `Phase.allCases`.
    package let phaseSeconds: [Double]
    /// Blocks of memory that the training thread asked for.
    package let allocations: Int

    package init(steps: Int, samples: Int, seconds: Double, phaseSeconds: [Double], allocations: Int) {
        self.steps = steps
        self.samples = samples
        self.seconds = seconds
        self.phaseSeconds = phaseSeconds
        self.allocations = allocations
    }
}

/// Training for the sake of measuring: no run directory, log, checkpoint or validation.
extension Trainer {
    /// Sets the weights that a run would start from, in place of `begin`. Collective.
    package func beginMeasuring() throws { try initializeWeights() }

    /// Trains until a rank asks to stop, at least one step, on and on through the epochs. Collective.
    ///
    /// - Parameters:
    ///   - clock: what the time is marked on; its sums start anew.
    ///   - stages: where the time of each layer goes.
    ///   - begin: called when all ranks are there.
    ///   - allocationCount: how many blocks of memory this thread has asked for so far.
    package func measureWindow(
        on clock: PhaseClock, stages: StageClock? = nil, begin: () -> Void, allocationCount: () -> Int
    ) throws -> WindowFigures {
        self.clock = clock
        worker.stageClock = stages
        defer {
            self.clock = nil
            worker.stageClock = nil
        }
        try communicator.barrier()
        begin()
        clock.resetTotals()
        let firstStep = state.step
        let firstAllocation = allocationCount()
        let start = MonotonicClock.nanoseconds
        var samples = 0
        var isStopped = false
        while !isStopped {
            let batch = sampler.batch(completedSteps: state.step)
            beginEpochIfDue(batch)
            isStopped = try step(batch).stopRequested
            samples += batch.sampleCount
        }
        try synchronizer.settle()
        let seconds = Double(MonotonicClock.nanoseconds - start) * 1e-9
        return WindowFigures(
            steps: state.step - firstStep, samples: samples, seconds: seconds,
            phaseSeconds: Phase.allCases.map { clock.seconds($0) },
            allocations: allocationCount() - firstAllocation)
    }
}
