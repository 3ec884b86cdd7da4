import Foundation

/// What is known of a rank at a moment: what it says itself, and what the kernel says of it.
package struct RankSign: Equatable, Sendable {
    package var process: pid_t
    /// The global step that it is in; 0 before the first.
    package var step = 0
    package var activity = Activity.setUp
    /// What it waits for; nil where it waits for no rank.
    package var wait: Wait?
    /// The one rank that it waits for; nil where it waits for several.
    package var awaited: Int?
    /// How often it has come where all ranks meet.
    package var meetings = 0
    package var condition = ProcessLook.Condition.running
    package var place = ""
    /// Seconds since its counters moved.
    package var stillSeconds = 0.0
    /// Seconds since it moved, computed or read or wrote anything.
    package var idleSeconds = 0.0
    /// Samples that it has run forward and backward.
    package var samples = 0
    /// How often it was seen at each activity while it waited for nobody, by `Activity.rawValue`, and how often at all.
    package var seen = [Int](repeating: 0, count: Activity.allCases.count)
    package var looks = 0

    package init(process: pid_t) { self.process = process }
}

/// Follows one rank of this host from look to look.
package struct RankTracker {
    package private(set) var sign: RankSign
    private var last = PulseLook()
    private var lastProcess: ProcessLook?

    /// Where a process has computed for this share of the time between two looks, it was at work.
    private static let busyShare = 0.05
    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    package init(process: pid_t) { sign = RankSign(process: process) }

    /// Takes in a look.
    ///
    /// - Parameters:
    ///   - seconds: since the last look, as far as the watcher itself was awake.
    ///   - process: what the kernel says; asked only of a rank that didn't move.
    package mutating func update(_ look: PulseLook, seconds: Double, process: () -> ProcessLook) {
        if let word = PulseWord(look.word) {
            sign.activity = word.activity
            sign.wait = word.wait
            sign.awaited = word.awaited
            sign.looks += 1
            if word.wait == nil { sign.seen[Int(word.activity.rawValue)] += 1 }
        }
        sign.step = Int(clamping: max(0, look.step))
        sign.meetings = Int(clamping: max(0, look.meetings))
        sign.samples = Int(clamping: max(0, look.samples))
        let hasMoved = look.moves != last.moves
        last = look
        guard !hasMoved else {
            sign.stillSeconds = 0
            sign.idleSeconds = 0
            sign.condition = .running
            sign.place = ""
            lastProcess = nil
            return
        }
        sign.stillSeconds += seconds
        let now = process()
        sign.condition = now.condition
        sign.place = now.place
        sign.idleSeconds = isAtWork(now, seconds: seconds) ? 0 : sign.idleSeconds + seconds
        lastProcess = now
    }

    /// Whether the process did anything since the last look. One that is ready to run but gets no processor is none that hangs.
    private func isAtWork(_ now: ProcessLook, seconds: Double) -> Bool {
        guard let before = lastProcess else { return now.condition == .running }
        let computed = Double(now.ticks &- before.ticks) / Self.ticksPerSecond
        return now.condition == .running || computed >= seconds * Self.busyShare || now.bytes != before.bytes
    }
}
