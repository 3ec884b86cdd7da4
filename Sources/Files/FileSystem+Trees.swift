import Foundation

extension FileSystem {
    /// Makes a directory that a person named, and those above it that are missing.
    package func makeDirectories(_ path: String) throws(SystemError) {
        if let found = try status(of: Place(path)), found.kind == .directory { return }
        let parent = parentDirectory(of: path)
        if parent != path { try makeDirectories(parent) }
        do {
            try makeDirectory(Place(path))
        } catch  where error.code == EEXIST {
            // Another process made it meanwhile, or a file is in the way.
            if try status(of: Place(path))?.kind != .directory {
                throw SystemError(call: "mkdir", path: path, code: ENOTDIR)
            }
        }
    }
}

extension Directory {
    /// How deep a tree may be that is removed. A checkpoint is a directory of files.
    private static let largestDepth = 8

    /// Removes what has this name: a file, a link (what it leads to stays), a directory with all that is in it.
    ///
    /// Each directory is opened from the one above it, and no link is followed; nor is another file system entered
    /// that is mounted in the tree (`EXDEV`). A tree that is deeper than any of ours is left (`ELOOP`).
    package func removeTree(_ name: String) throws(SystemError) { try removeTree(name, depth: 0) }

    private func removeTree(_ name: String, depth: Int) throws(SystemError) {
        guard let status = try status(of: name) else { return }
        guard status.kind == .directory else { return try fileSystem.removeFile(at(name)) }
        guard depth < Self.largestDepth else { throw SystemError(call: "rmdir", path: at(name).path, code: ELOOP) }
        let tree = try Directory(at(name), fileSystem: fileSystem)
        guard tree.identity.device == identity.device else {
            throw SystemError(call: "rmdir", path: tree.path, code: EXDEV)
        }
        for entry in try tree.names() { try tree.removeTree(entry, depth: depth + 1) }
        try fileSystem.removeDirectory(at(name))
    }
}
