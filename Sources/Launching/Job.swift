import Diagnostics
import Foundation

/// A running mpirun.
struct Job {
    private let process: pid_t
    private let signals: SignalBlock
    private var requests = StopRequests()

    /// Starts it, in a process group of its own: the terminal's Ctrl-C must not reach it.
    init(_ plan: LaunchPlan) throws {
        signals = SignalBlock([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD])
        // mpirun ignores SIGUSR1 until it catches it, and again when it has stopped doing so: neither an early nor a
        // late one may end it. An ignored signal stays ignored across exec; a blocked one still reaches us.
        let former = signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, former) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        // Whatever this thread blocks, the job hears its signals.
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)

        // Null-terminated arrays of C strings, which live until the process is started.
        var arguments = plan.commandLine.map { strdup($0) } + [nil]
        var environment = plan.environment.map { strdup($0) } + [nil]
        defer {
            arguments.forEach { free($0) }
            environment.forEach { free($0) }
        }
        var started: pid_t = 0
        let status = posix_spawn(&started, plan.commandLine[0], &actions, &attributes, &arguments, &environment)
        guard status == 0 else {
            throw Failure(.inputOutput, "\(plan.commandLine[0]) can't be started: \(String(cString: strerror(status)))")
        }
        process = started
    }

    /// Waits for the end, passing on what is asked by signals, and returns the exit code: the job's own, 128 + n when
    /// mpirun was killed by signal n, 130 after a second SIGINT.
    mutating func waitForwardingSignals() -> Int32 {
        while true {
            // SIGCHLD may be given to another thread, where there is one: look at least every 100 ms.
            if let signal = signals.next(milliseconds: 100), signal != SIGCHLD { requests.note(signal, at: now()) }
            var status: Int32 = 0
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { return requests.exitCode(of: Self.exitCode(status)) }
            if ended < 0, errno != EINTR { return ExitCode.internalError.rawValue }
            switch requests.action(at: now()) {
            case .none: break
            case .askToStop: kill(process, SIGUSR1)
            case .end: kill(process, SIGTERM)
            case .kill: kill(-process, SIGKILL)
            }
        }
    }

    /// Seconds of the monotonic clock.
    private func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The exit code from `waitpid`'s status, as a shell counts it.
    private static func exitCode(_ status: Int32) -> Int32 {
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}
