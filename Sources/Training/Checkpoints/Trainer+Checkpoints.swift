import Checkpointing
import Collectives
import Diagnostics
import Files
import Foundation
import Kernels
import Storage

/// Beginning, saving and going on.
extension Trainer {
    private var contents: CheckpointContents {
        CheckpointContents(
            layout: experiment.network.layout, parts: synchronizer.stateParts,
            hasAverage: experiment.configuration.training.average != nil,
            streams: carried.map { Shape([$0.streams, $0.width]) })
    }

    /// Starts a new run: initial weights, from the seed or a file, and the checkpoint of step 0. Collective.
    ///
    /// - Parameter accepted: what rank 0 does to the run directory once nothing can be refused any more.
    package func begin(accepted: () throws -> Void = {}) throws {
        try initializeWeights()
        try communicator.agree { try recorder?.prepare(state, resuming: false) }
        try communicator.agree {
            guard let recorder else { return }
            try accepted()
            try recorder.open(state, contents: contents, hasCheckpoint: false)
        }
        // Law 3: step 0 is on disk before the first update.
        try saveFirstCheckpoint()
    }

    /// The weights that a run starts from, on all ranks. Collective.
    func initializeWeights() throws {
        try communicator.agree {
            if synchronizer.fillsWeights {
                experiment.network.initialize(synchronizer.weights, seed: experiment.configuration.training.seed)
            }
            let section = experiment.configuration.initialize
            if synchronizer.fillsWeights, let path = options.initialWeights ?? section?.path {
                let notes = try InitialWeights(path: path).load(
                    into: synchronizer.weights, of: experiment.network, choosing: section?.choice)
                for note in notes { recorder?.note(note) }
            }
        }
        // Each host read the file for itself.
        try Agreement.check(
            [.init("the initial weights", String(weightDigest(weights[0..<weights.count])))], over: communicator)
        synchronizer.averagingEngine?.beginAverage(with: weights)
    }

    /// Goes on from a checkpoint, whoever wrote it on however many ranks. Collective.
    ///
    /// - Parameters:
    ///   - isOwn: whether it is a numbered checkpoint of this very run; else it is written here first of all.
    ///   - accepted: what rank 0 does to the run directory once nothing can be refused any more.
    package func resume(from checkpoint: LoadedCheckpoint, isOwn: Bool, accepted: () throws -> Void) throws {
        // A rank that read something else (a stale cache of a network file system) would mix two steps.
        let seal = try communicator.agree { try SHA256.hexadecimal(of: checkpoint.state) + checkpoint.digest }
        try Agreement.check([.init("the checkpoint", seal)], over: communicator)
        let changes = try communicator.agree { try restore(checkpoint) }
        let otherBuild = try TrainingState.decode(checkpoint).build
        try communicator.agree { try recorder?.prepare(state, resuming: true) }
        try communicator.agree {
            guard let recorder else { return }
            try accepted()
            try recorder.open(state, contents: contents, hasCheckpoint: isOwn)
            recorder.resumed(
                from: checkpoint.path, digest: checkpoint.digest, state: state, changes: changes,
                otherBuild: otherBuild == state.build ? nil : otherBuild)
        }
        if isOwn { savedStep = state.step } else { try saveFirstCheckpoint() }
        guard let bestStep = state.bestStep else { return }
        let isLost = try communicator.agree { try recorder?.recoverBest(ofStep: bestStep) ?? false }
        if try !communicator.broadcast(isLost ? "lost" : "", from: 0).isEmpty { forgetBest() }
    }

    /// Lets the next validation be the best one: what it would be measured by isn't on the disk.
    func forgetBest() {
        state.bestValue = nil
        state.bestStep = nil
    }

