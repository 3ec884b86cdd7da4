import Diagnostics
import Foundation

/// What has been asked of a job by signals, and what is to be done about it.
package struct StopRequests {
    /// What the launcher does next.
    package enum Action: Equatable {
        case none
        /// SIGUSR1 to mpirun, which forwards it: finish the step, write a checkpoint.
        case askToStop
        /// SIGKILL to mpirun's process group; ranks die with it.
        case end
    }

    /// Repeated, because mpirun forwards nothing to ranks that it hasn't started yet.
    package static let secondsBetweenRequests = 1.0

    /// Whether anything was asked.
    package private(set) var isAsked = false
    private var interrupts = 0
    private var lastAsked: Double?
    private var isEnded = false

    package init() {}

    /// SIGINT counts; every other signal asks to stop.
    package mutating func note(_ signal: Int32, at time: Double) {
        isAsked = true
        if signal == SIGINT { interrupts += 1 }
    }

    /// What to do now, given the time in seconds.
    package mutating func action(at time: Double) -> Action {
        guard isAsked else { return .none }
        if interrupts > 1 {
            guard !isEnded else { return .none }
            isEnded = true
            return .end
        }
        if let lastAsked, time - lastAsked < Self.secondsBetweenRequests { return .none }
        lastAsked = time
        return .askToStop
    }

    /// What a launcher ends with that was asked between two jobs.
    package var exitCodeWithoutJob: Int32 { interrupts > 1 ? 128 + SIGINT : ExitCode.interrupted.rawValue }

    /// The exit code that the job's own stands for.
    package func exitCode(of code: Int32) -> Int32 {
        if isEnded { return 128 + SIGINT }
        // The signal met a rank that had no handler yet: nothing was computed.
        if isAsked, code == 128 + SIGUSR1 { return ExitCode.interrupted.rawValue }
        return code
    }
}
