import Diagnostics
import Files
import Foundation

/// The checkpoints of a run, on disk:
///
///     checkpoints/step-00000500/   model.safetensors  optimizer.safetensors  state.json
///     checkpoints/best/            the same, of the best monitored value
///
/// What holds at every instant, whatever is killed: a directory with one of these names is a complete checkpoint. A new
/// one is written under a hidden name, synced file by file, and renamed; only then are older ones removed, each
/// renamed to a hidden name first. A checkpoint that takes the place of another waits until that one has stepped aside
/// to a hidden name, from which `recover` brings it back if the newcomer never arrives.
///
/// One process writes at a time (`RunLock`), and one thread of it. Others may read meanwhile.
package struct CheckpointStore: Sendable {
    /// `checkpoints` in the run directory.
    package let directory: String
    let fileSystem: any FileSystem

    /// Nothing is touched or made yet.
    package init(runDirectory: String, fileSystem: any FileSystem = PosixFileSystem()) {
        directory = trimmingSlashes(runDirectory) + "/checkpoints"
        self.fileSystem = fileSystem
    }

    /// Where the checkpoint of a step lies.
    package func path(ofStep step: Int) -> String { directory + "/" + CheckpointNames.numbered(step) }

    /// Where the best checkpoint lies.
    package var bestPath: String { directory + "/" + CheckpointNames.best }

    /// Cleans up after a process that was killed: finishes what can be finished and removes half-written and half-
    /// removed checkpoints. For the owner of the run only, before anything else.
    /// - Throws: `Failure(.inputOutput)`.
    package func recover() throws {
        try reportingSystemErrors {
            guard try fileSystem.status(of: directory) != nil else { return }
            let names = try fileSystem.names(in: directory)
            var isChanged = false
            for name in names where name.hasPrefix(CheckpointNames.replaced) {
                let original = String(name.dropFirst(CheckpointNames.replaced.count))
                if names.contains(original) {
                    try discard([name])
                } else {
                    try fileSystem.rename(directory + "/" + name, to: directory + "/" + original)
                    isChanged = true
                }
            }
            if isChanged { try fileSystem.syncDirectory(directory) }
            for name in try fileSystem.names(in: directory)
            where name.hasPrefix(CheckpointNames.incomplete) || name.hasPrefix(CheckpointNames.deleting) {
                try fileSystem.removeTree(directory + "/" + name)
            }
        }
    }

    /// Whether any checkpoint is there, valid or not.
    package func isEmpty() throws -> Bool {
        try reportingSystemErrors { try candidates().isEmpty }
    }

    /// The newest checkpoint that is complete and undamaged, and the newer ones that aren't, each with its reason.
    ///
    /// Candidates are the numbered ones from the newest down; `best` if none of them is valid. Nothing on disk is
    /// touched. No checkpoint and nothing rejected: none was ever completed.
    /// - Throws: `Failure(.inputOutput)` if the directory can't be read.
    package func newestValid() throws -> (checkpoint: LoadedCheckpoint?, rejected: [RejectedCheckpoint]) {
        var rejected: [RejectedCheckpoint] = []
        for name in try reportingSystemErrors({ try candidates() }) {
            let path = directory + "/" + name
            do {
                return (try LoadedCheckpoint(path: path, fileSystem: fileSystem), rejected)
            } catch let failure as Failure {
                rejected.append(RejectedCheckpoint(path: path, reason: failure.message))
            }
        }
        return (nil, rejected)
    }

    /// Names to be tried in this order. One that has stepped aside counts under its own name.
    private func candidates() throws -> [String] {
        let names = Set(try names().map { name in
            name.hasPrefix(CheckpointNames.replaced) ? String(name.dropFirst(CheckpointNames.replaced.count)) : name
        })
        let steps = names.compactMap(CheckpointNames.step(in:)).sorted(by: >)
        return steps.map(CheckpointNames.numbered) + names.filter { $0 == CheckpointNames.best }
    }

    func names() throws -> [String] {
        try fileSystem.status(of: directory) == nil ? [] : fileSystem.names(in: directory)
    }

    /// Sets aside every numbered checkpoint after `step`: `step-00000600.superseded-1`. For a run that goes on from an
    /// older checkpoint than its newest, so that a later resume doesn't return to what was left behind.
    /// - Returns: the new paths.
    package func supersede(after step: Int) throws -> [String] {
        try reportingSystemErrors {
            let later = try names().filter { (CheckpointNames.step(in: $0) ?? Int.min) > step }
            let paths = try later.map { try setAside($0, as: "superseded") }
            if !paths.isEmpty { try fileSystem.syncDirectory(directory) }
            return paths
        }
    }

    /// Renames a checkpoint to the first free `name.kind-1`, `-2`, …, which no candidate is called.
    func setAside(_ name: String, as kind: String) throws -> String {
        var number = 1
        while try fileSystem.status(of: "\(directory)/\(name).\(kind)-\(number)") != nil { number += 1 }
        let path = "\(directory)/\(name).\(kind)-\(number)"
        try fileSystem.rename(directory + "/" + name, to: path)
        return path
    }

    /// Removes whole checkpoints so that at no instant a half one has a name that counts.
    func discard(_ names: [String]) throws {
        if names.isEmpty { return }
        var hidden: [String] = []
        for name in names {
            let path = directory + "/" + CheckpointNames.deleting + name
            // One that an earlier removal left.
            if try fileSystem.status(of: path) != nil { try fileSystem.removeTree(path) }
            try fileSystem.rename(directory + "/" + name, to: path)
            hidden.append(path)
        }
        try fileSystem.syncDirectory(directory)
        for path in hidden { try fileSystem.removeTree(path) }
    }
}
