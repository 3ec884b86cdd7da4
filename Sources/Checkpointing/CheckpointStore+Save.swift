import Diagnostics
import Files
import Foundation

/// What a save has put on the disk.
package struct SavedCheckpoint: Equatable, Sendable {
    /// The SHA-256 sum of `model.safetensors`, hexadecimal.
    package let digest: String
    /// The directory; `best` if it was saved there alone.
    package let path: String
    /// Why it isn't the best one as well, where it was to be; as `step-N` it is safe.
    package let bestFailure: Failure?
    /// What went wrong without harm to the checkpoint: an older one that couldn't be removed, one that was found
    /// damaged and set aside. A line each.
    package let warnings: [String]
}

/// Where a checkpoint is to be kept.
package struct CheckpointPlaces: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// As `step-N`, one of those that make room for newer ones.
    package static let numbered = CheckpointPlaces(rawValue: 1)
    /// As `best`, until a better one comes.
    package static let best = CheckpointPlaces(rawValue: 2)
}

extension CheckpointStore {
    /// Writes a checkpoint and, once it is safely on the disk, removes the oldest beyond `keep`.
    ///
    /// The two places share their files where the file system can (hard links). A `step-N` that is there already is
    /// replaced, or set aside as `step-N.damaged-1` if it is damaged. Checkpoints of later steps are left alone.
    /// - Parameters:
    ///   - average: of the weights; nil where none is kept.
    ///   - state: a JSON object; it is kept byte for byte.
    ///   - keep: how many numbered checkpoints up to this one stay, at least 1.
    /// - Throws: `Failure(.inputOutput)`; every older checkpoint is then still there, and what was half-written is
    ///   removed as far as the disk allows, if not by the next save or `recover`.
    package func save(
        step: Int, model: [TensorSource], optimizer: [TensorSource], average: [TensorSource]? = nil, state: Data,
        to places: CheckpointPlaces = .numbered, keep: Int
    ) throws -> SavedCheckpoint {
        precondition(step >= 0 && keep >= 1 && !places.isEmpty, "save step \(step), keep \(keep), \(places)")
        guard (try? JSONSerialization.jsonObject(with: state)) is [String: Any] else {
            throw Failure(.internalError, "the state of step \(step) is not a JSON object: \(state.count) bytes")
        }
        return try reportingSystemErrors {
            let directory = try made()
            // Leftovers of saves that failed hold room that this one may need.
            try? recover(directory)
            let name = places.contains(.numbered) ? CheckpointNames.numbered(step) : CheckpointNames.best
            var warnings: [String] = []
            let summary = try stage(name, in: directory) { temporary in
                let files =
                    [(CheckpointNames.model, model), (CheckpointNames.optimizer, optimizer)]
                    + (average.map { [(CheckpointNames.average, $0)] } ?? [])
                return try write(step: step, files: files, state: state, into: temporary)
            } publish: { temporary in
                try warnings += setAsideIfDamaged(name, in: directory)
                try warnings += publish(temporary, as: name, in: directory)
            }
            var bestFailure: Failure?
            if places == [.numbered, .best] {
                do {
                    try warnings += copyToBest(from: name, in: directory)
                } catch {
                    bestFailure = Failure(.inputOutput, "\(error); step \(step) is saved, but not as best")
                }
            }
            if places.contains(.numbered) { warnings += removeOldest(upTo: step, keep: keep, in: directory) }
            return SavedCheckpoint(
                digest: summary.sha256, path: directory.at(name).path, bestFailure: bestFailure,
                warnings: warnings)
        }
    }

    /// Makes a hidden directory, fills, syncs and publishes it; removes it if one of these fails.
    private func stage<Result>(
        _ name: String, in directory: Directory, fill: (Directory) throws -> Result,
        publish: (_ temporary: String) throws -> Void
    ) throws -> Result {
        let temporary = CheckpointNames.incomplete + name
        try fileSystem.makeDirectory(directory.at(temporary))
        do {
            let staged = try Directory(directory.at(temporary), fileSystem: fileSystem)
            let result = try fill(staged)
            try staged.sync()
            try publish(temporary)
            return result
        } catch {
            try? directory.removeTree(temporary)
            throw error
        }
    }

