import Checkpointing
import Collectives
import Foundation
import Settings
import TestSupport
import Testing
import Training

@Suite("A run as a value", .serialized)
struct TrainingRunTests {
    private func run(_ directory: String, _ overrides: String...) -> TrainingRun {
        var run = TrainingRun(name: "digits") {
            try TrainingConfiguration(
                try SettingsDocument(
                    text: builtInConfiguration, name: "the built-in configuration",
                    overrides: ["training.epochs=null"] + overrides), name: "digits")
        }
        run.directory = directory
        run.options.style = .quiet
        return run
    }

    private func files(_ run: String, step: Int) throws -> [Data] {
        let folder = CheckpointStore(runDirectory: run).path(ofStep: step)
        return try ["model.safetensors", "optimizer.safetensors"].map {
            try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))
        }
    }

    @Test("two in one process, one after the other: the second finds no trace of the first")
    func oneAfterTheOther() throws {
        try withTemporaryFolder { folder in
            let alone = try run(folder + "/alone", "training.max_steps=12")(on: SoloCommunicator())
            #expect(alone.ending == .finished && alone.step == 12 && alone.path == folder + "/alone")
            // Of the runs; other tests have files open too.
            func openFiles() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
                }.filter { $0.hasPrefix(folder) }
            }
            // Another network, with random numbers and threads of its own, that is asked to stop after three steps.
            var other = run(
                folder + "/other", "training.max_steps=40", "model.layers.1=dropout", "training.threads=2",
                "training.micro_batch_size=7", "optimizer={sgd: {learning_rate: 0.3}}", "training.seed=5")
            nonisolated(unsafe) var asked = 0
            other.stopRequested = {
                asked += 1
                return asked == 3
            }
            let stopped = try other(on: SoloCommunicator())
            #expect(stopped.ending == .interrupted && stopped.step == 3)
            let again = try run(folder + "/again", "training.max_steps=12")(on: SoloCommunicator())
            #expect(try files(again.path, step: 12) == files(alone.path, step: 12))
            #expect(try openFiles() == [])
            // Nobody holds the first one's lock: it goes on.
            other.stopRequested = { false }
            other.start = .resume(nil)
            other.options.stopAfterStep = 9
            #expect(try other(on: SoloCommunicator()).step == 9)
        }
    }

    @Test(
        "the ranks of one job are divided among runs, each of which gives the bits that it gives alone",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"), arguments: [(4, 2, nil), (5, 2, 1), (3, 3, nil)])
    func divided(ranks: Int, groups: Int, hostSize: Int?) throws {
        try withTemporaryFolder { folder in
            for seed in 0...groups {
                _ = try run("\(folder)/alone\(seed)", "training.max_steps=12", "training.seed=\(seed)")(on: SoloCommunicator())
            }
            var child = MPIRun.child(
                ranks: ranks, buildFolder + "/rank-scenarios",
                ["divided-runs", "\(groups)", "training.epochs=null", "training.max_steps=12"], directory: folder)
            child.environment["DTRAIN_NODE_SIZE"] = hostSize.map(String.init)
            let result = try child.run()
            #expect(result.status == 0, "\(result)")
            for seed in 0..<groups {
                #expect(
                    try files("\(folder)/group\(seed)", step: 12) == files("\(folder)/alone\(seed)", step: 12), "group \(seed)")
            }
            #expect(try files("\(folder)/all", step: 12) == files("\(folder)/alone\(groups)", step: 12))
        }
    }
}
