import Foundation
import Testing

import Watching

/// What is judged of a table of ranks: the right rank, at the right time, and nothing that is as it should be.
@Suite("Judgement")
struct JudgementTests {
    private let limits = StallLimits()

    private func kinds(_ table: JobTable) -> [Incident.Kind] { judge(table, limits).map(\.kind) }

    @Test("ranks that all compute, however long, are as they should be for ten minutes")
    func longSteps() {
        var table = JobTable.training(2, 2)
        for rank in 0..<4 { table.ranks[rank].stillSeconds = 599 }
        #expect(kinds(table).isEmpty)
        // Where nobody waits for it, a rank that computes for ever is nobody's trouble yet.
        for rank in 0..<4 { table.ranks[rank].stillSeconds = 601 }
        #expect(kinds(table).isEmpty)
    }

    @Test("a rank that computes while others wait is named after ten minutes, not before")
    func endlessLoop() {
        var table = JobTable.training(3)
        table.wait(0, .gradients, for: 1)
        table.wait(2, .gradients, for: 1)
        table.ranks[1].stillSeconds = 599
        #expect(kinds(table).isEmpty)
        table.ranks[1].stillSeconds = 600
        #expect(judge(table, limits) == [Incident(kind: .rank(1), seconds: 600, limit: 600, waiters: [0, 2], holdsJob: true)])
    }

    @Test("a stopped rank is named after 8 s, with those that wait for it", arguments: [7.9, 8, 50])
    func stopped(seconds: Double) {
        var table = JobTable.training(4)
        table.hold(3, .stopped, seconds: seconds)
        for rank in 0..<3 { table.wait(rank, .gradients, for: 3, seconds: seconds) }
        let expected = Incident(kind: .rank(3), seconds: seconds, limit: 8, waiters: [0, 1, 2], holdsJob: true)
        #expect(judge(table, limits) == (seconds < 8 ? [] : [expected]))
    }

    @Test("a rank that was stopped while it waited itself is the one that is named")
    func stoppedWhileWaiting() {
        var table = JobTable.training(2, 1)
        table.wait(1, .weights, for: 0)
        table.hold(1, .stopped, seconds: 20)
        table.wait(0, .weights, for: 1)
        table.wait(2, .messages)
        let found = judge(table, limits)
        #expect(found.map(\.kind) == [.rank(1)])
        #expect(found.first?.waiters == [0, 2])
    }

    @Test("a stopped rank is named though nobody waits for it yet, and ends no job then")
    func stoppedEarly() {
        var table = JobTable.training(3)
        table.hold(1, .stopped, seconds: 9)
        let found = judge(table, StallLimits(end: 3))
        #expect(found.map(\.kind) == [.rank(1)])
        #expect(found.first?.waiters == [])
        #expect(found.first?.endsJob(StallLimits(end: 3)) == false)
        table.wait(0, .record, for: 1)
        #expect(judge(table, StallLimits(end: 3)).first?.endsJob(StallLimits(end: 3)) == true)
    }

    @Test("where all ranks are stopped, somebody has suspended the job", arguments: [1, 2, 5])
    func suspended(count: Int) {
        var table = JobTable.training(count)
        for rank in 0..<count { table.hold(rank, .stopped, seconds: 500) }
        #expect(kinds(table).isEmpty)
    }

    @Test("chains of waiting end at the rank that is at fault, over hosts too")
    func chain() {
        var table = JobTable.training(2, 2, 1)
        table.wait(0, .gradients, for: 1)
        table.wait(1, .messages)
        table.wait(2, .gradients, for: 3)
        table.hold(3, .asleep, seconds: 8)
        table.wait(4, .messages)
        let found = judge(table, limits)
        #expect(found.map(\.kind) == [.rank(3)])
        #expect(found.first?.waiters == [0, 1, 2, 4])
    }

    @Test("two ranks at fault are two incidents, with their own waiters")
    func two() {
        var table = JobTable.training(4)
        table.hold(1, .stopped, seconds: 10)
        table.hold(2, .uninterruptible, seconds: 12)
        table.wait(0, .gradients, for: 1)
        table.wait(3, .gradients, for: 2)
        #expect(judge(table, limits).map(\.waiters) == [[0], [3]])
        #expect(kinds(table) == [.rank(1), .rank(2)])
    }

    @Test("ranks that wait for each other are a deadlock after 8 s; one that still computes may come yet")
    func deadlock() {
        var table = JobTable.training(3)
        table.wait(0, .gradients, for: 1, seconds: 8)
        table.wait(1, .record, for: 0, seconds: 9)
        #expect(kinds(table).isEmpty)
        table.wait(2, .meeting, seconds: 8)
        #expect(judge(table, limits) == [Incident(kind: .allWait, seconds: 8, limit: 8, waiters: [0, 1, 2], holdsJob: true)])
        table.ranks[2].stillSeconds = 7
        #expect(kinds(table).isEmpty)
    }

    @Test("a large message on a slow network is none, as long as the network carries something")
    func slowNetwork() {
        var table = JobTable.training(1, 1)
        for rank in 0..<2 { table.wait(rank, .messages, seconds: 90) }
        table.hosts[0].networkIdleSeconds = 90
        table.hosts[1].networkIdleSeconds = 1
        #expect(kinds(table).isEmpty)
        table.hosts[1].networkIdleSeconds = 8
        #expect(kinds(table) == [.allWait])
        table.hosts[1].networkIdleSeconds = 0
        for rank in 0..<2 { table.ranks[rank].stillSeconds = 600 }
        #expect(kinds(table) == [.allWait])
    }

