import Storage

/// Sums up where the time of a rank's training steps goes, and keeps the newest of its stretches for a trace.
///
/// A mark says what the time since the last one was spent on. It reads a clock (25 to 70 ns, as the machine has it) and
/// adds two numbers; it takes no memory and no lock. Where nobody measures there is no clock: `clock?.mark(.forward)`.
///
/// A room of its own, below everything that could be worth a mark.
package final class PhaseClock: @unchecked Sendable {
    // Sendable: the training thread alone uses it.

    private let totals = AlignedBuffer<UInt64>(count: Phase.allCases.count, repeating: 0)
    /// A ring: event n of the run lies at n modulo its size.
    private let events: AlignedBuffer<PhaseEvent>
    /// Where in the ring each phase's newest event lies, unless others have come over it.
    private let newest = AlignedBuffer<Int>(count: Phase.allCases.count, repeating: 0)
    private var last: UInt64 = 0
    private var step = 0
    /// Where in the ring the next event goes.
    private var place = 0

    /// How many events there were, kept or not.
    package private(set) var eventCount = 0

    /// - Parameter eventCapacity: how many of the newest events are kept, 32 bytes each; 0 for sums alone.
    package init(eventCapacity: Int = 0) {
        events = AlignedBuffer(count: eventCapacity, repeating: PhaseEvent(.load, start: 0, nanoseconds: 0, step: 0))
    }

    /// A step begins: what came since the last mark belongs to no phase.
    package func beginStep(_ step: Int) {
        self.step = step
        last = MonotonicClock.nanoseconds
    }

    /// The time since the last mark, or the beginning of the step, was spent on `phase`.
    ///
    /// - Parameter isContinued: whether it prolongs the step's newest event of that phase instead of being one of its
    ///   own, as in a loop over blocks that alternates between phases. The event then lasts as long as all its parts,
    ///   from the start of the first one.
    package func mark(_ phase: Phase, isContinued: Bool = false) {
        let now = MonotonicClock.nanoseconds
        let spent = now &- last
        let index = Int(phase.rawValue)
        totals[index] &+= spent
        if events.count > 0 { record(phase, start: last, nanoseconds: spent, isContinued: isContinued) }
        last = now
    }

    private func record(_ phase: Phase, start: UInt64, nanoseconds: UInt64, isContinued: Bool) {
        let index = Int(phase.rawValue)
        let known = newest[index]
        // Steps count from 1, so what was never written is of none.
        if isContinued, events[known].step == step, events[known].phase == phase.rawValue {
            events.base[known].nanoseconds &+= nanoseconds
            return
        }
        events[place] = PhaseEvent(phase, start: start, nanoseconds: nanoseconds, step: step)
        newest[index] = place
        place = place + 1 == events.count ? 0 : place + 1
        eventCount += 1
    }

    /// What the phase has taken in all, seconds.
    package func seconds(_ phase: Phase) -> Double { Double(totals[Int(phase.rawValue)]) * 1e-9 }

    /// Starts the sums anew.
    package func resetTotals() {
        totals.elements.update(repeating: 0)
    }

    /// The events that are kept, the oldest first.
    package var keptEvents: [PhaseEvent] {
        let first = max(0, eventCount - events.count)
        return (first..<eventCount).map { events[$0 % events.count] }
    }

    /// How many events were dropped, the oldest ones.
    package var droppedCount: Int { max(0, eventCount - events.count) }
}
