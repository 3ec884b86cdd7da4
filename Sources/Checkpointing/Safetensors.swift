import Diagnostics
import Files

/// The file format of tensors that PyTorch's world exchanges (https://github.com/huggingface/safetensors): the length
/// of the header in 8 bytes, little-endian; the header, JSON of `{"name": {"dtype": "F32", "shape": [2, 3],
/// "data_offsets": [begin, end]}, …}`; the bytes of all tensors without gaps, little-endian, rows first.
package enum Safetensors {
    /// The types of elements, by the names of the format. dtrain writes `F32`, `F64` and `I64`.
    package enum ElementType: String, Sendable, CaseIterable {
        case bool = "BOOL", u8 = "U8", i8 = "I8", f8e5m2 = "F8_E5M2", f8e4m3 = "F8_E4M3"
        case i16 = "I16", u16 = "U16", f16 = "F16", bf16 = "BF16"
        case i32 = "I32", u32 = "U32", f32 = "F32"
        case i64 = "I64", u64 = "U64", f64 = "F64"

        /// Bytes of one element.
        package var byteCount: Int {
            switch self {
            case .bool, .u8, .i8, .f8e5m2, .f8e4m3: 1
            case .i16, .u16, .f16, .bf16: 2
            case .i32, .u32, .f32: 4
            case .i64, .u64, .f64: 8
            }
        }
    }

    /// Headers above this are refused, as the format's own library does.
    package static let largestHeader = 100_000_000

    /// Elements of a shape times `elementBytes`, or nil if that is no `Int` or a length is negative.
    static func byteCount(of shape: [Int], elementBytes: Int) -> Int? {
        var product = elementBytes
        for length in shape {
            let (next, overflow) = product.multipliedReportingOverflow(by: length)
            if overflow || length < 0 { return nil }
            product = next
        }
        return product
    }
}

/// A tensor to be written: a name, a shape, and memory.
package struct TensorSource: @unchecked Sendable {
    // Sendable: the bytes are only read, and whoever hands them to a writer leaves them alone until it returns.

    package let name: String
    package let shape: [Int]
    package let type: Safetensors.ElementType
    package let bytes: UnsafeRawBufferPointer

    /// - Precondition: `bytes` are as many as shape and type ask for.
    package init(name: String, shape: [Int], type: Safetensors.ElementType = .f32, bytes: UnsafeRawBufferPointer) {
        precondition(
            Safetensors.byteCount(of: shape, elementBytes: type.byteCount) == bytes.count,
            "tensor \(name) of \(shape) \(type.rawValue) has \(bytes.count) bytes")
        self.name = name
        self.shape = shape
        self.type = type
        self.bytes = bytes
    }

    /// A tensor of Float32.
    package init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
        self.init(name: name, shape: shape, bytes: UnsafeRawBufferPointer(values))
    }
}

extension Safetensors {
    /// Gives the bytes of a file to `sink`, in order and canonical: the same tensors in the same order give the same
    /// bytes, and nothing else is in the file but `metadata` behind `{"format": "pt"}`, which PyTorch's loaders ask for.
    ///
    /// Wider elements come first, else the order is the given one: so every tensor lies on a multiple of its element
    /// size, as readers that map the file need it.
    package static func encode(_ tensors: [TensorSource], metadata: [(String, String)] = [], to sink: ByteSink) throws {
        let ordered = [8, 4, 2, 1].flatMap { width in tensors.filter { $0.type.byteCount == width } }
        let header = header(of: ordered, metadata)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try (length + header).withUnsafeBytes(sink)
        for tensor in ordered where !tensor.bytes.isEmpty { try sink(tensor.bytes) }
    }

    /// The SHA-256 sum that the file of these tensors has.
    package static func digest(of tensors: [TensorSource]) throws -> String {
        var sum = try SHA256()
        try encode(tensors) { try sum.update($0) }
        return try sum.finish()
    }

    /// The JSON of the header, filled with spaces to a multiple of 8 bytes.
    private static func header(of tensors: [TensorSource], _ metadata: [(String, String)]) -> [UInt8] {
        precondition(
            Set(tensors.map(\.name)).count == tensors.count && !tensors.contains { $0.name == metadataKey },
            "two tensors of one name in \(tensors.map(\.name))")
        let more = metadata.map { ",\(quoted($0.0)):\(quoted($0.1))" }.joined()
        var text = "{\(quoted(metadataKey)):{\"format\":\"pt\"\(more)}"
        var begin = 0
        for tensor in tensors {
            let end = begin + tensor.bytes.count
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            text += ",\(quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
            text += "\"data_offsets\":[\(begin),\(end)]}"
            begin = end
        }
        text += "}"
        let bytes = Array(text.utf8)
        return bytes + [UInt8](repeating: UInt8(ascii: " "), count: (8 - bytes.count % 8) % 8)
    }

    /// A JSON string (RFC 8259, section 7). One spelling for each text, hence not Foundation's, which may change.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{00}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    static let metadataKey = "__metadata__"
}
