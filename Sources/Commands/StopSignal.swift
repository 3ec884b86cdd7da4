import Foundation
import Synchronization

/// SIGUSR1, SIGTERM, SIGINT and SIGHUP ask the run to stop after the step; a second SIGINT ends the process at once.
///
/// The handler only sets a flag, which every step's exchange ORs over the ranks. A global, because a signal handler can
/// reach nothing else.
enum StopSignal {
    private static let raised = Atomic<Int>(0)
    private static let interrupts = Atomic<Int>(0)

    /// Whether one has arrived.
    static var isRaised: Bool { raised.load(ordering: .relaxed) > 0 }

    private static let all = [SIGUSR1, SIGTERM, SIGINT, SIGHUP]

    /// Installs the handlers; before MPI starts, so that there is no instant without them.
    ///
    /// A signal that was ignored when the program started stays so: `nohup`, `trap '' INT`, and what a shell without job
    /// control puts into the background.
    ///
    /// - Parameter isLaunched: whether a launcher started this process. SIGUSR1 is how it passes on what it was asked, and it
    ///   ignores that signal itself, which is inherited.
    static func install(isLaunched: Bool) {
        // The first use of a global initialises it, which must not happen inside a handler.
        _ = isRaised
        _ = interrupts.load(ordering: .relaxed)
        let heard = all.filter { !isIgnored($0) || isLaunched && $0 == SIGUSR1 }
        // A parent may have left them blocked.
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in heard { sigaddset(&mask, number) }
        defer { pthread_sigmask(SIG_UNBLOCK, &mask, nil) }
        for number in heard {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                if number == SIGINT, StopSignal.interrupts.add(1, ordering: .relaxed).oldValue > 0 {
                    signal(SIGINT, SIG_DFL)
                    raise(SIGINT)
                }
                StopSignal.raised.store(1, ordering: .relaxed)
            }
            // System calls go on; nothing in the run has to care.
            action.sa_flags = Int32(SA_RESTART)
            sigaction(number, &action, nil)
        }
    }

    /// Whether the program was started with `signal` ignored.
    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        sigaction(signal, nil, &action)
        // Functions can't be compared; SIG_IGN is the number 1 for one.
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
