import CAllocations
import Foundation
import Testing
import Timing

@Suite("Phase clock")
struct PhaseClockTests {
    private static func spin(nanoseconds: UInt64) {
        let end = MonotonicClock.nanoseconds + nanoseconds
        while MonotonicClock.nanoseconds < end {}
    }

    @Test("time belongs to the phase that is marked at its end, and to none between steps")
    func sums() {
        let clock = PhaseClock(eventCapacity: 10)
        Self.spin(nanoseconds: 3_000_000)
        let first = MonotonicClock.nanoseconds
        clock.beginStep(1)
        Self.spin(nanoseconds: 2_000_000)
        clock.mark(.forward)
        Self.spin(nanoseconds: 1_000_000)
        clock.mark(.backward)
        Self.spin(nanoseconds: 1_000_000)
        clock.mark(.forward)
        let end = MonotonicClock.nanoseconds
        Self.spin(nanoseconds: 3_000_000)
        clock.beginStep(2)
        #expect(clock.seconds(.forward) >= 0.003 && clock.seconds(.backward) >= 0.001)
        for phase in [Phase.load, .reduce, .update, .wait] { #expect(clock.seconds(phase) == 0, "\(phase)") }
        #expect(clock.seconds(.forward) + clock.seconds(.backward) <= Double(end - first) * 1e-9)

        let events = clock.keptEvents
        #expect(events.map(\.phase) == [Phase.forward, .backward, .forward].map { UInt64($0.rawValue) })
        #expect(events.allSatisfy { $0.step == 1 })
        #expect(events[0].start >= first && events[1].start == events[0].start + events[0].nanoseconds)
        #expect(events[2].start == events[1].start + events[1].nanoseconds)
        clock.resetTotals()
        #expect(Phase.allCases.allSatisfy { clock.seconds($0) == 0 } && clock.keptEvents.count == 3)
    }

    @Test("continued marks make one event for each phase and step, as long as its parts")
    func continued() {
        let clock = PhaseClock(eventCapacity: 100)
        for step in 1...3 {
            clock.beginStep(step)
            for _ in 0..<50 {
                clock.mark(.reduce, isContinued: true)
                clock.mark(.update, isContinued: true)
            }
            clock.mark(.wait)
        }
        let events = clock.keptEvents
        #expect(events.count == 9 && clock.droppedCount == 0)
        for phase in [Phase.reduce, .update, .wait] {
            let own = events.filter { $0.phase == UInt64(phase.rawValue) }
            #expect(own.map(\.step) == [1, 2, 3], "\(phase)")
            let sum = own.reduce(0) { $0 + $1.nanoseconds }
            #expect(abs(Double(sum) * 1e-9 - clock.seconds(phase)) < 1e-12, "\(phase)")
        }
    }

    @Test("the newest events stay, and the others are counted; one that was dropped is not continued")
    func ring() {
        let clock = PhaseClock(eventCapacity: 8)
        clock.beginStep(1)
        clock.mark(.update, isContinued: true)
        for _ in 0..<20 { clock.mark(.load) }
        clock.mark(.update, isContinued: true)
        #expect(clock.eventCount == 22 && clock.droppedCount == 14)
        #expect(
            clock.keptEvents.map(\.phase) == Array(repeating: UInt64(Phase.load.rawValue), count: 7)
                + [UInt64(Phase.update.rawValue)])
        #expect(zip(clock.keptEvents, clock.keptEvents.dropFirst()).allSatisfy { $0.start <= $1.start })
    }

    @Test("without room for events there are none, but sums")
    func sumsAlone() {
        let clock = PhaseClock()
        clock.beginStep(1)
        Self.spin(nanoseconds: 100_000)
        clock.mark(.wait)
        #expect(clock.keptEvents.isEmpty && clock.droppedCount == 0 && clock.seconds(.wait) >= 1e-4)
    }

    @Test("a mark allocates nothing", .enabled(if: dtrain_allocations_are_counted() != 0))
    func allocations() {
        for capacity in [0, 1000] {
            let clock = PhaseClock(eventCapacity: capacity)
            func steps(_ range: ClosedRange<Int>) {
                for step in range {
                    clock.beginStep(step)
                    for phase in Phase.allCases { clock.mark(phase, isContinued: step % 2 == 0) }
                }
            }
            // What Swift makes once for the whole process.
            steps(1...2)
            let before = dtrain_allocation_count()
            steps(3...1000)
            let after = dtrain_allocation_count()
            #expect(after == before)
        }
    }
}
