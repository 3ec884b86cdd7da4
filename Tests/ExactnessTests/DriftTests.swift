import Foundation
import TestSupport
import Testing

/// A rank whose weights are no longer those of the others stops the run, by name, before anything of it is saved.
@Suite("Drift", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct DriftTests {
    /// Ranks that drift from a step on, and when and how that must be noticed.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let ranks: Int
        /// How many ranks share one copy of the weights.
        var hostSize = 1
        /// As the scenario takes them.
        let drifting: String
        let fromStep: Int
        let settings: [String]
        let noticedAtStep: Int
        let says: String
        /// The newest step that a checkpoint may have.
        let savedStep: Int

        var testDescription: String { name }

        static func allreduce(
            _ name: String, ranks: Int, drifting: String, fromStep: Int = 13, _ settings: [String] = [],
            noticedAtStep: Int = 20, says: String, savedStep: Int = 0
        ) -> Case {
            Case(
                name: name, ranks: ranks, drifting: drifting, fromStep: fromStep,
                settings: [
                    "training.synchronization=allreduce", "training.verify_every=10",
                    "validation.every_steps=1000"
                ] + settings,
                noticedAtStep: noticedAtStep, says: says, savedStep: savedStep)
        }

        static func owner(_ name: String, ranks: Int, hostSize: Int = 1, drifting: String, says: String) -> Case {
            Case(
                name: name, ranks: ranks, hostSize: hostSize, drifting: drifting, fromStep: 13,
                settings: ["training.verify_every=10", "validation.every_steps=1000"],
                noticedAtStep: 20, says: says, savedStep: 0)
        }
    }

    private static let nobodyKnows = "about the weights, and no majority of the"

    static let cases: [Case] = [
        .allreduce("one of three ranks", ranks: 3, drifting: "1", says: "the weights of rank 1 are not those of the others"),
        .allreduce(
            "rank 0 of three, which writes the checkpoints", ranks: 3, drifting: "0",
            says: "the weights of rank 0 are not those of the others"),
        .allreduce(
            "the last of four ranks, at the very step of a comparison", ranks: 4, drifting: "3", fromStep: 20,
            says: "the weights of rank 3 are not those of the others"),
        .allreduce(
            "two of five ranks, each in its own way", ranks: 5, drifting: "1+3",
            says: "the weights of ranks 1, 3 are not those of the others"),
        .allreduce(
            "one of two ranks: neither can be believed", ranks: 2, drifting: "1",
            says: "ranks 0 and 1 disagree \(nobodyKnows) 2"),
        .allreduce(
            "two of three ranks: each another", ranks: 3, drifting: "0+2", says: "ranks 0, 1 and 2 disagree \(nobodyKnows) 3"),
        .allreduce(
            "before a regular checkpoint", ranks: 3, drifting: "2", ["training.verify_every=1000", "checkpoint.every_steps=4"],
            noticedAtStep: 16, says: "the weights of rank 2 are not those of the others", savedStep: 12),
        .allreduce(
            "before a validation, which may save the best", ranks: 3, drifting: "2",
            ["training.verify_every=1000", "validation.every_steps=3"],
            noticedAtStep: 15, says: "the weights of rank 2 are not those of the others", savedStep: 12),
        .allreduce(
            "before the last checkpoint", ranks: 3, drifting: "2", ["training.verify_every=1000", "training.max_steps=17"],
            noticedAtStep: 17, says: "the weights of rank 2 are not those of the others"),
        .owner(
            "one of three ranks with the strategy owner", ranks: 3, drifting: "1",
            says: "the weights of rank 1 are not those of the others"),
        .owner(
            "the owner of what is wrong", ranks: 3, drifting: "0", says: "the weights of rank 0 are not those of the others"),
        .owner(
            "one of three hosts of two ranks", ranks: 6, hostSize: 2, drifting: "2",
            says: "the weights of ranks 2, 3 are not those of the others"),
        .owner(
            "one of two hosts: neither can be believed", ranks: 4, hostSize: 2, drifting: "3",
            says: "ranks 0+1 and 2+3 disagree \(nobodyKnows) 4"),
        .owner(
            "one of two ranks with the strategy owner", ranks: 2, drifting: "1", says: "ranks 0 and 1 disagree \(nobodyKnows) 2"
        )
    ]

    @Test("a drifted rank stops the run with 70 at the next comparison, is named, and nothing of it is saved", arguments: cases)
    func noticed(_ drift: Case) throws {
        try withTemporaryFolder { folder in
            let (result, run) = try Self.train(drift, in: folder)
            #expect(result.status == 70 && !result.timedOut, "\(result)")
            #expect(result.output.hasPrefix("step \(drift.noticedAtStep): \(drift.says)"), "\(result)")
            #expect(result.output.split(separator: "\n").count == 1, "\(result)")
            #expect(run.savedStep <= drift.savedStep)
            for (name, bytes) in run.files where name.hasSuffix("best/state.json") {
                let step = String(decoding: bytes, as: UTF8.self).firstMatch(of: /"step": (\d+)/).flatMap { Int($0.1) }
                #expect(step ?? Int.max <= drift.savedStep, "best is of step \(step ?? -1)")
            }
            #expect(try run.lines("end").isEmpty)
        }
    }

    @Test("ranks that don't drift are left alone", arguments: ["owner", "allreduce"], [1, 2, 3])
    func unmolested(_ strategy: String, ranks: Int) throws {
        try withTemporaryFolder { folder in
            let still = Case(
                name: "", ranks: ranks, drifting: "none", fromStep: 0,
                settings: [
                    "training.synchronization=\(strategy)", "training.verify_every=1",
                    "training.max_steps=30"
                ],
                noticedAtStep: 0, says: "", savedStep: 30)
            let (result, run) = try Self.train(still, in: folder)
            #expect(result.status == 0, "\(result)")
            #expect(run.savedStep == 30)
        }
    }

    private static func train(_ drift: Case, in folder: String) throws -> (ChildProcess.Result, Run) {
        try FileManager.default.createDirectory(atPath: folder + "/run", withIntermediateDirectories: true)
        var child = MPIRun.child(
            ranks: drift.ranks, buildFolder + "/rank-scenarios",
            ["drift", drift.drifting, String(drift.fromStep)] + drift.settings, directory: folder)
        child.environment["DTRAIN_NODE_SIZE"] = String(drift.hostSize)
        return (try child.run(), Run(path: folder + "/run", name: "run"))
    }
}
