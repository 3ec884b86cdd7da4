import Diagnostics
import Foundation
import TestSupport
import Testing

/// `train --trace FILE`.
@Suite("Trace", .serialized)
struct TraceTests {
    private struct Event {
        let kind: String, name: String
        let rank: Int, row: Int
        let start: Double, duration: Double
        let arguments: [String: Any]
    }

    private static let phases = ["load", "forward", "backward", "reduce", "update", "wait"]

    private static func read(_ bench: Workbench, _ name: String) throws -> (events: [Event], other: [String: Any]) {
        let whole = try #require(try JSONSerialization.jsonObject(with: bench.bytes(name)) as? [String: Any])
        let events = try #require(whole["traceEvents"] as? [[String: Any]]).map { event in
            Event(
                kind: event["ph"] as? String ?? "", name: event["name"] as? String ?? "", rank: event["pid"] as? Int ?? -1,
                row: event["tid"] as? Int ?? -1, start: event["ts"] as? Double ?? -1, duration: event["dur"] as? Double ?? -1,
                arguments: event["args"] as? [String: Any] ?? [:])
        }
        return (events, try #require(whole["otherData"] as? [String: Any]))
    }

    @Test(
        "a trace has a named row for each rank and phase, and its stretches make up the steps",
        arguments: [nil, 2, 3].filter { $0 == nil || MPIRun.isAvailable }, ["owner", "allreduce"])
    func rows(ranks: Int?, strategy: String) throws {
        try withWorkbench { bench in
            // Something to compute and to own for each of three ranks, in the short last step of an epoch too.
            let text = Material.digits(steps: 40, batch: 48, training: ", synchronization: \(strategy)")
            try bench.write("c.yaml", text.replacing("units: 16", with: "units: 48"))
            let outcome = try bench.dtrain(["train", "c.yaml", "--run", "run", "--trace", "trace.json"], ranks: ranks)
            expectSuccess(outcome)
            let (events, other) = try Self.read(bench, "trace.json")
            let count = ranks ?? 1
            #expect(other["dropped_events"] as? [Int] == Array(repeating: 0, count: count))
            for rank in 0..<count {
                let own = events.filter { $0.rank == rank }
                let title = own.first { $0.name == "process_name" }
                #expect(
                    title?.kind == "M"
                        && title?.arguments["name"] as? String == "rank \(rank) on \(ProcessInfo.processInfo.hostName)")
                for (row, phase) in Self.phases.enumerated() {
                    let label = own.first { $0.name == "thread_name" && $0.row == row }
                    #expect(label?.arguments["name"] as? String == phase)
                    let stretches = own.filter { $0.kind == "X" && $0.row == row }
                    #expect(Set(stretches.compactMap { $0.arguments["step"] as? Int }) == Set(1...40), "\(rank) \(phase)")
                    #expect(stretches.allSatisfy { $0.name == phase && $0.start >= 0 && $0.duration >= 0 })
                }
                // Phases follow each other without a gap from the first mark of a step to its last.
                let timed = own.filter { $0.kind == "X" }
                for step in 1...40 {
                    let stretches = timed.filter { $0.arguments["step"] as? Int == step }
                    let start = stretches.map(\.start).min() ?? 0
                    let end = stretches.map { $0.start + $0.duration }.max() ?? 0
                    let sum = stretches.reduce(0) { $0 + $1.duration }
                    #expect(abs(sum - (end - start)) < 0.001 * Double(stretches.count), "rank \(rank), step \(step)")
                }
            }
        }
    }

    @Test("the trace doesn't change the result")
    func sameBits() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 20))
            let plain = try bench.dtrain("train", "c.yaml", "--run", "a")
            let traced = try bench.dtrain("train", "c.yaml", "--run", "b", "--trace", "t.json")
            expectSuccess(plain)
            expectSuccess(traced)
            #expect(plain.digest != nil && plain.digest == traced.digest)
        }
    }

    @Test("the newest events stay where there are too many, and the trace says how many are missing")
    func bounded() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 40_000).replacing("log_every: 1", with: "log_every: 1000"))
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--trace", "t.json", "--set",
                    "validation.every_steps=100000", "--set", "checkpoint.every_steps=100000"))
            let (events, other) = try Self.read(bench, "t.json")
            let dropped = try #require((other["dropped_events"] as? [Int])?.first)
            let timed = events.filter { $0.kind == "X" }
            #expect(dropped > 0 && timed.count == 200_000)
            #expect(timed.compactMap { $0.arguments["step"] as? Int }.max() == 40_000)
        }
    }

    @Test("a run that a signal ends has a trace too", arguments: [nil, 2].filter { $0 == nil || MPIRun.isAvailable })
    func interrupted(ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.endless)
            let job = try bench.start(
                ["train", "c.yaml", "--run", "run", "--trace", "t.json", "--set", "training.log_every=1"],
                ranks: ranks)
            let running = try job.begin()
            // A step that is in the log was made by every rank.
            let log = bench.path("run/metrics.jsonl")
            try #require(
                running.waitUntil { _ in
                    (FileManager.default.contents(atPath: log) ?? Data()).range(of: Data("\"step\":".utf8)) != nil
                }, "\(running.errors)")
            kill(running.identifier, SIGUSR1)
            let outcome = try job.wait()
            #expect(outcome.status == 75, "\(outcome)")
            let events = try Self.read(bench, "t.json").events
            #expect(Set(events.filter { $0.kind == "X" }.map(\.rank)) == Set(0..<(ranks ?? 1)))
        }
    }

    @Test(
        "a path that can't be written is told before anything is done",
        arguments: [
            ("none/t.json", "No such file"), ("folder", "directory"), ("", "No such file"), ("c.yaml/t.json", "directory")
        ], [nil, 3].filter { $0 == nil || MPIRun.isAvailable })
    func badPath(_ path: (String, String), ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            try bench.write("folder/file", "")
            let outcome = try bench.dtrain(["train", "c.yaml", "--run", "run", "--trace", path.0], ranks: ranks)
            expectRefusal(outcome, .cannotCreate, ["--trace \(path.0)", path.1])
            #expect(!bench.exists("run/metrics.jsonl") && !bench.exists("run/checkpoints"))
        }
    }
}
