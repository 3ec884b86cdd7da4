import Diagnostics
import Files
import Foundation
import Reporting
import TestSupport
import Testing

@Suite("Logs of ranks")
struct RankLogTests {
    /// A log whose clock stands still.
    private func log(rank: Int = 1) -> RankLog { RankLog(rank: rank, clock: { 1_764_342_245 }) }

    private func withRun(_ body: (_ path: String, _ run: Directory) throws -> Void) throws {
        try withTemporaryFolder { folder in try body(folder, try Directory(Place(folder))) }
    }

    @Test("lines wait until the place is known, and stand behind the time; a second start appends")
    func lines() throws {
        try withRun { path, run in
            let first = log()
            first.add(.start, "here")
            let mark = try RankLog.begin(in: run)
            #expect(first.open(in: run, mark: mark))
            first.add(.warning, "two\nlines \u{1b}[31m")
            let second = log()
            #expect(second.open(in: run, mark: try RankLog.begin(in: run)))
            second.add(.end, "done")
            #expect(
                try contents(path + "/logs/rank-1.log") == """
                    2025-11-28T15:04:05Z start: here
                    2025-11-28T15:04:05Z warning: two\\nlines \\x1b[31m
                    2025-11-28T15:04:05Z end: done

                    """)
            #expect(first.lastWords == ["warning: two\\nlines \\x1b[31m"])
        }
    }

    @Test("a directory without rank 0's mark of this start is another one: lines wait for rank 0")
    func otherDirectory() throws {
        try withRun { path, run in
            let away = log()
            away.add(.start, "far")
            #expect(!away.open(in: run, mark: "x"))
            let old = try RankLog.begin(in: run)
            let new = try RankLog.begin(in: run)
            #expect(old != new && !away.open(in: run, mark: old))
            try RankLog.append(away.takeWaiting(), ofRank: 1, in: run)
            #expect(away.takeWaiting().isEmpty && away.failure == nil)
            #expect(try contents(path + "/logs/rank-1.log") == "2025-11-28T15:04:05Z start: far\n")
        }
    }

    @Test("a start adds a megabyte at most, and how it ended; a larger file is moved aside at the next")
    func bounds() throws {
        try withRun { path, run in
            let log = log()
            #expect(log.open(in: run, mark: try RankLog.begin(in: run)))
            for _ in 0..<1200 { log.add(.note, String(repeating: "x", count: 2000)) }
            log.add(.end, "the end")
            let text = try contents(path + "/logs/rank-1.log")
            #expect(text.utf8.count < (1 << 20) + 2000 && text.hasSuffix("end: the end\n"))
            #expect(text.components(separatedBy: "further lines of this start are left out").count == 2)
            let next = self.log()
            #expect(next.open(in: run, mark: try RankLog.begin(in: run)))
            next.add(.start, "again")
            #expect(try contents(path + "/logs/rank-1.log") == "2025-11-28T15:04:05Z start: again\n")
            #expect(try contents(path + "/logs/rank-1.log.old") == text)
        }
    }

    @Test("what a stranger has put there is refused by name, or left alone")
    func strangers() throws {
        try withRun { path, run in
            let mark = try RankLog.begin(in: run)
            let file = path + "/logs/rank-1.log"
            try Data("precious".utf8).write(to: URL(fileURLWithPath: path + "/victim"))
            symlink(path + "/victim", file)
            #expect(throws: Failure.self) { try log().check(in: run) }
            let linked = log()
            #expect(linked.open(in: run, mark: mark) && linked.failure?.contains("a symbolic link") == true)
            unlink(file)
            mkfifo(file, 0o600)
            #expect(throws: Failure.self) { try log().check(in: run) }
            let piped = log()
            #expect(piped.open(in: run, mark: mark) && piped.failure?.contains("a named pipe") == true)
            unlink(file)
            link(path + "/victim", file)
            let named = log()
            #expect(named.open(in: run, mark: mark) && named.failure == nil)
            named.add(.end, "mine")
            #expect(try contents(path + "/victim") == "precious")
        }
    }
}

@Suite("Lists of ranks")
struct RankListTests {
    @Test(
        "neighbours are a range where they are three",
        arguments: [
            ([3], "rank 3"), ([0, 1], "ranks 0 and 1"), ([2, 1, 3, 3], "ranks 1-3"), ([0, 2, 5, 6, 7], "ranks 0, 2 and 5-7"),
            ([0, 1, 3, 4], "ranks 0, 1, 3 and 4")
        ])
    func text(_ ranks: [Int], _ expected: String) { #expect(rankList(ranks) == expected) }
}
