import Checkpointing
import Collectives
import Files
import Foundation
import Settings
import TestSupport
import Testing
import Training

@Suite("A best checkpoint that is lost")
struct LostBestTests {
    /// Checkpoints every so many steps: the first best one is a numbered one too, or stands alone.
    @Test("what couldn't be written as the best isn't what later ones are measured by", arguments: [5, 15])
    func forgotten(everySteps: Int) throws {
        try withTemporaryFolder { folder in
            let agreed = try experiment("checkpoint.every_steps=\(everySteps)")
            // The first best checkpoint fails once; a numbered one of the same step doesn't.
            let count = Counter()
            let disk = FaultyDisk({ _, call, path in
                call == "mkdir" && path.hasSuffix(".incomplete-best") && count.next() == 0 ? .fail(ENOSPC) : .pass
            })
            let place = RunPlace(try RunDirectory.open(folder + "/run", resuming: false), fileSystem: disk)
            let trainer = try quietTrainer(agreed, in: place)
            try trainer.begin()
            #expect(try trainer.run() == .finished)
            trainer.close()
            let best = try LoadedCheckpoint(path: place.store.bestPath)
            // At the next validation that knows of the loss: the writer is a thread of its own.
            #expect([20, 30].contains(best.step))
        }
    }

    @Test("one that has gone while the run stood still isn't either")
    func gone() throws {
        try withTemporaryFolder { folder in
            let agreed = try experiment("checkpoint.keep=1")
            func train(to step: Int?, resuming: Bool) throws -> CheckpointStore {
                let place = RunPlace(try RunDirectory.open(folder + "/run", resuming: resuming))
                let trainer = try quietTrainer(agreed, in: place, stoppingAfter: step)
                if resuming {
                    let newest = try #require(try place.store.newestValid().checkpoint)
                    try trainer.resume(from: newest, isOwn: true) {}
                } else {
                    try trainer.begin()
                }
                #expect(try trainer.run() == .finished)
                trainer.close()
                return place.store
            }
            let store = try train(to: 25, resuming: false)
            #expect(try LoadedCheckpoint(path: store.bestPath).step == 10)
            // Nor is the numbered one of its step there any more.
            try FileManager.default.removeItem(atPath: store.bestPath)
            _ = try train(to: nil, resuming: true)
            #expect(try LoadedCheckpoint(path: store.bestPath).step == 30)
        }
    }

    /// Nothing is learnt: no validation is better than the first.
    private func experiment(_ more: String...) throws -> AgreedExperiment {
        let settings =
            [
                "optimizer={sgd: {learning_rate: 0}}", "training.epochs=null", "training.max_steps=50",
                "validation.every_steps=10", "validation.every_epochs=null", "checkpoint.every_steps=5"
            ] + more
        return try AgreedExperiment(over: SoloCommunicator()) {
            try Experiment(
                try TrainingConfiguration(
                    try SettingsDocument(text: builtInConfiguration, name: "the built-in configuration", overrides: settings),
                    name: "digits"))
        }
    }

    private final class Counter: @unchecked Sendable {
        // Sendable: guarded by the lock.
        private let lock = NSLock()
        private var count = 0

        func next() -> Int {
            lock.withLock {
                defer { count += 1 }
                return count
            }
        }
    }
}
