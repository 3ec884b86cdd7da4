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
    /// The average of the weights; nil where none was kept.
    package let average: SafetensorsFile?
    /// The SHA-256 sum of `model.safetensors`.
    package let digest: String
    /// The directory of the files.
    let directory: Directory
    private let manifest: CheckpointManifest

    /// The names of its files.
    var files: [String] { CheckpointNames.files.filter { $0 != CheckpointNames.average || average != nil } }
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
    static let average = "ema.safetensors"
    /// All that there may be; the average is in some only.
    static let files = [model, optimizer, average, CheckpointManifest.fileName]
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

    /// Whether a name among the checkpoints is one that a run gives. Others are left alone.
    static func isOurs(_ name: String) -> Bool {
        name == best || step(in: name) != nil || [incomplete, replaced, deleting].contains { name.hasPrefix($0) }
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

    /// Opens the checkpoint at a path and verifies every byte of it.
    package init(path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        try self.init(Place(trimmingSlashes(path)), fileSystem: fileSystem)
    }

    /// Opens the checkpoint in a directory and verifies every byte of it.
    ///
    /// While it is opened, a live run may replace or remove the directory (`best` above all); then what has taken its
    /// place is opened.
    /// - Throws: `Failure`: `.missingInput` if nothing is there, `.badData` if it is no checkpoint or a damaged one,
    ///   `.inputOutput` if it can't be read. The message names the file.
    package init(_ place: Place, fileSystem: any FileSystem) throws {
        for _ in 0..<5 {
            let directory = try Self.standing(at: place, fileSystem)
            do {
                self = try Self(in: directory, namedFor: place.path)
                return
            } catch {
                if try Self.standing(at: place, fileSystem).identity == directory.identity { throw error }
            }
        }
        throw Failure(.inputOutput, "\(place): replaced again and again while it was read; try again")
    }

    /// The directory in which the checkpoint of this name lies at the moment: on its way to a new one the old one has a
    /// hidden name.
    private static func standing(at place: Place, _ fileSystem: any FileSystem) throws -> Directory {
        let hidden = CheckpointNames.replaced + lastComponent(of: place.name)
        let aside = place.directory?.at(hidden) ?? Place(parentDirectory(of: place.name) + "/" + hidden)
        // Between the first two looks the new one may have arrived.
        for candidate in [place, aside, place] {
            do {
                return try Directory(candidate, fileSystem: fileSystem)
            } catch  where error.code == ENOENT {
                continue
            } catch  where error.code == ENOTDIR || error.code == ELOOP {
                guard let found = try reportingSystemErrors({ try fileSystem.status(of: candidate) }) else { continue }
                throw Failure(
                    .badData,
                    "\(candidate): \(found.kind), not a checkpoint, which is a directory with "
                        + "\(CheckpointManifest.fileName), \(CheckpointNames.model) and \(CheckpointNames.optimizer)")
            } catch {
                throw error.failure()
            }
        }
        throw Failure(.missingInput, "\(place): there is no checkpoint here")
    }

    private init(in directory: Directory, namedFor path: String) throws {
        let manifest: CheckpointManifest
        do {
            manifest = try CheckpointManifest(readFrom: directory)
        } catch let failure as Failure where failure.code == .missingInput {
            let inside = try reportingSystemErrors { try directory.status(of: RunDirectory.checkpoints) }
            throw Failure(
                .badData,
                "\(directory.path): not a checkpoint: \(CheckpointManifest.fileName) is missing"
                    + (inside == nil
                        ? ""
                        : "; this is a run: name one of its checkpoints, as \(directory.path)/checkpoints/best"))
        }
        if let named = CheckpointNames.step(in: lastComponent(of: path)), named != manifest.step {
            throw Failure(
                .badData,
                "\(directory.path)/\(CheckpointManifest.fileName): it is of step "
                    + "\(manifest.step), but the directory's name says step \(named); was it renamed?")
        }
        let modelFile = try Self.verified(CheckpointNames.model, of: manifest, in: directory)
        let optimizerFile = try Self.verified(CheckpointNames.optimizer, of: manifest, in: directory)
        let averageFile =
            manifest.files[CheckpointNames.average] == nil
            ? nil : try Self.verified(CheckpointNames.average, of: manifest, in: directory)
        self.init(
            path: directory.path, step: manifest.step, state: manifest.state,
            model: try SafetensorsFile(modelFile.input), optimizer: try SafetensorsFile(optimizerFile.input),
            average: try averageFile.map { try SafetensorsFile($0.input) }, digest: modelFile.sha256, directory: directory,
            manifest: manifest)
    }

    /// Opens a file and holds its length and its sum against the manifest.
    private static func verified(
        _ name: String, of manifest: CheckpointManifest,
        in directory: Directory
    ) throws -> (input: InputFile, sha256: String) {
        let path = directory.at(name).path
        guard let expected = manifest.files[name] else {
            throw Failure(.badData, "\(directory.path)/\(CheckpointManifest.fileName): it holds no checksum of \(name)")
        }
        let input: InputFile
        do {
            input = try InputFile(directory.at(name), fileSystem: directory.fileSystem)
        } catch let failure as Failure where failure.code == .missingInput {
            throw Failure(.badData, "\(path): missing from the checkpoint")
        }
        guard input.byteCount == expected.byteCount else {
            throw Failure(
                .badData,
                "\(path): \(input.byteCount < expected.byteCount ? "truncated" : "too long"): "
                    + "expected \(expected.byteCount) bytes, found \(input.byteCount)")
        }
        guard try input.digest() == expected.sha256 else {
            throw Failure(.badData, "\(path): damaged: it doesn't match its checksum in \(CheckpointManifest.fileName)")
        }
        return (input, expected.sha256)
    }

    /// Whether it is the numbered checkpoint of its step in a run, or one with the same bytes.
    /// - Throws: `Failure(.inputOutput)` where that one can't be read.
    package func isHeld(by store: CheckpointStore) throws -> Bool {
        guard let own = try store.opened() else { return false }
        let place = own.at(CheckpointNames.numbered(step))
        do {
            if try reportingSystemErrors({ try own.status(of: place.name) })?.identity == directory.identity { return true }
            return try LoadedCheckpoint(place, fileSystem: store.fileSystem).manifest == manifest
        } catch let failure as Failure where failure.meansDamage {
            return false
        }
    }
}
