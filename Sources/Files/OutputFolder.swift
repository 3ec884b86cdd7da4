import Diagnostics

/// A new folder that a command writes for a person: it gets its name when all of its files are complete and durable. Until then it
/// lies under a hidden one beside it, and is removed with its last owner.
package final class OutputFolder {
    private let name: String
    private let path: String
    private let parent: Directory
    private let draft: Directory
    private let draftName: String
    private var isCommitted = false

    /// Makes sure that the folder can be made; nothing has its name yet.
    /// - Throws: `Failure(.cannotCreate)`, also where something is there already.
    package init(path: String) throws {
        let path = trimmingSlashes(path)
        self.path = path
        let fileSystem = PosixFileSystem()
        func taken(_ kind: FileStatus.Kind) -> Failure {
            Failure(
                .cannotCreate, "\(path): \(kind) is here already; name a folder that isn't there yet, or move this one away")
        }
        if let found = try reportingSystemErrors(as: .cannotCreate, { try fileSystem.status(of: Place(path)) }) {
            throw taken(found.kind)
        }
        let name = lastComponent(of: path)
        self.name = name
        let draftName = ".dtrain-" + String(UInt64.random(in: UInt64.min...UInt64.max), radix: 36)
        self.draftName = draftName
        let parent = try reportingSystemErrors(as: .cannotCreate) { try Directory(Place(parentDirectory(of: path))) }
        self.parent = parent
        guard !name.isEmpty, name != "..", name != "." else {
            throw Failure(.cannotCreate, "\(path): not the name of a folder")
        }
        // A link that leads nowhere.
        if let found = try reportingSystemErrors(as: .cannotCreate, { try parent.status(of: name) }) { throw taken(found.kind) }
        draft = try reportingSystemErrors(as: .cannotCreate) {
            try fileSystem.makeDirectory(parent.at(draftName))
            return try Directory(parent.at(draftName))
        }
    }

    deinit { if !isCommitted { try? parent.removeTree(draftName) } }

    /// Writes a file in it.
    /// - Parameter content: hands the bytes to the sink; it may be asked twice and must give the same.
    package func write(_ name: String, content: (ByteSink) throws -> Void) throws {
        _ = try reportingSystemErrors { try draft.fileSystem.writeDurably(draft.at(name), content: content) }
    }

    /// Gives it its name, durably.
    /// - Throws: `Failure(.cannotCreate)` where something has come there meanwhile.
    package func commit() throws {
        try reportingSystemErrors(as: .cannotCreate) {
            try draft.sync()
            try parent.renameDurably(draftName, to: name)
        }
        isCommitted = true
    }
}
