import Foundation

/// The one clock that durations are measured by: it never goes back, and begins anywhere.
package enum MonotonicClock {
    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    package static var seconds: Double { Double(nanoseconds) * 1e-9 }
}
