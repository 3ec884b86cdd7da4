import Foundation
import Testing

import Watching

/// What is said, and that it is said once.
@Suite("Words of the watcher")
struct IncidentTextTests {
    /// 14:03:30 on the first day.
    private static let now = Date(timeIntervalSince1970: 14 * 3600 + 3 * 60 + 30)

    private static func text(_ table: JobTable) -> IncidentText {
        IncidentText(table: table, now: now, timeZone: TimeZone(secondsFromGMT: 0) ?? .current)
    }

    private static func lines(_ table: JobTable) -> [String] { judge(table, StallLimits()).map { text(table).describe($0) } }

    @Test("a stopped rank on one host, and on one of several")
    func stopped() {
        var table = JobTable.training(4)
        table.hold(3, .stopped, seconds: 8.2)
        for rank in 0..<3 { table.wait(rank, .gradients, for: 3) }
        #expect(
            Self.lines(table) == [
                "rank 3 (pid 1003) has not moved for 8 s, since 14:03:21: step 7, backward; it is stopped (SIGSTOP); kill -CONT "
                    + "1003 lets it go on; ranks 0 to 2 wait for it"
            ])
        table = JobTable.training(1, 1)
        table.hold(1, .stopped, seconds: 9)
        table.ranks[1].step = 0
        table.ranks[1].activity = .data
        #expect(
            Self.lines(table) == [
                "rank 1 (host b, pid 1001) has not moved for 9 s, since 14:03:21: reading data; it is stopped (SIGSTOP); kill "
                    + "-CONT 1001 on b lets it go on"
            ])
    }

    @Test("a rank in the kernel, a deadlock, a silent host")
    func others() {
        var table = JobTable.training(2)
        table.hold(0, .uninterruptible, seconds: 10)
        table.ranks[0].place = "nfs_wait"
        table.wait(1, .weights, for: 0)
        #expect(
            Self.lines(table) == [
                "rank 0 (pid 1000) has not moved for 10 s, since 14:03:20: step 7, backward; it waits in the kernel (nfs_wait), as "
                    + "for a disk or a file server that doesn't answer; rank 1 waits for it"
            ])
        table = JobTable.training(3)
        table.wait(0, .gradients, for: 1, seconds: 10)
        table.wait(1, .meeting, seconds: 10)
        table.wait(2, .gradients, for: 1, seconds: 10)
        #expect(
            Self.lines(table) == [
                "no rank has moved for 10 s, since 14:03:20: all wait and none is stopped, so a message isn't delivered, or they "
                    + "wait for each other: ranks 0 and 2 for gradients of rank 1 (step 7, backward), rank 1 for all ranks in a call "
                    + "of MPI (step 7, backward)"
            ])
        table = JobTable.training(2, 2)
        table.hosts[1].silentSeconds = 4
        for rank in 0..<2 { table.wait(rank, .messages) }
        #expect(
            Self.lines(table) == [
                "host b hasn't answered for 4 s, since 14:03:26: it, its network or its watcher is down; ranks 2 and 3 run there; "
                    + "ranks 0 and 1 wait for them"
            ])
    }

    @Test("lists of ranks are short")
    func lists() {
        #expect(IncidentText.ranks([4]) == "rank 4")
        #expect(IncidentText.ranks([0, 1]) == "ranks 0 and 1")
        #expect(IncidentText.ranks([0, 1, 2, 5, 7, 8]) == "ranks 0 to 2, 5, 7 and 8")
        #expect(IncidentText.ranks(Array(0..<100)) == "ranks 0 to 99")
    }

    /// What is said while a job goes from table to table, half a second each.
    private static func said(_ tables: [JobTable], _ limits: StallLimits = StallLimits()) -> [IncidentLog.Line] {
        var log = IncidentLog()
        return tables.flatMap { log.update(judge($0, limits), limits, text: text($0), seconds: 0.5) }
    }

    @Test("an incident is told of once, and once that it is over; a second one anew")
    func once() {
        let fine = JobTable.training(2)
        func stopped(_ seconds: Double) -> JobTable {
            var table = fine
            table.hold(0, .stopped, seconds: seconds)
            table.wait(1, .weights, for: 0)
            return table
        }
        let lines = Self.said([fine, stopped(8), stopped(9), stopped(42), fine, fine, fine, stopped(8), stopped(9)])
        #expect(lines.count == 3)
        guard lines.count == 3, case .warning(let first) = lines[0], case .warning = lines[2] else {
            Issue.record("\(lines)")
            return
        }
        #expect(first.hasPrefix("rank 0 (pid 1000) has not moved for 8 s"))
        #expect(lines[1] == .note("rank 0 (pid 1000) moves on after 42 s"))
    }

    @Test("a rank of a host that falls silent isn't said to move on")
    func silence() {
        var table = JobTable.training(1, 1)
        table.hold(1, .stopped, seconds: 8)
        var silent = table
        silent.hosts[1].silentSeconds = 5
        let lines = Self.said([table, silent, silent, silent, JobTable.training(1, 1), JobTable.training(1, 1)])
        #expect(lines.count == 4, "\(lines)")
        #expect(lines.contains(.note("host b answers again after 5 s")))
        #expect(lines.contains(.note("rank 1 (host b, pid 1001) moves on after 8 s")))
    }

    @Test("what ends the job is told of once, then nothing more")
    func end() {
        func stopped(_ seconds: Double) -> JobTable {
            var table = JobTable.training(2)
            table.hold(0, .stopped, seconds: seconds)
            table.wait(1, .weights, for: 0)
            return table
        }
        for (end, before) in [(3.0, 0), (30, 1)] {
            let lines = Self.said([stopped(2), stopped(9), stopped(31), stopped(32)], StallLimits(end: end))
            #expect(lines.count == before + 1, "\(lines)")
            guard case .end(let text) = lines.last else {
                Issue.record("\(lines)")
                continue
            }
            #expect(
                text.hasSuffix("; rank 1 waits for it; the job is ended (--stall-timeout \(Int(end))); go on with --resume"))
        }
    }
}
