import Foundation
import Synchronization

/// SIGUSR1, SIGTERM and SIGINT ask the run to stop after the step; a second SIGINT ends the process at once.
///
/// The handler only sets a flag, which every step's exchange ORs over the ranks. A global, because a signal handler can
/// reach nothing else.
enum StopSignal {
    private static let raised = Atomic<Int>(0)
    private static let interrupts = Atomic<Int>(0)

    /// Whether one has arrived.
    static var isRaised: Bool { raised.load(ordering: .relaxed) > 0 }

    /// Installs the handlers; before MPI starts, so that there is no instant without them.
    static func install() {
        // The first use of a global initialises it, which must not happen inside a handler.
        _ = isRaised
        _ = interrupts.load(ordering: .relaxed)
        // A parent may have left them blocked.
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in [SIGUSR1, SIGTERM, SIGINT] { sigaddset(&mask, number) }
        defer { pthread_sigmask(SIG_UNBLOCK, &mask, nil) }
        for number in [SIGUSR1, SIGTERM, SIGINT] {
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
}
