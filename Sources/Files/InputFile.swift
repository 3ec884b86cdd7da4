import Diagnostics
import Foundation

/// A file that is open for reading at any place; closed with its last owner.
package final class InputFile: Sendable {
    package let path: String
    package let byteCount: Int
    private let descriptor: Int32
    private let fileSystem: any FileSystem

    /// - Throws: `Failure(.missingInput)` where nothing is, `.badData` where no file is, `.inputOutput`.
    package init(path: String, fileSystem: any FileSystem) throws {
        self.path = path
        self.fileSystem = fileSystem
        do {
            descriptor = try fileSystem.open(path)
        } catch {
            if error.code == ENOENT || error.code == ENOTDIR {
                throw Failure(.missingInput, "\(path): there is no such file")
            }
            throw error.failure()
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
        if status.kind != .file {
            throw Failure(.badData, "\(path): a \(status.kind == .directory ? "directory" : "special file"), "
                + "expected a file")
        }
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
            try read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]),
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
