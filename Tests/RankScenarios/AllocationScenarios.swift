import CAllocations
import Collectives
import Diagnostics
import Foundation
import Settings
import Training

/// Nothing allocates in a steady training step, on any rank, log and progress line included.
///
/// `steady-allocations KEY=VALUE…` trains the built-in configuration, with small batches and the given changes, into `run`
/// of the working directory, and counts what the training thread of each rank asks for between the ends of two steps of
/// the second epoch: the first one fills scratch memory.
let allocationScenarios = [
    Scenario(name: "steady-allocations") { communicator in
        let stepsPerEpoch = 90
        let steps = 2 * stepsPerEpoch
        // The end of an epoch prints a line, and its beginning draws an order.
        let watched = stepsPerEpoch + 10..<steps - 10
        let settings =
            [
                "training.epochs=null", "training.max_steps=\(steps)", "training.global_batch_size=16",
                "training.micro_batch_size=2", "training.verify_every=0", "validation.every_steps=100000",
                "checkpoint.every_steps=100000"
            ] + CommandLine.arguments.dropFirst(2)
        let agreed = try AgreedExperiment(over: communicator) {
            try Experiment(
                try TrainingConfiguration(
                    try SettingsDocument(text: builtInConfiguration, name: "the built-in configuration", overrides: settings),
                    name: "digits"))
        }
        expect(
            agreed.experiment.sampler.stepsPerEpoch == stepsPerEpoch, "\(agreed.experiment.sampler.stepsPerEpoch) steps",
            communicator)
        var options = TrainingOptions()
        options.style = .quiet
        let trainer = try Trainer(
            agreed, communicator: communicator, options: options,
            place: communicator.rank == 0 ? try RunPlace(path: "run") : nil, stopRequested: { false })
        let counts = UnsafeMutableBufferPointer<UInt>.allocate(capacity: steps + 1)
        counts.initialize(repeating: 0)
        defer { counts.deallocate() }
        trainer.afterStep = { step, _ in counts[step] = dtrain_allocation_count() }
        try trainer.begin()
        _ = try trainer.run()
        expect(
            dtrain_allocations_are_counted() == 0 || counts[1] > 0, "nothing was counted before the first step", communicator)
        let perStep = watched.map { counts[$0 + 1] - counts[$0] }
        let lines = try communicator.allGather(
            "rank \(communicator.rank): \(perStep.reduce(0, +)) allocations in "
                + "\(perStep.count) steps, \(perStep.min() ?? 0) to \(perStep.max() ?? 0) in one")
        expect(communicator.rank > 0 || perStep.allSatisfy { $0 == 0 }, lines.joined(separator: "; "), communicator)
        try communicator.barrier()
        expect(perStep.allSatisfy { $0 == 0 }, lines[communicator.rank], communicator)
    },
    // `refused-allocation FUNCTION`: asks for memory that no machine has.
    Scenario(name: "refused-allocation") { communicator in
        let size = 1 << 60
        var block: UnsafeMutableRawPointer?
        switch CommandLine.arguments.last {
        case "malloc": block = malloc(size)
        case "calloc": block = calloc(size, 1)
        case "calloc-overflow": block = calloc(size, 1 << 20)
        case "realloc": block = realloc(malloc(8), size)
        case "aligned_alloc": block = aligned_alloc(64, size)
        case "posix_memalign": posix_memalign(&block, 64, size)
        case "swift": block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        default: break
        }
        expect(false, "there was memory at \(block.map { "\($0)" } ?? "nowhere")", communicator)
    }
]
