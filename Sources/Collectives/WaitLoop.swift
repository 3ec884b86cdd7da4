import Foundation
import Storage

/// How a rank passes the time while it looks again and again for what another rank does: first it keeps the processor, then it
/// leaves it to others.
///
/// Whoever has waited for long sleeps between two looks, and where there are more ranks than cores before long. Processes that
/// hand a core to each other without end may keep it from everybody else: `sched_yield` of Linux 6.18 puts who calls it so far
/// behind that some waited for a minute.
struct WaitLoop {
    /// How often to look before the processor is left to others; 0 where there are more ranks than cores.
    private let patience: Int
    /// How often to leave the processor to others, who may well give it back, before this thread sleeps.
    private let yields: Int
    private var looks = 0
    private static let nanoseconds = 50_000

    init(patience: Int) {
        self.patience = patience
        // Some 10 ms where each rank has a core: a sleep is then lost in what was waited before.
        yields = patience > 0 ? 20_000 : 64
    }

    /// The looks that suit so many ranks on this machine.
    static func patience(ranks: Int) -> Int { ranks > sysconf(Int32(_SC_NPROCESSORS_ONLN)) ? 0 : 2000 }

    /// Called behind a look that found nothing.
    mutating func pause() {
        looks += 1
        if looks < patience {
            Processor.pause()
        } else if looks < patience + yields {
            sched_yield()
        } else {
            var time = timespec(tv_sec: 0, tv_nsec: Self.nanoseconds)
            nanosleep(&time, nil)
        }
    }
}
