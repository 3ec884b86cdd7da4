import CProcessor
import Storage

/// A rank's signs of life: a few counters in memory that whoever watches may read at any time.
///
/// The rank writes them with plain stores to cache lines of its own: no lock, no clock, no call into the system, no memory
/// taken. Where nobody watches they are in the rank's own memory, and everything is the same.
///
/// Used by the training thread alone.
package final class Pulse: @unchecked Sendable {
    // Sendable: confined to the training thread; others read the memory, not this.

    /// Counters of a rank's line, 8 bytes each.
    enum Counter: Int {
        /// Grows whenever anything is done.
        case moves
        /// The global step that it is in; 0 before the first.
        case step
        /// A `PulseWord`.
        case word
        /// How often it has come where all ranks meet.
        case meetings
        /// Samples that it has run forward and backward.
        case samples
        /// Its process, from when it holds the line.
        case process
    }

    /// The bytes of a line: two cache lines, because processors fetch them in pairs.
    static let lineBytes = 128

    private let line: UnsafeMutablePointer<Int64>
    /// Keeps the line's memory.
    private let owner: AnyObject
    private var moves: Int64 = 0, meetings: Int64 = 0, samples: Int64 = 0
    private var activity = Activity.setUp

    /// One that nobody watches.
    package convenience init() {
        let own = OwnLine()
        self.init(line: own.buffer.base, owner: own)
    }

    private final class OwnLine {
        let buffer = AlignedBuffer<Int64>(count: Pulse.lineBytes / 8, repeating: 0)
    }

    /// - Parameter owner: keeps the memory of `line`.
    init(line: UnsafeMutablePointer<Int64>, owner: AnyObject) {
        self.line = line
        self.owner = owner
    }

    /// Something was done.
    package func beat() {
        moves &+= 1
        store(.moves, moves)
    }

    /// From here on the rank does this.
    package func turn(to activity: Activity) {
        self.activity = activity
        store(.word, Int64(activity.rawValue))
        beat()
    }

    /// Training step `step`, from 1, begins.
    package func begin(step: Int) {
        store(.step, Int64(step))
        turn(to: .inputs)
    }

    /// So many samples have been run forward and backward.
    package func ran(samples count: Int) {
        samples &+= Int64(count)
        store(.samples, samples)
        beat()
    }

    /// From here to `endWait` the rank waits for `rank`, or for several where that is nil.
    package func beginWait(_ wait: Wait, for rank: Int? = nil) {
        if wait == .meeting {
            meetings &+= 1
            store(.meetings, meetings)
        }
        store(.word, PulseWord.encoded(activity, wait, awaited: rank ?? -1))
        beat()
    }

    /// What was waited for has come.
    package func endWait() {
        store(.word, Int64(activity.rawValue))
        beat()
    }

    /// Waits in `body`.
    package func waiting<Value>(_ wait: Wait, _ body: () throws -> Value) rethrows -> Value {
        beginWait(wait)
        defer { endWait() }
        return try body()
    }

    @inline(__always)
    private func store(_ counter: Counter, _ value: Int64) { dtrain_store_release(line + counter.rawValue, value) }
}
