import Diagnostics
import Dispatch
import Foundation
import Kernels
import Storage
import Synchronization
import Threads

/// Lets the exchange between hosts move on while the training thread computes: MPI moves messages only inside its own calls. It
/// looks every half millisecond and sleeps in between, since it has no core of its own, and sleeps for good while nothing is
/// under way.
final class ExchangeThread: Sendable {
    private final class Shared: @unchecked Sendable {
        // Sendable: `work` never changes; it takes its own lock.
        let isAwake = Atomic<Bool>(false)
        let isStopping = Atomic<Bool>(false)
        let bell = DispatchSemaphore(value: 0)
        let ended = DispatchSemaphore(value: 0)
        let work: () -> Bool

        init(_ work: @escaping () -> Bool) { self.work = work }
    }

    private let shared: Shared

    /// Nil where the system gives no thread: the exchange then moves on in the training thread alone, which is slower.
    ///
    /// - Parameter work: one look; returns whether there will be more to do. Called until `stop`.
    init?(_ work: @escaping () -> Bool) {
        let shared = Shared(work)
        self.shared = shared
        do {
            try startThread("dtrain-exchange", purpose: "that looks after messages") { Self.serve(shared) }
        } catch {
            return nil
        }
    }

    /// Says that there is something under way.
    func wake() {
        if !shared.isAwake.exchange(true, ordering: .acquiringAndReleasing) { shared.bell.signal() }
    }

    /// Returns when `work` is called no more.
    func stop() {
        shared.isStopping.store(true, ordering: .releasing)
        shared.bell.signal()
        shared.ended.wait()
    }

    /// Long enough to leave the core to the computation (measured: a tenth of it costs 5 % of a step), short enough for a fast
    /// link: 600 KB of 10 Gbit/s, which sockets hold.
    private static let pauseNanoseconds = 500_000

    private static func serve(_ shared: Shared) {
        Processor.flushDenormals()
        var pause = timespec(tv_sec: 0, tv_nsec: pauseNanoseconds)
        while true {
            shared.bell.wait()
            while !shared.isStopping.load(ordering: .acquiring), shared.work() { nanosleep(&pause, nil) }
            if shared.isStopping.load(ordering: .acquiring) { break }
            shared.isAwake.store(false, ordering: .releasing)
        }
        shared.ended.signal()
    }
}
