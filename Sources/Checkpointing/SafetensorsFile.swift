import Diagnostics
import Files
import Foundation

/// A safetensors file that is open for reading. Its header was checked against the file when it was opened; the
/// elements are read when they are copied out, so the file's size needs no memory.
///
/// It stays readable when the file is renamed or removed meanwhile. Every error is a `Failure` that names the file:
/// `.missingInput`, `.badData`, or `.inputOutput` if reading itself fails.
package final class SafetensorsFile: Sendable {
    /// A tensor as the header describes it.
    package struct Tensor: Equatable, Sendable {
        package let name: String
        package let type: Safetensors.ElementType
        package let shape: [Int]
        /// Where its bytes begin in the file.
        package let offset: Int
        package let byteCount: Int

        package var elementCount: Int { byteCount / type.byteCount }
    }

    package let path: String
    /// In the order of their bytes.
    package let tensors: [Tensor]
    package let byteCount: Int
    private let tensorsByName: [String: Tensor]
    private let input: InputFile

    /// Opens and checks a file.
    package convenience init(path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        try self.init(InputFile(path: path, fileSystem: fileSystem))
    }

    init(_ input: InputFile) throws {
        self.input = input
        path = input.path
        byteCount = input.byteCount
        tensors = try Self.readHeader(of: input)
        tensorsByName = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
    }

    /// The tensor of this name, if the file has it.
    package func tensor(named name: String) -> Tensor? { tensorsByName[name] }

    /// Copies a tensor of `F32`, or converts one of `F64` (rounded), `F16` or `BF16` (exactly).
    package func copy(_ name: String, into output: UnsafeMutableBufferPointer<Float>) throws {
        let tensor = try found(name, count: output.count)
        switch tensor.type {
        case .f32: try read(tensor, into: UnsafeMutableRawBufferPointer(output))
        case .f64: try convert(tensor, from: Double.self, into: output) { Float($0) }
        case .f16: try convert(tensor, from: UInt16.self, into: output) { Float(Float16(bitPattern: $0)) }
        case .bf16: try convert(tensor, from: UInt16.self, into: output) { Float(bitPattern: UInt32($0) << 16) }
        default: throw unsuitable(tensor, "F32, F64, F16 or BF16")
        }
    }

    /// Copies a tensor of `F64`.
    package func copy(_ name: String, into output: UnsafeMutableBufferPointer<Double>) throws {
        let tensor = try found(name, count: output.count)
        guard tensor.type == .f64 else { throw unsuitable(tensor, "F64") }
        try read(tensor, into: UnsafeMutableRawBufferPointer(output))
    }

    /// Copies a tensor of `I64`.
    package func copy(_ name: String, into output: UnsafeMutableBufferPointer<Int64>) throws {
        let tensor = try found(name, count: output.count)
        guard tensor.type == .i64 else { throw unsuitable(tensor, "I64") }
        try read(tensor, into: UnsafeMutableRawBufferPointer(output))
    }

    /// The elements as Float32, in memory of their own.
    package func floats(_ name: String) throws -> [Float] {
        let tensor = try found(name, count: nil)
        return try [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            try copy(name, into: UnsafeMutableBufferPointer(rebasing: buffer.prefix(tensor.elementCount)))
            count = tensor.elementCount
        }
    }

    /// The SHA-256 sum of the whole file.
    package func digest() throws -> String { try input.digest() }

    private func found(_ name: String, count: Int?) throws -> Tensor {
        guard let tensor = tensorsByName[name] else {
            throw Failure(.badData, "\(path): no tensor \"\(name)\" in this file"
                + suggestion(for: name, among: tensors.map(\.name)))
        }
        if let count, count != tensor.elementCount {
            throw Failure(.badData, "\(path): tensor \"\(name)\" is \(tensor.shape), \(tensor.elementCount) elements, "
                + "where \(count) are expected")
        }
        return tensor
    }

    private func unsuitable(_ tensor: Tensor, _ expected: String) -> Failure {
        Failure(.badData, "\(path): tensor \"\(tensor.name)\" is \(tensor.type.rawValue), expected \(expected)")
    }

    /// Fills `bytes` with those of a tensor, from byte `start` of it on.
    /// - Precondition: the tensor has that many.
    func read(_ tensor: Tensor, from start: Int = 0, into bytes: UnsafeMutableRawBufferPointer) throws {
        precondition(start >= 0 && start + bytes.count <= tensor.byteCount,
                     "bytes \(start) to \(start + bytes.count) of \(tensor.name), which has \(tensor.byteCount)")
        try input.read(into: bytes, at: tensor.offset + start)
    }

    /// Reads piece by piece and converts each element.
    private func convert<Stored: BitwiseCopyable>(_ tensor: Tensor, from type: Stored.Type,
                                                  into output: UnsafeMutableBufferPointer<Float>,
                                                  _ conversion: (Stored) -> Float) throws {
        let pieceCount = 16_384
        let size = MemoryLayout<Stored>.size
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceCount * size, alignment: 16)
        defer { piece.deallocate() }
        var start = 0
        while start < output.count {
            let count = min(pieceCount, output.count - start)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * size)])
            try input.read(into: bytes, at: tensor.offset + start * size)
            for i in 0..<count { output[start + i] = conversion(bytes.load(fromByteOffset: i * size, as: Stored.self)) }
            start += count
        }
    }
}

