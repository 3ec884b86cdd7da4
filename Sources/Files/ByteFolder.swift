import Diagnostics
import Foundation

/// A path as the bytes that the system knows it by, which needn't be text.
package struct BytePath: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(_ path: String) { bytes = Array(path.utf8) }
    package init(bytes: [UInt8]) { self.bytes = bytes }

    /// A name in the folder that this is the path of.
    package func appending(_ name: BytePath) -> BytePath {
        BytePath(bytes: bytes + (bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]) + name.bytes)
    }

    /// The path as text; nil where it isn't UTF-8.
    package var text: String? { String(validating: bytes, as: UTF8.self) }

    /// For messages: bytes that aren't text as escapes.
    package var description: String {
        if let text { return text }
        return bytes.map { byte in
            (0x20..<0x7F).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// By bytes, whatever a language's order is.
    package static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }

    /// Calls `body` with the path as C has it.
    func withPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { body($0.baseAddress ?? UnsafePointer(bitPattern: 1).unsafelyUnwrapped) }
        }
    }
}

/// A folder that a person named, whose links are followed.
package enum ByteFolder {
    /// What is at a path, whatever links lead there; nil where nothing is.
    package static func status(_ path: BytePath) throws -> FileStatus? {
        var information = stat()
        do {
            _ = try check("stat", path.description, .reading) { path.withPath { stat($0, &information) } }
        } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return nil }
            throw error.failure()
        }
        return FileStatus(information)
    }

    /// The names in a folder, sorted by their bytes, without `.` and `..`.
    package static func names(in path: BytePath) throws -> [BytePath] {
        guard let stream = path.withPath({ opendir($0) }) else {
            throw SystemError(call: "opendir", path: path.description, code: errno, purpose: .reading).failure()
        }
        defer { closedir(stream) }
        var names: [BytePath] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: UInt8.self, capacity: MemoryLayout.size(ofValue: field.pointee)) {
                    Array(
                        UnsafeBufferPointer(start: $0, count: strlen(UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))))
                }
            }
            if name != [0x2E], name != [0x2E, 0x2E] { names.append(BytePath(bytes: name)) }
        }
        guard errno == 0 else {
            throw SystemError(call: "readdir", path: path.description, code: errno, purpose: .reading).failure()
        }
        return names.sorted()
    }

    /// The content of a file, whole. What isn't a regular file is refused, and so is more than `largest` bytes.
    package static func content(of path: BytePath, largest: Int) throws -> [UInt8] {
        let descriptor: Int32
        do {
            descriptor = try check("open", path.description, .reading) {
                path.withPath { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
            }
        } catch {
            throw error.failure(error.code == ENOENT ? .missingInput : .inputOutput)
        }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            throw SystemError(call: "fstat", path: path.description, code: errno, purpose: .reading).failure()
        }
        let status = FileStatus(information)
        guard status.kind == .file else {
            throw Failure(.badData, "\(path): \(status.kind), not a regular file; remove it, or save its content to a file")
        }
        guard status.byteCount <= largest else {
            throw Failure(.badData, "\(path): \(status.byteCount) bytes; expected at most \(largest)")
        }
        return try [UInt8](unsafeUninitializedCapacity: status.byteCount) { buffer, initialized in
            while initialized < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[initialized...])
                let place = initialized
                let count: Int
                do {
                    count = try check("read", path.description, .reading) {
                        pread(descriptor, rest.baseAddress, rest.count, off_t(place))
                    }
                } catch let error as SystemError {
                    throw error.failure()
                }
                if count == 0 { break }
                initialized += count
            }
        }
    }
}
