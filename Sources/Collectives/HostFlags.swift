import CProcessor
import Foundation
import Storage
import Watching

/// Counters by which the ranks of a host tell each other how far they are: each is written by one rank alone, only ever
/// grows, and has cache lines of its own. No locks, no calls into the system unless somebody is late.
struct HostFlags {
    /// What a counter counts.
    enum Kind: Int, CaseIterable {
        /// How much of the gradients is complete: grows within a step.
        case sums
        /// How much of the gradients is complete, and of the weights read for the last time.
        case gradients
        /// Steps whose record (losses, norms) may be read, before weights change.
        case records
        /// Steps whose new weights, and whose record, may be read.
        case weights
        /// Steps whose running averages may be read.
        case buffers

        /// What a rank waits for that waits for it.
        var wait: Wait {
            switch self {
            case .sums, .gradients: .gradients
            case .records: .record
            case .weights: .weights
            case .buffers: .buffers
            }
        }
    }

    /// The bytes that they take of each segment: two lines each, because processors fetch them in pairs.
    static let byteCount = Kind.allCases.count * 128

    private let segments: [UnsafeMutableRawPointer]
    private let own: UnsafeMutableRawPointer
    private let pulse: Pulse
    /// The rank whose segment is the first.
    private let firstRank: Int
    /// How often a waiting rank looks before it leaves the processor to others.
    let patience: Int

    /// - Parameters:
    ///   - segments: where each rank's counters begin, zero at first.
    ///   - firstRank: the rank whose segment is the first.
    ///   - pulse: shows whom this rank waits for.
    init(segments: [UnsafeMutableRawPointer], localRank: Int, firstRank: Int, pulse: Pulse) {
        self.pulse = pulse
        self.firstRank = firstRank
        self.segments = segments
        own = segments[localRank]
        patience = WaitLoop.patience(ranks: segments.count)
    }

    /// Sets this rank's counter; everything that it wrote before is visible to whoever sees it.
    @inline(__always)
    func set(_ kind: Kind, to value: Int64) {
        Processor.finishStreaming()
        dtrain_store_release(counter(own, kind), value)
    }

    /// The lowest counter of all ranks.
    @inline(__always)
    func lowest(_ kind: Kind) -> Int64 {
        var lowest = Int64.max
        for segment in segments { lowest = min(lowest, dtrain_load_acquire(counter(segment, kind))) }
        return lowest
    }

    /// Returns when every rank's counter is at least `value`.
    func wait(_ kind: Kind, for value: Int64) {
        for (localRank, segment) in segments.enumerated() {
            let counter = counter(segment, kind)
            if dtrain_load_acquire(counter) >= value { continue }
            pulse.beginWait(kind.wait, for: firstRank + localRank)
            defer { pulse.endWait() }
            var loop = WaitLoop(patience: patience)
            while dtrain_load_acquire(counter) < value { loop.pause() }
        }
    }

    private func counter(_ segment: UnsafeMutableRawPointer, _ kind: Kind) -> UnsafeMutablePointer<Int64> {
        (segment + kind.rawValue * 128).assumingMemoryBound(to: Int64.self)
    }
}
