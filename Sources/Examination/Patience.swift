import Diagnostics
import Foundation
import Synchronization
import Threads
import Timing

/// Ends the process with one message where something that is waited for doesn't come: MPI's calls wait for ever.
package final class Patience: Sendable {
    private struct Wait {
        var subject: String
        var advice: String
        var seconds: Double
        var end: UInt64
    }

    private let seconds: Double
    private let wait: Mutex<Wait?>

    /// - Parameters:
    ///   - seconds: how long anything may take.
    ///   - extra: seconds more, for ranks that let another one speak first.
    ///   - fail: what is done when the time is up: prints the message and ends the process, unless given.
    /// - Throws: `Failure(.systemRefused)` where no thread can be had.
    package init(
        seconds: Double, extra: Double = 0,
        fail: @escaping @Sendable (_ message: String) -> Void = { message in
            StandardStream.tell("dtrain: error", message)
            // Not `exit`: what runs at the end would wait for the same.
            _exit(ExitCode.inputOutput.rawValue)
        }
    ) throws(Failure) {
        self.seconds = seconds
        wait = Mutex(nil)
        try startThread("dtrain-patience", purpose: "that watches the time") { [weak self] in
            while let self {
                if let late = self.late(by: extra) {
                    fail(late)
                    return
                }
                usleep(50_000)
            }
        }
    }

    /// From here on something is waited for.
    ///
    /// - Parameters:
    ///   - subject: what hasn't happened if the time runs out: "rank 0: MPI hasn't started".
    ///   - advice: what may help then; may be empty.
    ///   - times: how many times as long as else it may take.
    package func begin(_ subject: String, advice: String = "", times: Double = 1) {
        let length = seconds * times
        let now = MonotonicClock.nanoseconds
        wait.withLock { $0 = Wait(subject: subject, advice: advice, seconds: length, end: now + UInt64(length * 1e9)) }
    }

    /// Nothing is waited for any more.
    package func end() { wait.withLock { $0 = nil } }

    private func late(by extra: Double) -> String? {
        let wait = wait.withLock { $0 }
        guard let wait, MonotonicClock.nanoseconds > wait.end + UInt64(extra * 1e9) else { return nil }
        return "\(wait.subject) within \(String(format: "%g", wait.seconds)) s (--timeout)"
            + (wait.advice.isEmpty ? "" : "; " + wait.advice)
    }
}
