import Foundation

/// What was written to a file: its length and its SHA-256 sum.
package struct FileSummary: Equatable, Sendable {
    package let byteCount: Int
    package let sha256: String

    package init(byteCount: Int, sha256: String) {
        self.byteCount = byteCount
        self.sha256 = sha256
    }
}

/// Receives the bytes of a file in order.
package typealias ByteSink = (UnsafeRawBufferPointer) throws -> Void

extension FileSystem {
    /// Writes a new file, sums it on the way, and returns when it is on the disk.
    ///
    /// A sync or close that fails has lost bytes that can't be named, and a second sync would claim success: the file
    /// is written anew under another name, once, and then takes the place of the first.
    /// - Parameter content: hands the bytes to the sink; it may be asked twice and must give the same.
    package func writeDurably(_ path: String, content: (ByteSink) throws -> Void) throws -> FileSummary {
        do {
            return try writeOnce(path, content: content)
        } catch let error as SystemError where error.call == "fsync" || error.call == "close" {
            let second = path + ".again"
            let summary = try writeOnce(second, content: content)
            try rename(second, to: path)
            return summary
        }
    }

    private func writeOnce(_ path: String, content: (ByteSink) throws -> Void) throws -> FileSummary {
        let descriptor = try create(path)
        var isOpen = true
        defer { if isOpen { try? close(descriptor, path: path) } }
        var sum = try SHA256()
        var byteCount = 0
        // Pieces that the processor's cache holds: summed and written while they are there.
        let pieceBytes = 1 << 20
        try content { bytes in
            var start = 0
            while start < bytes.count {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pieceBytes, bytes.count)])
                try sum.update(piece)
                try writeAll(piece, to: descriptor, path: path)
                start += piece.count
            }
            byteCount += bytes.count
        }
        try sync(descriptor, path: path)
        isOpen = false
        try close(descriptor, path: path)
        return FileSummary(byteCount: byteCount, sha256: try sum.finish())
    }

    /// Writes all of `bytes`, in as many calls as it takes.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32,
                          path: String) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = try write(rest, to: descriptor, path: path)
            // A regular file that takes nothing has no room; without this the loop would never end.
            if count == 0 { throw SystemError(call: "write", path: path, code: ENOSPC) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }

    /// Fills `bytes` from `offset` on.
    /// - Returns: how many bytes came: fewer only where the file ends.
    package func readAll(into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
                         path: String) throws(SystemError) -> Int {
        var filled = 0
        while filled < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes.dropFirst(filled))
            let count = try read(into: rest, from: descriptor, at: offset + filled, path: path)
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Brings a file, written by whichever descriptor, to the disk.
    package func syncFile(_ path: String) throws(SystemError) {
        let descriptor = try open(path)
        do {
            try sync(descriptor, path: path)
        } catch {
            try? close(descriptor, path: path)
            throw error
        }
        try close(descriptor, path: path)
    }

    /// Brings the names in a directory to the disk. File systems that can't sync directories say `EINVAL`; there it
    /// is left to them.
    package func syncDirectory(_ path: String) throws(SystemError) {
        do {
            try syncFile(path)
        } catch where error.call == "fsync" && (error.code == EINVAL || error.code == ENOTSUP) {
            return
        }
    }

    /// Replaces a file so that at every instant it is wholly the old or wholly the new one, also after a power cut.
    /// - Throws: `Failure(.inputOutput)`; the old file is then untouched.
    package func writeAtomically(_ data: some Collection<UInt8>, to path: String) throws {
        let parent = parentDirectory(of: path)
        let temporary = parent + "/.incomplete-" + lastComponent(of: path)
        try reportingSystemErrors {
            do {
                try removeIfPresent(temporary)
                try removeIfPresent(temporary + ".again")
                let bytes = Array(data)
                _ = try writeDurably(temporary) { sink in try bytes.withUnsafeBytes(sink) }
                try rename(temporary, to: path)
                try syncDirectory(parent)
            } catch {
                try? removeIfPresent(temporary)
                try? removeIfPresent(temporary + ".again")
                throw error
            }
        }
    }

    /// Makes a directory and those above it that are missing.
    package func makeDirectories(_ path: String) throws(SystemError) {
        if let found = try status(of: path), found.kind == .directory { return }
        let parent = parentDirectory(of: path)
        if parent != path { try makeDirectories(parent) }
        do {
            try makeDirectory(path)
        } catch where error.code == EEXIST {
            // Another process made it meanwhile, or a file is in the way.
            if try status(of: path)?.kind != .directory {
                throw SystemError(call: "mkdir", path: path, code: ENOTDIR)
            }
        }
    }

    package func removeIfPresent(_ path: String) throws(SystemError) {
        do {
            try removeFile(path)
        } catch where error.code == ENOENT {
            return
        }
    }

    /// Removes a directory and the files in it. Checkpoints hold no directories; one that is met is removed likewise.
    package func removeTree(_ path: String) throws(SystemError) {
        for name in try names(in: path) {
            let entry = path + "/" + name
            do {
                try removeFile(entry)
            } catch where error.code == EISDIR || error.code == EPERM {
                try removeTree(entry)
            }
        }
        try removeDirectory(path)
    }
}

/// The directory that holds `path`; `.` for a bare name, `/` for the root.
package func parentDirectory(of path: String) -> String {
    let trimmed = trimmingSlashes(path)
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    let parent = trimmingSlashes(String(trimmed[..<slash]))
    return parent.isEmpty ? "/" : parent
}

/// The last name of a path.
package func lastComponent(of path: String) -> String {
    let trimmed = trimmingSlashes(path)
    return trimmed.lastIndex(of: "/").map { String(trimmed[trimmed.index(after: $0)...]) } ?? trimmed
}

/// The path without slashes at its end, but `/` stays.
package func trimmingSlashes(_ path: String) -> String {
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    return String(trimmed)
}
