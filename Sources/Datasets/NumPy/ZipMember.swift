import CZlib
import Diagnostics

/// A file in a ZIP archive. Invariant: `packedCount` bytes from `start` lie in the archive's region.
struct ZipMember {
    let name: String
    let isDeflated: Bool
    let start: Int
    let packedCount: Int
    let count: Int
    /// CRC-32 of the content.
    let sum: Int

    /// The content: where it lies, or a copy that is inflated. `path` is what messages call it.
    func content(in archive: ByteRegion, path: String) throws -> (region: ByteRegion, start: Int) {
        guard isDeflated else {
            try check(UnsafeRawBufferPointer(start: archive.base + start, count: count), path)
            return (archive, start)
        }
        try requireMemory(count, path)
        let region = try ByteRegion(count: count, name: path) { target in
            try inflate(UnsafeRawBufferPointer(start: archive.base + start, count: packedCount), into: target, path)
            try check(UnsafeRawBufferPointer(target), path)
        }
        return (region, 0)
    }

    private func check(_ bytes: UnsafeRawBufferPointer, _ path: String) throws {
        var found: UInt = 0
        // zlib counts in 32 bits.
        for first in stride(from: 0, to: bytes.count, by: 1 << 30) {
            let part = UnsafeRawBufferPointer(rebasing: bytes[first..<min(first + 1 << 30, bytes.count)])
            found = crc32(found, part.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(part.count))
        }
        guard found == UInt(sum) else {
            throw Failure(.badData, "\(path): its check sum is wrong, so that it is damaged; fetch or save the file again")
        }
    }

    /// Inflates deflate data without a wrapper, exactly as many bytes as `target` has.
    private func inflate(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, _ path: String
    ) throws {
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw Failure(.internalError, "zlib \(ZLIB_VERSION) can't be started for \(path)")
        }
        defer { inflateEnd(&stream) }
        var read = 0
        var written = 0
        var status = Z_OK
        // A byte beyond the promised end tells that there is more.
        var beyond: UInt8 = 0
        try withUnsafeMutableBytes(of: &beyond) { beyond in
            while status == Z_OK || status == Z_BUF_ERROR {
                let input = min(source.count - read, 1 << 30)
                let isFull = written == target.count
                let room = isFull ? 1 : min(target.count - written, 1 << 30)
                let output = isFull ? beyond.baseAddress : target.baseAddress.map { $0 + written }
                stream.next_in = source.baseAddress.map {
                    UnsafeMutablePointer(mutating: ($0 + read).assumingMemoryBound(to: UInt8.self))
                }
                stream.avail_in = UInt32(input)
                stream.next_out = output?.assumingMemoryBound(to: UInt8.self)
                stream.avail_out = UInt32(room)
                status = CZlib.inflate(&stream, Z_NO_FLUSH)
                let consumed = input - Int(stream.avail_in)
                let produced = room - Int(stream.avail_out)
                guard !isFull || produced == 0 else { throw damage(path, "it holds more than it promises") }
                read += consumed
                written += produced
                guard consumed > 0 || produced > 0 || status == Z_STREAM_END else { break }
            }
        }
        guard status == Z_STREAM_END, written == target.count else {
            throw damage(path, stream.msg.map { String(cString: $0) } ?? "it ends in the middle")
        }
    }

    private func damage(_ path: String, _ reason: String) -> Failure {
        Failure(.badData, "\(path): the deflated data are damaged (\(reason)); fetch or save the file again")
    }
}
