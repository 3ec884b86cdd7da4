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
    private let indices: [String: Int]
    private let input: InputFile

    /// Opens and checks a file.
    package convenience init(path: String, fileSystem: any FileSystem = PosixFileSystem()) throws {
        try self.init(InputFile(path: path, fileSystem: fileSystem))
    }

    init(_ input: InputFile) throws {
        self.input = input
        path = input.path
        byteCount = input.byteCount
        (tensors, indices) = try SafetensorsHeader.read(from: input)
    }

    /// The tensor of this name, if the file has it.
    package func tensor(named name: String) -> Tensor? { indices[name].map { tensors[$0] } }

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

    /// Whether two tensors of the file are the same bits in the same shape.
    package func holdsEqual(_ name: String, _ other: String) throws -> Bool {
        let (first, second) = (try found(name, count: nil), try found(other, count: nil))
        guard first.type == second.type, first.shape == second.shape else { return false }
        let pieces = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { pieces.deallocate() }
        let half = pieces.count / 2
        for start in stride(from: 0, to: first.byteCount, by: half) {
            let count = min(half, first.byteCount - start)
            let a = UnsafeMutableRawBufferPointer(rebasing: pieces[..<count])
            let b = UnsafeMutableRawBufferPointer(rebasing: pieces[half..<half + count])
            try read(first, from: start, into: a)
            try read(second, from: start, into: b)
            if !a.elementsEqual(b) { return false }
        }
        return true
    }

    /// The SHA-256 sum of the whole file.
    package func digest() throws -> String { try input.digest() }

    private func found(_ name: String, count: Int?) throws -> Tensor {
        guard let tensor = tensor(named: name) else {
            throw Failure(
                .badData,
                "\(path): no tensor \"\(name)\" in this file"
                    + suggestion(for: name, among: tensors.map(\.name)))
        }
        if let count, count != tensor.elementCount {
            throw Failure(
                .badData,
                "\(path): tensor \"\(name)\" is \(tensor.shape), \(tensor.elementCount) elements, "
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
        precondition(
            start >= 0 && start + bytes.count <= tensor.byteCount,
            "bytes \(start) to \(start + bytes.count) of \(tensor.name), which has \(tensor.byteCount)")
        try input.read(into: bytes, at: tensor.offset + start)
    }

    /// Reads piece by piece and converts each element.
    private func convert<Stored: BitwiseCopyable>(
        _ tensor: Tensor, from type: Stored.Type,
        into output: UnsafeMutableBufferPointer<Float>,
        _ conversion: (Stored) -> Float
    ) throws {
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
