import Diagnostics
import Foundation
import Storage
import Synchronization
import Threads

/// Threads that wait for a piece of work, do it together with the caller, and wait again.
///
/// They spin for some microseconds, because the next kernel of a step follows at once, and then sleep.
final class ThreadTeam: Sendable {
    private let shared: Shared
    private let helpers: Int

    /// What the caller and the helpers both touch. `work` is written before `generation` is released and read after it
    /// was acquired; `remaining` counts helpers that are still at it.
    private final class Shared: @unchecked Sendable {
        let generation = Atomic<Int>(0)
        let remaining = Atomic<Int>(0)
        let stopping = Atomic<Bool>(false)
        let condition = NSCondition()
        /// Not an optional: a function in one would be wrapped, which allocates.
        var work: (Int) -> Void = ThreadTeam.idle
    }

    /// - Throws: `Failure(.systemRefused)`; the threads that were made before end.
    init(helpers: Int) throws(Failure) {
        precondition(helpers >= 1, "\(helpers) helper threads")
        self.helpers = helpers
        let shared = Shared()
        self.shared = shared
        for helper in 1...helpers {
            try startThread("dtrain-\(helper)", purpose: "that helps to compute (training.threads: \(helpers + 1))") {
                ThreadTeam.help(shared, thread: helper)
            }
        }
    }

    deinit {
        shared.stopping.store(true, ordering: .releasing)
        signal()
    }

    /// Runs `body(0)` here and `body(1)` … on the helpers; returns when all are done.
    func run(_ body: (Int) -> Void) {
        // The helpers are done with the closure before this call returns; it is the caller's to share tiles safely.
        withoutActuallyEscaping(body) { body in
            shared.work = body
            shared.remaining.store(helpers, ordering: .relaxed)
            signal()
            body(0)
            var spins = 0
            while shared.remaining.load(ordering: .acquiring) > 0 {
                spins += 1
                if spins & 0xfff == 0 { sched_yield() } else { Processor.pause() }
            }
            shared.work = Self.idle
        }
    }

    private static func idle(_: Int) {}

    private func signal() {
        shared.condition.lock()
        shared.generation.add(1, ordering: .releasing)
        shared.condition.broadcast()
        shared.condition.unlock()
    }

    private static func help(_ shared: Shared, thread: Int) {
        Processor.flushDenormals()
        var seen = 0
        while true {
            var spins = 0
            while shared.generation.load(ordering: .acquiring) == seen {
                spins += 1
                if spins < 20_000 {
                    Processor.pause()
                    continue
                }
                shared.condition.lock()
                while shared.generation.load(ordering: .acquiring) == seen { shared.condition.wait() }
                shared.condition.unlock()
            }
            seen += 1
            if shared.stopping.load(ordering: .acquiring) { return }
            shared.work(thread)
            shared.remaining.subtract(1, ordering: .acquiringAndReleasing)
        }
    }
}
