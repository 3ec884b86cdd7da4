import Diagnostics
import Files
import Storage

/// An array in NumPy's format: a file of its own (`.npy`, gzip or plain), or a member of an archive (`.npz`). The first
/// dimension counts samples.
///
/// What can stay as the file has it is mapped; other orders and types are copied once.
struct NPYArray: EncodedFile {
    let path: String
    let shape: Shape
    let samples: EncodedSamples

    /// Whether the content of a file begins like an array.
    static func recognizes(_ path: String) throws -> Bool { NPYHeader.isMagic(try SourceFile(path: path).readBytes(6)) }

    /// The array in a file. Every size is checked before it is used.
    ///
    /// - Parameter channelsLast: whether samples are [height, width, channels], to become [channels, height, width].
    init(path: String, channelsLast: Bool = false) throws {
        let file = try SourceFile(path: path)
        var bytes = try file.readBytes(NPYHeader.prefixByteCount)
        let headerCount = try NPYHeader.byteCount(bytes, path: path)
        bytes += try file.readBytes(max(headerCount - bytes.count, 0))
        let header = try NPYHeader(bytes, path: path)
        guard file.isCompressed else {
            try Self.require(header, contentByteCount: file.byteCount, path)
            try self.init(region: try file.map(), offset: headerCount, header, path: path, channelsLast: channelsLast)
            return
        }
        guard header.payload <= file.largestContent else {
            throw Failure(
                .badData,
                "\(path): truncated: the header promises \(header.payload) bytes of elements, more than \(file.byteCount) "
                    + "bytes on disk can hold; fetch the file again")
        }
        try requireMemory(header.payload, path)
        let region = try ByteRegion(count: header.payload, name: path) { buffer in
            let found = try file.read(into: buffer)
            let isLonger = try found == buffer.count && !file.readBytes(1).isEmpty
            try Self.require(header, contentByteCount: headerCount + found + (isLonger ? 1 : 0), path)
        }
        try self.init(region: region, offset: 0, header, path: path, channelsLast: channelsLast)
    }

    /// The array in `count` bytes of a region, header and all.
    init(region: ByteRegion, from start: Int, count: Int, path: String, channelsLast: Bool = false) throws {
        let bytes = UnsafeRawBufferPointer(start: region.base + start, count: count)
        let headerCount = try NPYHeader.byteCount(Array(bytes.prefix(NPYHeader.prefixByteCount)), path: path)
        let header = try NPYHeader(Array(bytes.prefix(headerCount)), path: path)
        try Self.require(header, contentByteCount: count, path)
        try self.init(region: region, offset: start + headerCount, header, path: path, channelsLast: channelsLast)
    }

    private static func require(_ header: NPYHeader, contentByteCount found: Int, _ path: String) throws {
        let expected = header.byteCount + header.payload
        guard found != expected else { return }
        let written = header.dimensions.map(String.init).joined(separator: "×")
        throw Failure(
            .badData,
            "\(path): \(found < expected ? "truncated" : "oversized"): the header promises \(written) elements of "
                + "\(header.type.byteCount) byte\(header.type.byteCount == 1 ? "" : "s"), expected \(expected) bytes, found "
                + (found > expected ? "more" : "\(found)") + "; save it again")
    }

    /// `header.payload` bytes of elements lie at `offset` of the region.
    private init(region: ByteRegion, offset: Int, _ header: NPYHeader, path: String, channelsLast: Bool) throws {
        self.path = path
        let order = try ArrayOrder(header, channelsLast: channelsLast, path: path)
        shape = Shape(Array(order.dimensions.dropFirst()))
        let count = header.dimensions[0]
        var elements = (region: region, offset: offset)
        if !order.isPlain {
            try requireMemory(header.payload, path)
            elements = (try order.reorder(region, offset: offset, elementByteCount: header.type.byteCount, path: path), 0)
        }
        if let type = header.type.stored {
            samples = EncodedSamples(
                region: elements.region, offset: elements.offset, type: type, width: shape.count, count: count)
        } else {
            let converted = try ArrayConversion(header.type, elements.region, elements.offset, count * shape.count, path)
            samples = EncodedSamples(
                region: try converted.region(), offset: 0, type: converted.result, width: shape.count, count: count)
        }
    }
}

/// Refuses to take memory that isn't there.
func requireMemory(_ byteCount: Int, _ path: String) throws {
    // The system isn't asked for what any machine has.
    guard byteCount >= 16 << 20, let free = SystemMemory.availableByteCount(), byteCount > free else { return }
    throw Failure(
        .systemRefused,
        "\(path): it takes \(byteCount >> 20) MiB of memory, of which \(free >> 20) MiB are free; use a part of the data, "
            + "or more memory")
}
