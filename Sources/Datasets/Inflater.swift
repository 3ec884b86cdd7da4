import CZlib
import Diagnostics

/// Inflates gzip content (RFC 1952), member behind member, with its check sums.
final class Inflater {
    private let name: String
    /// zlib keeps the address, so the state lives in memory of its own. Invariant: initialised by `inflateInit2_`.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Compressed bytes that are waiting. Invariant: `next_in` and `avail_in` of the stream lie inside.
    private let input: UnsafeMutableRawBufferPointer
    private var finishedMembers = 0
    private var isBetweenMembers = false

    init(name: String) throws {
        self.name = name
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: 1 << 17, alignment: 16)
        // 15 bits of window, and 16 for the gzip wrapper.
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw Failure(.internalError, "zlib \(ZLIB_VERSION) can't be started for \(name)")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    /// Fills `buffer` with inflated bytes; fewer only at the end of the content. `refill` delivers compressed bytes, 0
    /// at the end of the file.
    func read(
        into buffer: UnsafeMutableRawBufferPointer,
        refill: (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            if stream.pointee.avail_in == 0 {
                let count = try refill(input)
                if count == 0 {
                    guard isBetweenMembers else {
                        throw Failure(
                            .badData,
                            "\(name): the gzip data end in the middle; the file is truncated, "
                                + "fetch it again")
                    }
                    return filled
                }
                stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_in = UInt32(count)
            }
            if isBetweenMembers {
                inflateReset(stream)
                isBetweenMembers = false
            }
            let room = min(buffer.count - filled, 1 << 30)
            stream.pointee.next_out = buffer.baseAddress?.advanced(by: filled).assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let status = inflate(stream, Z_NO_FLUSH)
            filled += room - Int(stream.pointee.avail_out)
            switch status {
            case Z_OK, Z_BUF_ERROR:
                continue
            case Z_STREAM_END:
                finishedMembers += 1
                isBetweenMembers = true
            default:
                throw damage()
            }
        }
        return filled
    }

    private func damage() -> Failure {
        if finishedMembers > 0 && stream.pointee.total_out == 0 {
            return Failure(.badData, "\(name): other bytes follow the end of the gzip data; fetch the file again")
        }
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "it can't be inflated"
        return Failure(.badData, "\(name): the gzip data are damaged (\(reason)); fetch the file again")
    }
}
