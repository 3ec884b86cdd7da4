import Files
import Foundation
import TestSupport
import Testing

import Reporting

/// When which step was done, written and read back.
@Suite("Times of steps")
struct TimesLogTests {
    @Test("steps have times and rates, without what training stood still for; a resume goes on behind its step")
    func roundTrip() throws {
        try withTemporaryFolder { folder in
            let run = try Directory(Place(folder))
            var now = 100.0
            let log = TimesLog(in: run, step: 0, ranks: 2, clock: { now })
            now += 1
            log.step(10, samples: 100)
            log.pause()
            now += 5
            log.resume()
            now += 1
            log.step(20, samples: 100)
            // Too soon for a line of its own.
            now += 0.001
            log.step(21, samples: 10)
            log.end()
            log.phases([("a", [("load", 0.5)]), ("b", [("load", 0.25)])])
            let times = LoggedTimes(in: run)
            #expect(times.points.map(\.step) == [10, 20, 21] && times.ranks == [2])
            #expect(times.points.map(\.samplesPerSecond) == [100, 100, nil])
            #expect(times.seconds(atStep: 5) == 0.5 && times.seconds(atStep: 15) == 4 && times.seconds(atStep: 99) == 7.001)
            #expect(times.phases.map(\.host) == ["a", "b"] && times.phases[1].seconds == ["load": 0.25])

            let again = TimesLog(in: run, step: 10, ranks: 3, clock: { now })
            now += 2
            again.step(12, samples: 50)
            let both = LoggedTimes(in: run)
            #expect(both.points.map(\.step) == [10, 12] && both.points.map(\.seconds) == [1, 3] && both.ranks == [2, 3])
            #expect(log.failure == nil && again.failure == nil)
        }
    }

    @Test("lines lie farther apart the longer a run takes")
    func sparse() throws {
        try withTemporaryFolder { folder in
            let run = try Directory(Place(folder))
            var now = 0.0
            let log = TimesLog(in: run, step: 0, ranks: 1, clock: { now })
            for step in 1...100_000 {
                now += 0.1
                log.step(step, samples: 1)
            }
            let times = LoggedTimes(in: run)
            #expect((500...3000).contains(times.points.count), "\(times.points.count)")
        }
    }

    @Test("what a stranger wrote, or no file, is no trap")
    func strange() throws {
        try withTemporaryFolder { folder in
            let run = try Directory(Place(folder))
            #expect(LoggedTimes(in: run) == LoggedTimes())
            try FileManager.default.createDirectory(atPath: folder + "/logs", withIntermediateDirectories: false)
            let lines = [
                "{\"event\":\"time\",\"step\":-5,\"seconds\":1e999,\"samples\":1}", "[]", "{",
                "{\"event\":\"phases\",\"rank\":-1,\"seconds\":{}}",
                "{\"event\":\"time\",\"step\":9223372036854775807,\"seconds\":1,\"samples\":1}", "{\"event\":\"start\"}",
                "{\"event\":\"time\",\"step\":1,\"seconds\":1e308,\"samples\":1}", "{\"event\":\"start\",\"step\":1}",
                "{\"event\":\"time\",\"step\":2,\"seconds\":1.7e308,\"samples\":1}",
                "{\"event\":\"time\",\"step\":3,\"seconds\":1,\"samples\":1,\"paused\":1e308}"
            ]
            try (lines.joined(separator: "\n") + "\n").write(
                toFile: folder + "/logs/times.jsonl", atomically: true, encoding: .utf8)
            #expect(LoggedTimes(in: run).points.isEmpty)
            try FileManager.default.removeItem(atPath: folder + "/logs/times.jsonl")
            symlink("/etc/passwd", folder + "/logs/times.jsonl")
            #expect(LoggedTimes(in: run) == LoggedTimes())
        }
    }
}
