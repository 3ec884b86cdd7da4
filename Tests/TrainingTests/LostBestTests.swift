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
    @Test("what couldn't be written as the best isn't what later ones are measured by")
    func forgotten() throws {
        try withTemporaryFolder { folder in
            // Nothing is learnt: no validation is better than the first.
            let settings = ["optimizer={sgd: {learning_rate: 0}}", "training.epochs=null", "training.max_steps=50",
                            "validation.every_steps=10", "validation.every_epochs=null", "checkpoint.every_steps=5"]
            let agreed = try AgreedExperiment(over: SoloCommunicator()) {
                try Experiment(try TrainingConfiguration(
                    try SettingsDocument(text: builtInConfiguration, name: "the built-in configuration", overrides: settings),
                    name: "digits"))
            }
            // The first best checkpoint fails once; the numbered one of the same step doesn't.
            let count = Counter()
            let disk = FaultyDisk({ _, call, path in
                call == "mkdir" && path.hasSuffix(".incomplete-best") && count.next() == 0 ? .fail(ENOSPC) : .pass
            })
            let place = RunPlace(try RunDirectory.open(folder + "/run", resuming: false), fileSystem: disk)
            var options = TrainingOptions()
            options.style = .quiet
            let trainer = try Trainer(agreed, communicator: SoloCommunicator(), options: options, place: place,
                                      stopRequested: { false })
            try trainer.begin()
            #expect(try trainer.run() == .finished)
            trainer.close()
            let best = try LoadedCheckpoint(path: place.store.bestPath)
            // At the next validation that knows of the loss: the writer is a thread of its own.
            #expect([20, 30].contains(best.step))
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
