import Diagnostics
import Foundation

/// A file that is open for reading at any place; closed with its last owner.
package final class InputFile: Sendable {
    package let path: String
    package let byteCount: Int
    private let descriptor: Int32
    private let fileSystem: any FileSystem

    /// Opens a file that a person named.
    /// - Throws: `Failure(.missingInput)` where nothing is, `.badData` where no file is, `.inputOutput` where it can't
    ///   be opened.
    package convenience init(path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        try self.init(Place(path), fileSystem: fileSystem)
    }

    /// Opens the file at a place. A link there is no file, if it stands in a directory of ours.
    package init(_ place: Place, fileSystem: any FileSystem) throws {
        path = place.path
        self.fileSystem = fileSystem
        do {
            descriptor = try fileSystem.open(place)
        } catch {
            switch error.code {
            case ENOENT, ENOTDIR: throw Failure(.missingInput, "\(place): there is no such file")
            case ELOOP where place.directory != nil: throw Self.notAFile(place.path, .symbolicLink)
            // What open(2) says of a socket.
            case ENXIO: throw Self.notAFile(place.path, .socket)
            default: throw error.failure()
            }
        }
        let status: FileStatus
        do {
            status = try fileSystem.status(ofDescriptor: descriptor, path: path)
        } catch {
            try? fileSystem.close(descriptor, path: path)
            throw error.failure()
        }
        byteCount = status.byteCount
        // From here on every property has its value, so that `deinit` closes the descriptor when this throws.
        if status.kind != .file { throw Self.notAFile(path, status.kind) }
    }

    private static func notAFile(_ path: String, _ kind: FileStatus.Kind) -> Failure {
        Failure(.badData, "\(path): \(kind), expected a file")
    }

    deinit { try? fileSystem.close(descriptor, path: path) }

    /// Fills `bytes` from `offset` on.
    package func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        let count = try reportingSystemErrors {
            try fileSystem.readAll(into: bytes, from: descriptor, at: offset, path: path)
        }
        if count < bytes.count {
            throw Failure(.badData, "\(path): truncated while it is read: it ends at byte \(offset + count)")
        }
    }

    /// - Precondition: the caller has held `count` against `byteCount`, so that it can be allocated.
    package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            try read(
                into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]),
                at: offset)
            filled = count
        }
    }

    /// The SHA-256 sum of the whole file.
    package func digest() throws -> String {
        var sum = try SHA256()
        try pass { try sum.update($0) }
        return try sum.finish()
    }

    /// Hands the whole file to `sink`, piece by piece.
    package func pass(to sink: ByteSink) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        var start = 0
        while start < byteCount {
            let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, byteCount - start)])
            try read(into: part, at: start)
            try sink(UnsafeRawBufferPointer(part))
            start += part.count
        }
    }
}
