import Diagnostics
import Foundation

/// A data file that is read from front to back, inflated on the way where its content is gzip.
final class SourceFile {
    let path: String
    /// The length of the file itself.
    let byteCount: Int
    /// Whether the file begins with the two bytes of gzip, whatever its name is.
    let isCompressed: Bool
    private let descriptor: Int32
    private var inflater: Inflater?

    /// Opens `path`: 66 if it isn't there, 65 if it is no file, 74 if it can't be read.
    init(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            guard code != ENOENT && code != ENOTDIR else {
                throw Failure(.missingInput, "\(path.isEmpty ? "\"\"" : path): no such data file "
                    + "(paths are relative to the working directory)")
            }
            throw Failure(.inputOutput, "\(path): can't be opened: \(String(cString: strerror(code)))")
        }
        self.path = path
        self.descriptor = descriptor
        var status = stat()
        let known = fstat(descriptor, &status) == 0
        byteCount = known ? Int(status.st_size) : 0
        var magic: [UInt8] = [0, 0]
        let found = known ? pread(descriptor, &magic, 2, 0) : 0
        isCompressed = found == 2 && magic == [0x1F, 0x8B]
        // From here on `deinit` closes the file.
        guard known, status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.badData, "\(path): not a regular file; expected a data file")
        }
        guard found >= 0 else { throw readFailure() }
        if isCompressed { inflater = try Inflater(name: path) }
    }

    deinit {
        close(descriptor)
    }

    /// The most bytes that the content can have: deflate packs at most 1032 bytes into one.
    var largestContent: Int {
        isCompressed ? byteCount.multipliedReportingOverflow(by: 1032).partialValue : byteCount
    }

    /// Fills `buffer` with the next bytes of the content; fewer only at its end. The end of gzip content is where its
    /// check sum has been found right.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if let inflater { return try inflater.read(into: buffer, refill: readRaw) }
        var filled = 0
        while filled < buffer.count {
            let count = try readRaw(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// The next `count` bytes; fewer only at the end.
    func readBytes(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = try read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// All that is left.
    func readToEnd() throws -> [UInt8] {
        if !isCompressed { return try readBytes(byteCount) }
        var content: [UInt8] = []
        content.reserveCapacity(min(byteCount * 4, 1 << 28))
        while true {
            let chunk = try readBytes(1 << 20)
            content += chunk
            if chunk.count < 1 << 20 { return content }
        }
    }

    /// The whole file, mapped.
    func map() throws -> ByteRegion { try ByteRegion(mapping: descriptor, count: byteCount, name: path) }

    /// Some bytes of the file as it is; none at its end.
    private func readRaw(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            // Linux moves at most 2 GiB per call.
            let count = Foundation.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            if count >= 0 { return count }
            guard errno == EINTR else { throw readFailure() }
        }
    }

    private func readFailure() -> Failure {
        Failure(.inputOutput, "\(path): can't be read: \(String(cString: strerror(errno)))")
    }
}
