import Foundation

/// Blocks signals for the calling thread while it lives, and takes them one at a time.
final class SignalBlock {
    /// The mask before.
    private let former: sigset_t
    private let set: sigset_t

    init(_ signals: [Int32]) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        var former = sigset_t()
        pthread_sigmask(SIG_BLOCK, &set, &former)
        self.set = set
        self.former = former
    }

    deinit {
        // What came too late to be taken must not end this process when it is let through.
        while next(milliseconds: 0) != nil {}
        var former = former
        pthread_sigmask(SIG_SETMASK, &former, nil)
    }

    /// The next signal, or nil when none came in time.
    func next(milliseconds: Int) -> Int32? {
        var set = set
        var limit = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        let signal = sigtimedwait(&set, nil, &limit)
        return signal > 0 ? signal : nil
    }
}
