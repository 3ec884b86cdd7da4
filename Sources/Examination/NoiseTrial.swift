import Diagnostics
import Kernels
import Timing

/// Times a fixed loop of multiply-adds many times: on a quiet core each takes as long as the others.
package enum NoiseTrial {
    /// Seconds that the loops take together.
    private static let seconds = 0.3
    /// Of one loop, about half a millisecond: longer than a tick of the clock, shorter than what disturbs it.
    private static let rounds = 100_000

    /// - Parameters:
    ///   - threads: how many compute on this rank.
    ///   - view, cores: where load and governor are read, and of which cores.
    /// - Throws: `Failure(.systemRefused)` where the threads can't be had.
    package static func run(threads: Int, view: SystemView, cores: [Int]) throws(Failure) -> NoiseFacts {
        let workspace = try Workspace(threadCount: threads)
        let start = MonotonicClock.seconds
        var times: [Double] = []
        var operations = 0
        var last = start
        while last - start < seconds || times.count < 20 {
            operations = workspace.multiplyAdds(rounds: rounds)
            let now = MonotonicClock.seconds
            times.append(now - last)
            last = now
        }
        return NoiseFacts(
            times: Array(times.dropFirst(5)), operations: operations, load: view.load,
            governor: cores.first.flatMap { view.governor(ofCore: $0) })
    }
}

extension NoiseFacts {
    /// How many times the fastest a loop takes on average. What shares the core takes whole slices of its time, so that the
    /// median loop doesn't show it.
    package var spread: Double { fastest > 0 ? mean / fastest : 1 }

    /// Operations a second, on average.
    package var rate: Double { peakRate / max(spread, 1) }

    /// - Precondition: `times` isn't empty.
    package init(times: [Double], operations: Int, load: Double? = nil, governor: String? = nil) {
        precondition(!times.isEmpty, "a loop that was never timed")
        let sorted = times.sorted()
        self.init(
            fastest: sorted[0], median: sorted[sorted.count / 2],
            mean: sorted.reduce(0, +) / Double(sorted.count), slow: sorted[(sorted.count - 1) * 19 / 20],
            peakRate: sorted[0] > 0 ? Double(operations) / sorted[0] : 0, stealNow: nil, stealSinceStart: nil, load: load,
            governor: governor)
    }
}
