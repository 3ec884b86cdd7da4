import CProcesses
import Diagnostics
import Foundation
import Timing

/// A running mpirun. The kernel kills it when this process dies, and its death ends the ranks.
struct Job {
    private let process: pid_t
    private let output: JobOutput

    /// Starts it, in a process group of its own: the terminal's Ctrl-C must not reach it.
    ///
    /// mpirun ignores SIGUSR1 until it catches it, and again when it has stopped doing so: neither an early nor a late
    /// one may end it.
    ///
    /// The caller blocks the signals of `JobSignals`, so that the threads made here do too.
    init(_ plan: LaunchPlan) throws {
        output = try JobOutput()

        // Null-terminated arrays of C strings, which live until the process is started.
        var arguments = plan.commandLine.map { strdup($0) } + [nil]
        var environment = plan.environment.map { strdup($0) } + [nil]
        defer {
            for text in arguments + environment { free(text) }
        }
        var started: pid_t = 0
        var call: UnsafePointer<CChar>?
        let code = dtrain_start_bound(
            plan.commandLine[0], &arguments, &environment, output.standardOutput.input,
            output.standardError.input, &started, &call)
        guard code == 0 else {
            let what = "\(plan.commandLine[0]) can't be started (\(call.map { String(cString: $0) } ?? "fork"))"
            switch code {
            case EAGAIN, ENOMEM, EMFILE, ENFILE: throw systemFailure(what, code)
            default: throw Failure(.inputOutput, "\(what): \(String(cString: strerror(code)))")
            }
        }
        process = started
        output.isHandedOver()
    }

    /// Waits for the end, passing on what is asked by signals, and returns the exit code: the job's own, 128 + n when
    /// mpirun was killed by signal n, 130 after a second SIGINT.
    func wait(forwarding signals: JobSignals) -> Int32 {
        while true {
            // SIGCHLD may be given to another thread, where there is one: look at least every 100 ms.
            signals.take(milliseconds: 100)
            var status: Int32 = 0
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { return signals.requests.exitCode(of: Self.exitCode(status)) }
            if ended < 0, errno != EINTR { return ExitCode.internalError.rawValue }
            switch signals.requests.action(at: MonotonicClock.seconds) {
            case .none: break
            case .askToStop: kill(process, SIGUSR1)
            case .end: kill(-process, SIGKILL)
            }
        }
    }

    /// Hands on what the ended job has written. It waits for a reader that takes its time, as writing does; a signal
    /// ends the wait. Returns what kept standard output from being written, if anything did.
    func finishOutput(_ signals: JobSignals) -> Failure? {
        output.askToEnd()
        while !output.isFinished(withinSeconds: 0.05) {
            if signals.take(milliseconds: 0) { break }
        }
        return output.failure
    }

    /// Whether the job has said something on standard error, as far as that can be told apart.
    var hasSaidWhy: Bool { output.hasErrors }

    /// What mpirun says of the job's end; to be asked after `finishOutput`.
    var cause: MPIRunWords.Cause? { output.standardError.cause }

    /// The exit code from `waitpid`'s status, as a shell counts it.
    private static func exitCode(_ status: Int32) -> Int32 {
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}

/// The signals that a launcher takes, and what they ask for, while it lives: from one start of a job to the next too.
final class JobSignals {
    private let block: SignalBlock
    var requests = StopRequests()

    init() {
        // Where a parent had SIGCHLD ignored, the system would throw away how mpirun ended.
        if dtrain_is_ignored(SIGCHLD) != 0 { signal(SIGCHLD, SIG_DFL) }
        // What was ignored at the start (nohup, `trap '' INT`) stays so: a blocked signal would still be taken.
        let asking = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].filter { dtrain_is_ignored($0) == 0 }
        block = SignalBlock(asking + [SIGCHLD])
    }

    /// Waits for a signal and notes it. Returns whether one came that asks for something.
    @discardableResult
    func take(milliseconds: Int) -> Bool {
        guard let signal = block.next(milliseconds: milliseconds), signal != SIGCHLD else { return false }
        requests.note(signal, at: MonotonicClock.seconds)
        return true
    }
}

/// The relays of a job's two streams. Where both go to the same place (a terminal, `2>&1`) there is one, so that lines
/// stay in the order in which mpirun wrote them.
private struct JobOutput {
    let standardOutput: OutputRelay
    let standardError: OutputRelay

    init() throws {
        let isOne = Self.goToSamePlace
        standardOutput = try OutputRelay(to: .output, hearsErrors: isOne)
        standardError = isOne ? standardOutput : try OutputRelay(to: .errors, hearsErrors: true)
    }

    func isHandedOver() {
        standardOutput.closeWriter()
        standardError.closeWriter()
    }

    func askToEnd() {
        standardOutput.askToEnd()
        standardError.askToEnd()
    }

    func isFinished(withinSeconds seconds: Double) -> Bool {
        standardOutput.isFinished(withinSeconds: seconds) && standardError.isFinished(withinSeconds: seconds)
    }

    var failure: Failure? { standardOutput.failure }

    var hasErrors: Bool { standardError !== standardOutput && standardError.hasDelivered }

    private static var goToSamePlace: Bool {
        var one = stat()
        var other = stat()
        return fstat(STDOUT_FILENO, &one) == 0 && fstat(STDERR_FILENO, &other) == 0
            && one.st_dev == other.st_dev && one.st_ino == other.st_ino
    }
}
