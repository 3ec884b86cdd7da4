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
    package func writeDurably(_ place: Place, content: (ByteSink) throws -> Void) throws -> FileSummary {
        do {
            return try writeOnce(place, content: content)
        } catch let error as SystemError where error.call == "fsync" || error.call == "close" {
            let second = place.appending(".again")
            let summary = try writeOnce(second, content: content)
            try rename(second, to: place)
            return summary
        }
    }

    private func writeOnce(_ place: Place, content: (ByteSink) throws -> Void) throws -> FileSummary {
        let descriptor = try create(place)
        let path = place.path
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
    package func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32,
        path: String
    ) throws(SystemError) {
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
    package func readAll(
        into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
        path: String
    ) throws(SystemError) -> Int {
        var filled = 0
        while filled < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes.dropFirst(filled))
            let count = try read(into: rest, from: descriptor, at: offset + filled, path: path)
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    package func removeIfPresent(_ place: Place) throws(SystemError) {
        do {
            try removeFile(place)
        } catch  where error.code == ENOENT {
            return
        }
    }
}

extension Directory {
    /// Replaces a file in this directory, so that at every instant it is wholly the old or wholly the new one, also
    /// after a power cut. Whatever else has its name, a link say, gives way; what a link leads to stays.
    /// - Parameter content: hands the bytes to the sink; it may be asked twice and must give the same.
    /// - Throws: `Failure(.inputOutput)`; the old file is then untouched.
    package func replaceFile(_ name: String, content: (ByteSink) throws -> Void) throws {
        // Left by a process that was killed, or somebody's link: removing it touches this directory alone.
        let temporary = at(".incomplete-" + name)
        try reportingSystemErrors {
            do {
                try removeTemporaries(temporary)
                _ = try fileSystem.writeDurably(temporary, content: content)
                try renameDurably(temporary.name, to: name)
            } catch {
                try? removeTemporaries(temporary)
                throw error
            }
        }
    }

    /// Gives what is called `old` in this directory the name `new`, and returns when that is on the disk; what had the name is
    /// gone.
    package func renameDurably(_ old: String, to new: String) throws(SystemError) {
        try fileSystem.rename(at(old), to: at(new))
        try sync()
    }

    private func removeTemporaries(_ temporary: Place) throws(SystemError) {
        try fileSystem.removeIfPresent(temporary)
        try fileSystem.removeIfPresent(temporary.appending(".again"))
    }
}
