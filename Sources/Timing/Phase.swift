/// What a rank does in a training step.
package enum Phase: UInt32, CaseIterable, Sendable {
    /// Gathering samples.
    case load
    /// Outputs, losses and metrics.
    case forward
    /// Gradients.
    case backward
    /// Adding up the ranks' gradients.
    case reduce
    /// Clipping and the optimizer.
    case update
    /// Standing still for other ranks, and moving bytes between them.
    case wait

    /// As reports call it.
    package var name: String { "\(self)" }
}

/// A stretch of time that a phase took.
package struct PhaseEvent: BitwiseCopyable, Sendable, Equatable {
    /// Nanoseconds of the monotonic clock, which all processes of a machine share.
    package var start: UInt64
    package var nanoseconds: UInt64
    /// The global step, from 1.
    package var step: UInt64
    package var phase: UInt64

    package init(_ phase: Phase, start: UInt64, nanoseconds: UInt64, step: Int) {
        self.start = start
        self.nanoseconds = nanoseconds
        self.step = UInt64(step)
        self.phase = UInt64(phase.rawValue)
    }
}
