import Diagnostics
import Foundation
import Reporting
import Testing
import Timing

@Suite("Trace file")
struct TraceFileTests {
    private static func write(to path: String, _ ranks: [[PhaseEvent]], origin: UInt64, dropped: [Int]) throws {
        let file = try TraceFile(path: path)
        try file.begin(dropped: dropped, hosts: dropped.map { _ in "" })
        for (rank, events) in ranks.enumerated() {
            try events.withUnsafeBufferPointer { try file.add(rank: rank, events: $0, origin: origin) }
        }
        try file.end()
    }

    @Test("times are microseconds since the origin with all digits of the clock, and an older file is replaced")
    func format() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("trace-\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 32, count: 1 << 20).write(to: URL(fileURLWithPath: path))
        try Self.write(
            to: path,
            [
                [PhaseEvent(.load, start: 5_000_000_001_234, nanoseconds: 7, step: 3)],
                [PhaseEvent(.wait, start: 5_000_000_000_000, nanoseconds: 1_020_030, step: 4)]
            ],
            origin: 5_000_000_000_000, dropped: [0, 12])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text.contains(#"{"ph":"X","name":"load","cat":"step","pid":0,"tid":0,"ts":1.234,"dur":0.007,"args":{"step":3}}"#))
        #expect(text.contains(#""name":"wait","cat":"step","pid":1,"tid":5,"ts":0.000,"dur":1020.030,"args":{"step":4}}"#))
        #expect(text.contains(#""dropped_events":[0,12]"#) && text.utf8.count < 4000)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect((object["traceEvents"] as? [Any])?.count == 2 + 2 * (2 + 2 * Phase.allCases.count))
    }

    @Test("a disk that is full is told, and that the run is safe")
    func fullDisk() throws {
        try #require(FileManager.default.fileExists(atPath: "/dev/full"))
        #expect {
            try Self.write(to: "/dev/full", [[]], origin: 0, dropped: [0])
        } throws: { error in
            let failure = error as? Failure
            return failure?.code == .inputOutput && failure?.message.contains("the run and its checkpoints are") ?? false
        }
    }
}