    @Test("a rank that waits for a disk or a file gets a minute where it reads and writes, and 8 s elsewhere")
    func files() {
        for (activity, limit) in [(Activity.checkpoint, 60.0), (.data, 60), (.log, 60), (.forward, 8), (.validation, 8)] {
            for condition in [ProcessLook.Condition.uninterruptible, .asleep] {
                var table = JobTable.training(2)
                table.ranks[0].activity = activity
                table.wait(1, .meeting)
                table.ranks[1].meetings = 1
                table.hold(0, condition, seconds: limit - 0.1)
                #expect(kinds(table).isEmpty, "\(activity) \(condition)")
                table.hold(0, condition, seconds: limit)
                #expect(kinds(table) == [.rank(0)], "\(activity) \(condition)")
            }
        }
    }

    @Test("a rank in the kernel that waits for others is at fault when it can't be interrupted, not when it sleeps")
    func waitingInKernel() {
        var table = JobTable.training(2)
        table.wait(0, .gradients, for: 1)
        table.hold(0, .asleep, seconds: 20)
        #expect(kinds(table).isEmpty)
        table.hold(0, .uninterruptible, seconds: 20)
        table.wait(1, .weights, for: 0)
        #expect(kinds(table) == [.rank(0)])
    }

    @Test("a rank that gets no processor, or reads slowly, isn't at fault")
    func starved() {
        var table = JobTable.training(2)
        table.wait(1, .gradients, for: 0)
        table.ranks[0].stillSeconds = 300
        table.ranks[0].condition = .running
        #expect(kinds(table).isEmpty)
        table.ranks[0].activity = .data
        table.ranks[0].condition = .uninterruptible
        table.ranks[0].idleSeconds = 0.5
        #expect(kinds(table).isEmpty)
    }

    @Test("a host that isn't heard for 4 s is named, and nothing is judged of its ranks")
    func silentHost() {
        var table = JobTable.training(2, 2)
        table.hold(2, .stopped, seconds: 3)
        for rank in [0, 1] { table.wait(rank, .messages) }
        table.wait(3, .gradients, for: 2)
        table.hosts[1].silentSeconds = 3.9
        #expect(kinds(table).isEmpty)
        table.hosts[1].silentSeconds = 4
        table.hold(2, .stopped, seconds: 100)
        #expect(
            judge(table, limits) == [Incident(kind: .host(1), seconds: 4, limit: 4, waiters: [0, 1], holdsJob: true)])
        // As long as its ranks aren't missed, no job ends.
        for rank in [0, 1] { table.ranks[rank].wait = nil }
        #expect(judge(table, limits).map(\.holdsJob) == [false])
    }

    @Test("a host that can't be watched says nothing about deadlocks; its ranks are not judged")
    func unwatchedHost() {
        var table = JobTable.training(1, 1)
        table.hosts[1].silentSeconds = nil
        for rank in 0..<2 { table.wait(rank, .messages) }
        #expect(kinds(table).isEmpty)
        table.hold(1, .stopped, seconds: 100)
        #expect(kinds(table).isEmpty)
        table.hold(0, .stopped, seconds: 100)
        #expect(kinds(table).isEmpty)
    }

    @Test("--stall-timeout: the job ends after so many seconds, or later where more is allowed")
    func ending() {
        for (end, seconds, ends) in [(3.0, 3.0, true), (3, 2.9, false), (30, 29, false), (30, 30, true)] {
            let limits = StallLimits(end: end)
            var table = JobTable.training(2)
            table.hold(0, .stopped, seconds: seconds)
            table.wait(1, .gradients, for: 0)
            #expect(judge(table, limits).contains { $0.endsJob(limits) } == ends, "\(end) \(seconds)")
        }
        let limits = StallLimits(end: 3)
        var table = JobTable.training(2)
        table.ranks[0].activity = .checkpoint
        table.ranks[1].meetings = 1
        table.wait(1, .meeting)
        table.hold(0, .uninterruptible, seconds: 59)
        #expect(judge(table, limits).isEmpty)
        table.hold(0, .uninterruptible, seconds: 60)
        #expect(judge(table, limits).first?.endsJob(limits) == true)
    }

    @Test("one rank alone that hangs ends its job, one that computes doesn't")
    func alone() {
        let limits = StallLimits(end: 5)
        var table = JobTable.training(1)
        table.hold(0, .uninterruptible, seconds: 5)
        #expect(judge(table, limits).first?.endsJob(limits) == true)
        table.hold(0, .running, seconds: 0)
        table.ranks[0].stillSeconds = 100
        #expect(judge(table, limits).isEmpty)
    }

    @Test("a rank that waits for several waits for those that haven't come as far")
    func behind() {
        var table = JobTable.training(2, 2)
        table.wait(0, .messages)
        #expect(table.awaited(by: 0) == [1, 2, 3])
        table.ranks[1].step = 8
        table.wait(2, .gradients, for: 3)
        #expect(table.awaited(by: 0) == [3])
        table.ranks[2].condition = .stopped
        #expect(table.awaited(by: 0) == [2, 3])
        table.ranks[0].meetings = 4
        table.ranks[3].meetings = 5
        table.ranks[2].meetings = 3
        #expect(table.awaited(by: 0) == [2])
        // What another process wrote may name anything.
        table.wait(0, .gradients, for: 0)
        #expect(table.awaited(by: 0).isEmpty)
        table.wait(0, .gradients, for: 99)
        #expect(table.awaited(by: 0).isEmpty)
    }
}
