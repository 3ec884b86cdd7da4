import Diagnostics
import Files
import Storage

/// A file in IDX format (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type, the number of dimensions, their
/// sizes as big-endian 32-bit numbers, then the elements, the last dimension fastest. The first dimension counts
/// samples.
struct IDXFile: EncodedFile {
    let path: String
    /// The shape of one sample: all dimensions but the first.
    let shape: Shape
    let samples: EncodedSamples

    /// Maps the file, or inflates it straight into its place. Every size is checked before it is used.
    init(path: String) throws {
        let file = try SourceFile(path: path)
        let magic = try file.readBytes(4)
        guard Self.isMagic(magic), let type = magic.dropFirst(2).first.flatMap(ElementType.init(idxCode:)) else {
            throw Self.wrongMagic(magic, path: path)
        }
        let headerSize = 4 + 4 * Int(magic[3])
        let sizes = try file.readBytes(headerSize - 4)
        guard sizes.count == headerSize - 4 else {
            throw Failure(
                .badData,
                "\(path): truncated in its header: expected \(headerSize) bytes, found "
                    + "\(sizes.count + 4); fetch the file again")
        }
        let dimensions = stride(from: 0, to: sizes.count, by: 4).map { start in
            sizes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        }
        let written = dimensions.map(String.init).joined(separator: "×")
        guard dimensions[0] > 0 else { throw Failure(.badData, "\(path): an empty set: its header counts 0 samples") }
        guard dimensions[0] <= Int(Int32.max), !dimensions.contains(0) else {
            throw Failure(
                .badData,
                "\(path): the header gives the sizes \(written); expected sizes above 0 and at most "
                    + "\(Int32.max) samples")
        }
        var payload = type.byteCount
        var overflows = false
        for dimension in dimensions {
            let product = payload.multipliedReportingOverflow(by: dimension)
            payload = product.partialValue
            overflows = overflows || product.overflow
        }
        // A promise that the file can't keep, however well it is packed, is refused before memory is asked for.
        guard !overflows, payload <= Int.max - headerSize, !file.isCompressed || payload <= file.largestContent else {
            throw Failure(
                .badData,
                "\(path): truncated: the header promises \(written) elements of "
                    + "\(type.byteCount) bytes, more than \(file.byteCount) bytes on disk can hold; fetch the file again")
        }
        // The system isn't asked for what any machine has.
        if file.isCompressed, payload >= 16 << 20, let free = SystemMemory.availableByteCount(), payload > free {
            throw Failure(
                .systemRefused,
                "\(path): the header promises \(written) elements of \(type.byteCount) bytes, but "
                    + "\(free >> 20) MiB of memory are free; unpack the file, so that it is read where it lies")
        }
        let promise = "the header promises \(written) elements of \(type.byteCount) byte\(type.byteCount == 1 ? "" : "s")"
        self.path = path
        shape = Shape(Array(dimensions.dropFirst()))
        if file.isCompressed {
            let region = try ByteRegion(count: payload, name: path) { buffer in
                let found = try file.read(into: buffer)
                guard found == payload else {
                    throw Failure(
                        .badData,
                        "\(path): truncated: \(promise), expected \(headerSize + payload) bytes "
                            + "of content, found \(headerSize + found); fetch the file again")
                }
                guard try file.readBytes(1).isEmpty else {
                    throw Failure(
                        .badData,
                        "\(path): oversized: \(promise), expected \(headerSize + payload) bytes "
                            + "of content, found more")
                }
            }
            samples = EncodedSamples(region: region, offset: 0, type: type, width: shape.count, count: dimensions[0])
        } else {
            guard file.byteCount == headerSize + payload else {
                let word = file.byteCount < headerSize + payload ? "truncated" : "oversized"
                throw Failure(
                    .badData,
                    "\(path): \(word): \(promise), expected \(headerSize + payload) bytes, found "
                        + "\(file.byteCount)")
            }
            samples = EncodedSamples(
                region: try file.map(), offset: headerSize, type: type, width: shape.count,
                count: dimensions[0])
        }
    }

    /// Whether the content of the file at `path` begins like IDX.
    static func recognizes(_ path: String) throws -> Bool { isMagic(try SourceFile(path: path).readBytes(4)) }

    private static func isMagic(_ bytes: [UInt8]) -> Bool {
        bytes.count == 4 && bytes[0] == 0 && bytes[1] == 0 && ElementType(idxCode: bytes[2]) != nil
            && (1...8).contains(bytes[3])
    }

    private static func wrongMagic(_ bytes: [UInt8], path: String) -> Failure {
        guard bytes.count == 4 else {
            return Failure(
                .badData,
                "\(path): \(bytes.isEmpty ? "empty" : "truncated"): expected an IDX file, found "
                    + "\(bytes.count) bytes")
        }
        let digits = bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined(separator: " ")
        return Failure(
            .badData,
            "\(path): not an IDX file: expected it to begin with 00 00, a type from 08 to 0e and "
                + "1 to 8 dimensions, found \(digits)")
    }
}