    /// Takes over weights, optimizer state and training state; what a changed setting makes meaningless starts anew.
    /// Returns the changes.
    private func restore(_ checkpoint: LoadedCheckpoint) throws -> [SettingChange] {
        var restored = try TrainingState.decode(checkpoint)
        if let stored = restored.preprocessing.text { try state.preprocessing.text?.requireTokenizer(of: stored) }
        let compatibility = Compatibility(
            stored: restored.settings, configured: state.settings,
            defaulted: experiment.configuration.root.defaultedKeys(),
            storedData: restored.dataDigests, data: state.dataDigests)
        if let refusal = Self.refusal(of: compatibility, checkpoint: checkpoint.path) { throw refusal }
        let changes = compatibility.allowed
        // Of the same data and batches from here on.
        try restored.check(against: sampler, path: checkpoint.path)
        if synchronizer.fillsWeights { try contents.loadModel(checkpoint.model, into: synchronizer.weights) }
        try synchronizer.loadStates(contents, from: checkpoint.optimizer)
        // An average that the run didn't have begins with the weights.
        if let engine = synchronizer.averagingEngine {
            try contents.loadAverage(checkpoint.average ?? checkpoint.model, into: engine)
        }
        if let carried { try contents.loadStreams(checkpoint.optimizer, into: carried.elements) }
        func hasChanged(_ name: String) -> Bool { changes.contains { $0.concerns(name) } }
        if hasChanged("metrics") || ![0, sumCount].contains(restored.epochSums.count) { restored.beginEpoch() }
        if hasChanged("early_stopping") {
            restored.stopReason = nil
            restored.earlyStopping = EarlyStoppingState()
        }
        if hasChanged("checkpoint.monitor") || hasChanged("early_stopping.monitor") {
            restored.bestValue = nil
            restored.bestStep = nil
        }
        if state.plateau == nil || restored.plateau == nil || changes.contains(where: \.isLearningRate)
            || hasChanged("schedule")
        {
            restored.plateau = state.plateau
        }
        restored.parameterCount = state.parameterCount
        // The data are the same, by their hashes; what was found in them anew is not open to forgery.
        restored.preprocessing = state.preprocessing
        restored.configuration = state.configuration
        restored.settings = state.settings
        restored.build = state.build
        state = restored
        return changes
    }

    /// Why a run can't go on from a checkpoint; nil where it can.
    private static func refusal(of compatibility: Compatibility, checkpoint: String) -> Failure? {
        if !compatibility.refused.isEmpty {
            return Failure(
                .badConfiguration,
                "\(checkpoint) was made by another configuration; a resumed run must keep "
                    + "\(compatibility.refused.map(\.description).joined(separator: "; ")). Give the old values, or start a new run"
            )
        }
        guard let data = compatibility.otherData.first else { return nil }
        return Failure(
            .badConfiguration,
            "\(checkpoint) was made with other \(data.split) data (SHA-256 "
                + "\((data.stored ?? "none").prefix(16))…, found \((data.found ?? "none").prefix(16))…); resume with the same data, "
                + "or start a new run")
    }

    /// Writes the checkpoint that a run begins with, and waits until it is on disk.
    private func saveFirstCheckpoint() throws {
        try saveCheckpoint(to: .numbered)
        try communicator.agree {
            guard try recorder?.isSaved(step: state.step) ?? true else {
                throw Failure(.inputOutput, "the first checkpoint could not be written; training doesn't begin without it")
            }
        }
    }

    /// Hands a checkpoint of the state after the last step to rank 0's writer. Collective.
    ///
    /// Weights that an update has made infinite or NaN are never saved: the run ends instead, on all ranks.
    func saveCheckpoint(to places: CheckpointPlaces) throws {
        let layout = experiment.network.layout
        if let bad = try synchronizer.nonFiniteSlot() {
            recorder?.close()
            throw AgreedFailure(
                rank: 0,
                failure: Failure(
                    .badData,
                    "step \(state.step): the update made weights infinite or "
                        + "NaN in layer \(experiment.network.layerDescription(ofSlot: bad.index)); lower the "
                        + "learning rate or clip the gradient (gradient_clipping), and resume from the last checkpoint"))
        }
        let snapshot = recorder?.checkpointSnapshot()
        try synchronizer.gatherStates(into: snapshot?.states.elements)
        try carried?.gather(streamCounts, over: communicator)
        if let snapshot {
            if let carried {
                _ = snapshot.states.elements.suffix(carried.elements.count).update(fromContentsOf: carried.elements)
            }
            let count = layout.weightCount
            snapshot.weights.matrix(rows: 1, columns: count).copy(from: weights[0..<count])
            try recorder?.submitCheckpoint(of: state, places: places)
        }
        if places.contains(.numbered) { savedStep = state.step }
    }

    /// Makes sure that the last step's checkpoint is on disk; a write that failed is tried once more. Collective.
    func saveLastCheckpoint() throws {
        if savedStep != state.step { try saveCheckpoint(to: .numbered) }
        for isLastTry in [false, true] {
            let isSaved = try recorder?.isSaved(step: state.step) ?? true
            guard try communicator.broadcast(isSaved ? "saved" : "", from: 0).isEmpty else { return }
            guard !isLastTry else { break }
            try saveCheckpoint(to: .numbered)
        }
        throw AgreedFailure(
            rank: 0,
            failure: Failure(
                .inputOutput,
                "the checkpoint of step \(state.step), the last one, "
                    + "could not be written; an older one is there: remove the cause (see the warnings) and run again with --resume"
            ))
    }
}

extension SettingChange {
    /// `key: old → new`, as messages and the log have it.
    var description: String { "\(key): \(stored ?? "nothing") → \(configured ?? "nothing")" }
}
