import Diagnostics
import Files

/// A checkpoint of another host on its way to this one, which doesn't see the run directory: its files lie under a hidden name
/// among the checkpoints of this host's own, until they have been opened.
package final class CheckpointCopy {
    /// The name in `checkpoints`; what a kill leaves is removed by the next copy, and by a resume.
    private static let name = CheckpointNames.incomplete + "from-elsewhere"

    private let run: Directory
    private let madeCheckpoints: Bool
    private let checkpoints: Directory
    private var file: (descriptor: Int32, path: String)?

    /// Makes room for a checkpoint in a run directory.
    /// - Throws: `Failure(.cannotCreate)`.
    package init(in run: RunDirectory, fileSystem: any FileSystem = PosixFileSystem()) throws {
        self.run = try run.directory(fileSystem: fileSystem)
        let found = try self.run.directory(RunDirectory.checkpoints, orFailWith: .cannotCreate)
        madeCheckpoints = found == nil
        let directory = self.run
        checkpoints = try reportingSystemErrors(as: .cannotCreate) {
            if found == nil { try fileSystem.makeDirectory(directory.at(RunDirectory.checkpoints)) }
            let checkpoints = try found ?? Directory(directory.at(RunDirectory.checkpoints), fileSystem: fileSystem)
            if try checkpoints.status(of: Self.name) != nil { try checkpoints.removeTree(Self.name) }
            try fileSystem.makeDirectory(checkpoints.at(Self.name))
            return checkpoints
        }
    }

    /// Begins the file of a checkpoint whose name this is.
    package func begin(_ name: String) throws {
        precondition(CheckpointNames.files.contains(name), "\"\(name)\" is no file of a checkpoint")
        try end()
        try reportingSystemErrors {
            let directory = try Directory(checkpoints.at(Self.name), fileSystem: run.fileSystem)
            let place = directory.at(name)
            file = (try run.fileSystem.create(place), place.path)
        }
    }

    /// Adds bytes to the file that was begun last.
    package func append(_ bytes: UnsafeRawBufferPointer) throws {
        guard let file else { preconditionFailure("no file was begun") }
        try reportingSystemErrors { try run.fileSystem.writeAll(bytes, to: file.descriptor, path: file.path) }
    }

    /// Ends the last file.
    package func end() throws {
        guard let file else { return }
        self.file = nil
        try reportingSystemErrors { try run.fileSystem.close(file.descriptor, path: file.path) }
    }

    /// Opens and verifies the copy that a rank of this host has made in its run directory.
    package static func open(in run: RunDirectory, fileSystem: any FileSystem = PosixFileSystem()) throws -> LoadedCheckpoint {
        let directory = try run.directory(fileSystem: fileSystem)
        guard let checkpoints = try directory.directory(RunDirectory.checkpoints, orFailWith: .badData) else {
            throw Failure(.missingInput, "\(directory.path): the copy of the checkpoint is gone")
        }
        return try LoadedCheckpoint(checkpoints.at(name), fileSystem: fileSystem)
    }

    /// Takes the copy away; whoever has opened it goes on reading.
    package func remove() {
        try? end()
        try? checkpoints.removeTree(Self.name)
        // Where others lie in it, it stays.
        if madeCheckpoints { try? run.fileSystem.removeDirectory(run.at(RunDirectory.checkpoints)) }
    }
}

extension LoadedCheckpoint {
    /// Its files, for a copy on another host.
    /// - Throws: `Failure(.inputOutput)` and `.missingInput`.
    package func openFiles() throws -> [(name: String, input: InputFile)] {
        try files.map { ($0, try InputFile(directory.at($0), fileSystem: directory.fileSystem)) }
    }

    /// What only this checkpoint has: the digest of its state, and of its weights.
    package var seal: String {
        get throws { try SHA256.hexadecimal(of: state) + digest }
    }
}
