import Checkpointing
import Collectives
import Files
import Foundation
import Settings
import Synchronization
import TestSupport
import Testing
import Training

@Suite("The last checkpoint of a run")
struct LastCheckpointTests {
    /// Trains the built-in network for 10 steps on a disk; `body` gets the run's checkpoints.
    private func train(on disk: FaultyDisk, overrides: [String] = [], _ body: (CheckpointStore) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let agreed = try AgreedExperiment(over: SoloCommunicator()) {
                try Experiment(
                    try TrainingConfiguration(
                        try SettingsDocument(
                            text: builtInConfiguration, name: "the built-in configuration",
                            overrides: ["training.epochs=null", "training.max_steps=10"] + overrides),
                        name: "digits"))
            }
            let place = RunPlace(try RunDirectory.open(folder + "/run", resuming: false), fileSystem: disk)
            let trainer = try quietTrainer(agreed, in: place)
            try trainer.begin()
            #expect(try trainer.run() == .finished)
            trainer.close()
            try body(place.store)
        }
    }

    @Test("is tried a second time where the disk had no room for it")
    func secondTry() throws {
        let tries = Tries()
        let disk = FaultyDisk({ _, call, path in
            guard call == "mkdir", path.hasSuffix(".incomplete-step-00000010") else { return .pass }
            return tries.count.add(1, ordering: .relaxed).oldValue == 0 ? .fail(ENOSPC) : .pass
        })
        try train(on: disk) { store in
            let saved = try LoadedCheckpoint(path: store.path(ofStep: 10))
            #expect(saved.step == 10 && tries.count.load(ordering: .relaxed) == 2)
        }
    }

    @Test("has its lines of the log on the disk before it gets its name")
    func logFirst() throws {
        let disk = FaultyDisk()
        try train(on: disk) { _ in }
        let named = try #require(disk.log.firstIndex { $0.hasPrefix("rename ") && $0.hasSuffix("/step-00000010") })
        let ofLog = disk.log[..<named].filter { $0.hasSuffix("/metrics.jsonl") }
        #expect(ofLog.contains { $0.hasPrefix("write ") } && ofLog.last?.hasPrefix("fsync ") == true, "\(ofLog)")
    }

    @Test("a file server that is away in the middle costs a checkpoint, not the run: the older one is remembered")
    func awayInTheMiddle() throws {
        let tries = Tries()
        let disk = FaultyDisk(
            { _, call, path in
                guard call == "mkdir", path.hasSuffix(".incomplete-step-00000006") else { return .pass }
                tries.count.store(1, ordering: .relaxed)
                return .fail(EIO)
            },
            reading: { call, path in
                // The look for an older checkpoint, right after the save that failed, fails alike, once.
                guard path.hasSuffix("/checkpoints"), tries.count.load(ordering: .relaxed) == 1 else { return nil }
                tries.count.store(2, ordering: .relaxed)
                return EIO
            })
        try train(on: disk, overrides: ["checkpoint.every_steps=3"]) { store in
            #expect(tries.count.load(ordering: .relaxed) == 2)
            #expect([3, 6, 9, 10].filter { FileManager.default.fileExists(atPath: store.path(ofStep: $0)) } == [3, 9, 10])
        }
    }

    private final class Tries: Sendable {
        let count = Atomic<Int>(0)
    }
}
