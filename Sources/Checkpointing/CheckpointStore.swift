import Diagnostics
import Files
import Foundation

/// The checkpoints of a run, on disk:
///
///     checkpoints/step-00000500/   model.safetensors  optimizer.safetensors  (ema.safetensors)  state.json
///     checkpoints/best/            the same, of the best monitored value
///
/// What holds at every instant, whatever is killed: a directory with one of these names is a complete checkpoint. A new
/// one is written under a hidden name, synced file by file, and renamed; only then are older ones removed, each
/// renamed to a hidden name first. A checkpoint that takes the place of another waits until that one has stepped aside
/// to a hidden name, from which `recover` brings it back if the newcomer never arrives.
///
/// One process writes at a time (`RunLock`), and one thread of it. Others may read meanwhile.
///
/// Each call opens the run directory and `checkpoints` anew and works from there, without following a link: so nothing
/// outside is touched, whatever a stranger's run directory holds, and a mount that comes or goes is noticed. A link under
/// one of the names above is refused (65).
package struct CheckpointStore: Sendable {
    /// `checkpoints` in the run directory.
    package let directory: String
    let fileSystem: any FileSystem
    private let open: @Sendable () throws -> Directory

    /// The checkpoints in a directory. Nothing is touched or made yet.
    package init(runDirectory: String, fileSystem: any FileSystem = PosixFileSystem()) {
        let path = trimmingSlashes(runDirectory)
        directory = path + "/" + RunDirectory.checkpoints
        self.fileSystem = fileSystem
        open = { try reportingSystemErrors { try Directory(Place(path), fileSystem: fileSystem) } }
    }

    /// The checkpoints of a run, as long as its path leads to the same directory.
    package init(_ run: RunDirectory, fileSystem: any FileSystem = PosixFileSystem()) {
        directory = run.path + "/" + RunDirectory.checkpoints
        self.fileSystem = fileSystem
        open = { try run.directory(fileSystem: fileSystem) }
    }

    /// Where the checkpoint of a step lies.
    package func path(ofStep step: Int) -> String { directory + "/" + CheckpointNames.numbered(step) }

    /// Where the best checkpoint lies.
    package var bestPath: String { directory + "/" + CheckpointNames.best }

    /// `checkpoints`, held open; nil where it isn't there.
    func opened() throws -> Directory? {
        try open().directory(RunDirectory.checkpoints, orFailWith: .badData)
    }

    /// `checkpoints`, made where it is missing.
    func made() throws -> Directory {
        let run = try open()
        if let found = try run.directory(RunDirectory.checkpoints, orFailWith: .inputOutput) { return found }
        try fileSystem.makeDirectory(run.at(RunDirectory.checkpoints))
        try run.sync()
        return try Directory(run.at(RunDirectory.checkpoints), fileSystem: fileSystem)
    }

    /// Cleans up after a process that was killed: finishes what can be finished and removes half-written and half-
    /// removed checkpoints. For the owner of the run only, before anything else.
    /// - Throws: `Failure(.inputOutput)`; `.badData` that names a link.
    package func recover() throws {
        try reportingSystemErrors { if let directory = try opened() { try recover(directory) } }
    }

    func recover(_ directory: Directory) throws {
        try refuseLinks(in: directory)
        let names = try directory.names()
        var isChanged = false
        for name in names where name.hasPrefix(CheckpointNames.replaced) {
            let original = String(name.dropFirst(CheckpointNames.replaced.count))
            guard original == CheckpointNames.best || CheckpointNames.step(in: original) != nil else { continue }
            if names.contains(original) {
                try discard([name], in: directory)
            } else {
                try fileSystem.rename(directory.at(name), to: directory.at(original))
                isChanged = true
            }
        }
        if isChanged { try directory.sync() }
        for name in try directory.names()
        where name.hasPrefix(CheckpointNames.incomplete) || name.hasPrefix(CheckpointNames.deleting) {
            try directory.removeTree(name)
        }
    }

    /// The step of the newest numbered checkpoint by its name, whether it is valid or not; nil where there is none.
    package func newestStep() throws -> Int? {
        try reportingSystemErrors {
            try opened()?.names().compactMap { CheckpointNames.step(in: $0) }.max()
        }
    }

    /// Whether any checkpoint is there, valid or not.
    package func isEmpty() throws -> Bool {
        try reportingSystemErrors { try opened().map { try candidates(in: $0).isEmpty } ?? true }
    }

    /// The newest checkpoint that is complete and undamaged, and the newer ones that aren't, each with its reason.
    ///
    /// Candidates are the numbered ones from the newest down; `best` if none of them is valid. Nothing on disk is
    /// touched. No checkpoint and nothing rejected: none was ever completed.
    ///
    /// Damage is what was read and is wrong, or missing. What can't be read tells nothing: it may be whole.
    /// - Parameter excluded: a step that doesn't count.
    /// - Throws: `Failure`: `.inputOutput` if the directory or one of the candidates can't be read; `.badData` that
    ///   names a link in a place of ours.
    package func newestValid(
        except excluded: Int? = nil
    ) throws -> (checkpoint: LoadedCheckpoint?, rejected: [RejectedCheckpoint]) {
        guard let directory = try opened() else { return (nil, []) }
        try reportingSystemErrors { try refuseLinks(in: directory) }
        var rejected: [RejectedCheckpoint] = []
        for name in try reportingSystemErrors({ try candidates(in: directory) }) {
            let place = directory.at(name)
            do {
                let checkpoint = try LoadedCheckpoint(place, fileSystem: fileSystem)
                if checkpoint.step != excluded { return (checkpoint, rejected) }
            } catch let failure as Failure where failure.meansDamage {
                rejected.append(RejectedCheckpoint(path: place.path, reason: failure.message))
            }
        }
        return (nil, rejected)
    }

    /// Names to be tried in this order. One that has stepped aside counts under its own name.
    private func candidates(in directory: Directory) throws -> [String] {
        let names = Set(
            try directory.names().map { name in
                name.hasPrefix(CheckpointNames.replaced) ? String(name.dropFirst(CheckpointNames.replaced.count)) : name
            })
        let steps = names.compactMap(CheckpointNames.step(in:)).sorted(by: >)
        return steps.map(CheckpointNames.numbered) + names.filter { $0 == CheckpointNames.best }
    }

    /// Refuses links under the names of checkpoints and of their files. They are neither damage, which a resume may pass
    /// over, nor ours: where they lead is somebody else's.
    private func refuseLinks(in directory: Directory) throws {
        for name in try directory.names() where CheckpointNames.isOurs(name) {
            guard let status = try directory.status(of: name) else { continue }
            if status.kind == .symbolicLink {
                throw directory.foreign(name, status.kind, expected: .directory, .badData)
            }
            guard status.kind == .directory, !name.hasPrefix(".") else { continue }
            guard let checkpoint = try directory.directory(name, orFailWith: .badData) else { continue }
            for file in CheckpointNames.files {
                if let status = try checkpoint.status(of: file), status.kind == .symbolicLink {
                    throw checkpoint.foreign(file, status.kind, expected: .file, .badData)
                }
            }
        }
    }
}

extension Failure {
    /// Whether it tells of something that was looked at and is wrong or missing, not of trouble with looking.
    var meansDamage: Bool { code == .badData || code == .missingInput }
}
