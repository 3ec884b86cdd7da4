import Diagnostics
import Files
import Foundation

/// A checkpoint whose files were held against their checksums. Its files are open and stay readable, whatever is
/// renamed or removed meanwhile.
package struct LoadedCheckpoint: Sendable {
    package let path: String
    package let step: Int
    /// The trainer's state: the JSON object that was saved, byte for byte.
    package let state: Data
    package let model: SafetensorsFile
    package let optimizer: SafetensorsFile
    /// The SHA-256 sum of `model.safetensors`.
    package let digest: String
}

/// A checkpoint that wasn't used.
package struct RejectedCheckpoint: Equatable, Sendable {
    package let path: String
    /// What is wrong with it and with which of its files, in one line.
    package let reason: String
}

/// The names of a checkpoint's files and directories.
enum CheckpointNames {
    static let model = "model.safetensors"
    static let optimizer = "optimizer.safetensors"
    static let best = "best"
    /// A checkpoint that is being written.
    static let incomplete = ".incomplete-"
    /// A whole checkpoint that gives way to another of the same name.
    static let replaced = ".replaced-"
    /// A checkpoint that is being removed.
    static let deleting = ".deleting-"

    /// `step-00000500`; more digits from a hundred million steps on.
    static func numbered(_ step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// The step in a name that `numbered` makes, else nil.
    static func step(in name: String) -> Int? {
        guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), numbered(step) == name else { return nil }
        return step
    }
}

extension LoadedCheckpoint {
    /// The checkpoint in a directory, or the newest valid one if it is a run directory; then also the newer ones that
    /// aren't valid.
    /// - Throws: `Failure` as `init(path:)` does; `.badData` also for a run without a valid checkpoint, `.missingInput`
    ///   for one that hasn't completed any.
    package static func open(
        checkpointOrRun path: String, fileSystem: any FileSystem = PosixFileSystem()
    ) throws -> (checkpoint: LoadedCheckpoint, rejected: [RejectedCheckpoint]) {
        let path = trimmingSlashes(path)
        guard try RunDirectory.isRun(path, fileSystem: fileSystem) else {
            return (try LoadedCheckpoint(path: path, fileSystem: fileSystem), [])
        }
        let (checkpoint, rejected) = try CheckpointStore(runDirectory: path, fileSystem: fileSystem).newestValid()
        guard let checkpoint else {
            throw rejected.first.map { Failure(.badData, "\(path): no valid checkpoint; \($0.reason)") }
                ?? Failure(.missingInput, "\(path): no checkpoint was completed in this run yet")
        }
        return (checkpoint, rejected)
    }

    /// Opens the checkpoint in a directory and verifies every byte of it.
    ///
    /// While it is opened, a live run may replace or remove the directory (`best` above all); then what has taken its
    /// place is opened.
    /// - Throws: `Failure`: `.missingInput` if nothing is there, `.badData` if it is no checkpoint or a damaged one,
    ///   `.inputOutput` if it can't be read. The message names the file.
    package init(path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        let path = trimmingSlashes(path)
        for _ in 0..<5 {
            let before = try Self.standing(at: path, fileSystem)
            do {
                self = try Self(directory: before.path, namedFor: path, fileSystem: fileSystem)
                return
            } catch {
                if try Self.standing(at: path, fileSystem) == before { throw error }
            }
        }
        throw Failure(.inputOutput, "\(path): replaced again and again while it was read; try again")
    }

    /// Where the checkpoint of this name lies at the moment: on its way to a new one the old one has a hidden name.
    private static func standing(at path: String,
                                 _ fileSystem: any FileSystem) throws -> (path: String, status: FileStatus) {
        try reportingSystemErrors {
            if let status = try fileSystem.status(of: path) { return (path, status) }
            let aside = parentDirectory(of: path) + "/" + CheckpointNames.replaced + lastComponent(of: path)
            if let status = try fileSystem.status(of: aside) { return (aside, status) }
            // Between the two looks the new one may have arrived.
            if let status = try fileSystem.status(of: path) { return (path, status) }
            throw Failure(.missingInput, "\(path): there is no checkpoint here")
        }
    }

    private init(directory: String, namedFor path: String, fileSystem: any FileSystem) throws {
        func bad(_ what: String) -> Failure { Failure(.badData, "\(directory): \(what)") }

        let manifestPath = directory + "/" + CheckpointManifest.fileName
        guard try reportingSystemErrors({ try fileSystem.status(of: directory) })?.kind == .directory else {
            throw bad("not a checkpoint, which is a directory with \(CheckpointManifest.fileName), "
                + "\(CheckpointNames.model) and \(CheckpointNames.optimizer)")
        }
        guard try reportingSystemErrors({ try fileSystem.status(of: manifestPath) }) != nil else {
            let inside = try reportingSystemErrors { try fileSystem.status(of: directory + "/checkpoints") }
            throw bad("not a checkpoint: \(CheckpointManifest.fileName) is missing"
                + (inside == nil ? ""
                    : "; this is a run: name one of its checkpoints, as \(directory)/checkpoints/best"))
        }
        let manifestFile = try InputFile(path: manifestPath, fileSystem: fileSystem)
        guard manifestFile.byteCount <= CheckpointManifest.largestFile else {
            throw Failure(.badData, "\(manifestPath): not the state of a checkpoint: \(manifestFile.byteCount) bytes")
        }
        let manifest = try CheckpointManifest(
            verifying: manifestFile.bytes(at: 0, count: manifestFile.byteCount), path: manifestPath)
        if let named = CheckpointNames.step(in: lastComponent(of: path)), named != manifest.step {
            throw Failure(.badData, "\(manifestPath): the state of step \(manifest.step), in the place of "
                + "step \(named)")
        }
        let modelFile = try Self.verified(CheckpointNames.model, of: manifest, in: directory, fileSystem)
        let optimizerFile = try Self.verified(CheckpointNames.optimizer, of: manifest, in: directory, fileSystem)
        self.init(path: directory, step: manifest.step, state: manifest.state,
                  model: try SafetensorsFile(modelFile.input), optimizer: try SafetensorsFile(optimizerFile.input),
                  digest: modelFile.sha256)
    }

    /// Opens a file and holds its length and its sum against the manifest.
    private static func verified(_ name: String, of manifest: CheckpointManifest, in directory: String,
                                 _ fileSystem: any FileSystem) throws -> (input: InputFile, sha256: String) {
        let path = directory + "/" + name
        guard let expected = manifest.files[name] else {
            throw Failure(.badData, "\(directory)/\(CheckpointManifest.fileName): it doesn't say what \(name) must be")
        }
        let input: InputFile
        do {
            input = try InputFile(path: path, fileSystem: fileSystem)
        } catch let failure as Failure where failure.code == .missingInput {
            throw Failure(.badData, "\(path): missing from the checkpoint")
        }
        guard input.byteCount == expected.byteCount else {
            throw Failure(.badData, "\(path): \(input.byteCount < expected.byteCount ? "truncated" : "too long"): "
                + "\(input.byteCount) bytes, \(expected.byteCount) were written")
        }
        guard try input.digest() == expected.sha256 else {
            throw Failure(.badData, "\(path): damaged: it doesn't match its checksum in \(CheckpointManifest.fileName)")
        }
        return (input, expected.sha256)
    }
}