    private func write(
        step: Int, files: [(name: String, tensors: [TensorSource])], state: Data, into temporary: Directory
    ) throws -> FileSummary {
        var summaries: [String: FileSummary] = [:]
        for (name, tensors) in files {
            summaries[name] = try fileSystem.writeDurably(temporary.at(name)) { sink in
                try Safetensors.encode(tensors, to: sink)
            }
        }
        let manifest = try CheckpointManifest(step: step, files: summaries, state: state).encoded()
        _ = try fileSystem.writeDurably(temporary.at(CheckpointManifest.fileName)) { sink in
            try manifest.withUnsafeBytes(sink)
        }
        guard let summary = summaries[CheckpointNames.model] else { preconditionFailure("no model was written") }
        return summary
    }

    /// Gives a finished checkpoint its name. Where another has that name, it steps aside to a hidden one, and comes
    /// back if the newcomer can't take its place.
    /// - Returns: warnings about what was replaced and couldn't be removed.
    private func publish(_ temporary: String, as name: String, in directory: Directory) throws -> [String] {
        guard let found = try directory.status(of: name) else {
            try directory.renameDurably(temporary, to: name)
            return []
        }
        guard found.kind != .symbolicLink else {
            throw directory.foreign(name, found.kind, expected: .directory, .inputOutput)
        }
        let aside = CheckpointNames.replaced + name
        if try directory.status(of: aside) != nil { try discard([aside], in: directory) }
        try fileSystem.rename(directory.at(name), to: directory.at(aside))
        do {
            try fileSystem.rename(directory.at(temporary), to: directory.at(name))
        } catch {
            try? fileSystem.rename(directory.at(aside), to: directory.at(name))
            throw error
        }
        try directory.sync()
        return collectingWarnings { try discard([aside], in: directory) }
    }

    /// Makes room for a checkpoint whose predecessor of the same name is no valid one, and keeps that for a look. One
    /// that can't be read may be valid: then nothing is touched, and the save fails.
    private func setAsideIfDamaged(_ name: String, in directory: Directory) throws -> [String] {
        guard let found = try directory.status(of: name) else { return [] }
        // A better one takes the place of the best one, whatever that was; but what is no checkpoint isn't ours.
        if name == CheckpointNames.best, found.kind == .directory { return [] }
        do {
            _ = try LoadedCheckpoint(directory.at(name), fileSystem: fileSystem)
            return []
        } catch let failure as Failure where failure.meansDamage && found.kind != .symbolicLink {
            let aside = try setAside(name, as: "damaged", in: directory)
            return ["\(failure.message); set aside as \(aside)"]
        }
    }

    /// Publishes the files of a numbered checkpoint as `best` too.
    func copyToBest(from name: String, in directory: Directory) throws -> [String] {
        var warnings: [String] = []
        let source = try Directory(directory.at(name), fileSystem: fileSystem)
        try stage(CheckpointNames.best, in: directory) { temporary in
            for file in CheckpointNames.files {
                if file == CheckpointNames.average, try source.status(of: file) == nil { continue }
                try linkOrCopy(source.at(file), to: temporary.at(file))
            }
        } publish: { temporary in
            warnings = try setAsideIfDamaged(CheckpointNames.best, in: directory)
            warnings += try publish(temporary, as: CheckpointNames.best, in: directory)
        }
        return warnings
    }

    private func linkOrCopy(_ source: Place, to destination: Place) throws {
        do {
            try fileSystem.link(source, to: destination)
            return
        } catch {
            if !Self.meaningNoLinks.contains(error.code) { throw error }
        }
        let input = try InputFile(source, fileSystem: fileSystem)
        _ = try fileSystem.writeDurably(destination) { sink in try input.pass(to: sink) }
    }

    /// What file systems say that have no hard links, or no more of them for this file.
    private static let meaningNoLinks = [EPERM, ENOTSUP, ENOSYS, EMLINK, EXDEV]

    /// Removes the oldest numbered checkpoints up to `step`, of which `keep` stay.
    private func removeOldest(upTo step: Int, keep: Int, in directory: Directory) -> [String] {
        collectingWarnings {
            let steps = try directory.names().compactMap(CheckpointNames.step(in:)).filter { $0 <= step }.sorted()
            try discard(steps.dropLast(keep).map(CheckpointNames.numbered), in: directory)
        }
    }

    /// Runs what isn't needed for the checkpoint; its failure is a warning.
    private func collectingWarnings(_ body: () throws -> Void) -> [String] {
        do {
            try body()
            return []
        } catch {
            return ["\(error); so an older checkpoint could not be removed: remove it by hand if its space is needed"]
        }
    }
}