/// The header, checked against the length of the file.
extension SafetensorsFile {
    private static func readHeader(of input: InputFile) throws -> [Tensor] {
        let path = input.path
        func bad(_ what: String) -> Failure { Failure(.badData, "\(path): \(what)") }

        guard input.byteCount >= 8 else {
            throw bad("not a safetensors file: \(input.byteCount) bytes, and the length of the header takes 8")
        }
        let length = UInt64(littleEndian: try input.bytes(at: 0, count: 8).withUnsafeBytes {
            $0.loadUnaligned(as: UInt64.self)
        })
        guard length >= 2, length <= UInt64(Safetensors.largestHeader) else {
            throw bad("not a safetensors file: a header of \(length) bytes (2 to \(Safetensors.largestHeader))")
        }
        let dataStart = 8 + Int(length)
        // The first byte tells a file that was cut short from one of another kind.
        if input.byteCount > 8, try input.bytes(at: 8, count: 1) != [UInt8(ascii: "{")] {
            throw bad("not a safetensors file: the header doesn't begin with \"{\"")
        }
        guard dataStart <= input.byteCount else {
            throw bad("truncated: \(input.byteCount) bytes, and the header ends at byte \(dataStart)")
        }
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(try input.bytes(at: 8, count: Int(length))))
        } catch let error as DecodingError {
            throw bad("not a safetensors file: the header is wrong: \(explanation(of: error))")
        }
        return try check(header, dataStart: dataStart, dataBytes: input.byteCount - dataStart, bad)
    }

    private static func check(_ header: Header, dataStart: Int, dataBytes: Int,
                              _ bad: (String) -> Failure) throws -> [Tensor] {
        // By the place of their bytes; empty tensors, which share theirs with the next one, first.
        let entries = header.entries.sorted { a, b in
            if a.value.data_offsets == b.value.data_offsets { return a.key < b.key }
            return a.value.data_offsets.lexicographicallyPrecedes(b.value.data_offsets)
        }
        var tensors: [Tensor] = []
        var end = 0
        for (name, entry) in entries {
            guard let type = Safetensors.ElementType(rawValue: entry.dtype) else {
                throw bad("tensor \"\(name)\" is of unknown type \"\(entry.dtype)\"")
            }
            guard let bytes = Safetensors.byteCount(of: entry.shape, elementBytes: type.byteCount) else {
                throw bad("tensor \"\(name)\" has the impossible shape \(entry.shape)")
            }
            guard entry.data_offsets.count == 2 else {
                throw bad("tensor \"\(name)\" has \(entry.data_offsets.count) data_offsets, expected begin and end")
            }
            guard entry.data_offsets[0] == end else {
                throw bad("tensor \"\(name)\" begins at byte \(entry.data_offsets[0]) of the data, where byte \(end) "
                    + "is next: a gap or an overlap")
            }
            let (next, overflow) = end.addingReportingOverflow(bytes)
            guard !overflow, entry.data_offsets[1] == next else {
                throw bad("tensor \"\(name)\" of \(entry.shape) \(entry.dtype) takes \(bytes) bytes, but its offsets "
                    + "are \(entry.data_offsets[0]) to \(entry.data_offsets[1])")
            }
            guard next <= dataBytes else {
                throw bad("truncated: tensor \"\(name)\" ends at byte \(next) of the data, of which there are "
                    + "\(dataBytes)")
            }
            tensors.append(Tensor(name: name, type: type, shape: entry.shape, offset: dataStart + end,
                                  byteCount: bytes))
            end = next
        }
        guard end == dataBytes else {
            throw bad("\(dataBytes - end) bytes follow the last tensor, which ends at byte \(end) of the data")
        }
        return tensors
    }

    /// What the decoder has to say, in one line.
    private static func explanation(of error: DecodingError) -> String {
        switch error {
        case .dataCorrupted: "it is not JSON"
        case .keyNotFound(let key, let context): "\(place(context)) has no \"\(key.stringValue)\""
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(place(context)) is of the wrong kind"
        @unknown default: "it can't be read"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        context.codingPath.isEmpty ? "the whole" : "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\""
    }
}

/// The header as JSON: tensors by name, beside metadata of any kind.
private struct Header: Decodable {
    struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        // Named as in the file.
        let data_offsets: [Int]
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { return nil }
    }

    var entries: [String: Entry] = [:]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        for name in container.allKeys where name.stringValue != Safetensors.metadataKey {
            entries[name.stringValue] = try container.decode(Entry.self, forKey: name)
        }
    }
}
