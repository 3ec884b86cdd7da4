import Files

/// A message in the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/), to be written: fields of a
/// number and a kind, one behind the other. Large contents are referred to, not copied.
package struct ProtobufMessage {
    private enum Part {
        case bytes([UInt8])
        /// Invariant: readable until the message is written; whoever adds it sees to that.
        case memory(UnsafeRawBufferPointer)
    }

    private var parts: [Part] = []
    /// The bytes behind the parts.
    private var open: [UInt8] = []
    /// How many bytes the message has.
    package private(set) var byteCount = 0

    package init() {}

    // MARK: - Fields

    /// A whole number, also of an enumeration.
    package mutating func add(_ field: Int, integer: Int) {
        key(field, kind: 0)
        variable(UInt64(bitPattern: Int64(integer)))
    }

    package mutating func add(_ field: Int, float: Float) {
        key(field, kind: 5)
        append((0..<4).map { UInt8(truncatingIfNeeded: float.bitPattern >> (8 * $0)) })
    }

    package mutating func add(_ field: Int, text: String) { add(field, bytes: Array(text.utf8)) }

    package mutating func add(_ field: Int, bytes: [UInt8]) {
        key(field, kind: 2)
        variable(UInt64(bytes.count))
        append(bytes)
    }

    /// Bytes that are read when the message is written.
    package mutating func add(_ field: Int, memory: UnsafeRawBufferPointer) {
        key(field, kind: 2)
        variable(UInt64(memory.count))
        close()
        parts.append(.memory(memory))
        byteCount += memory.count
    }

    package mutating func add(_ field: Int, message: ProtobufMessage) {
        key(field, kind: 2)
        variable(UInt64(message.byteCount))
        close()
        parts += message.parts
        open = message.open
        byteCount += message.byteCount
    }

    /// The fields of another message behind its own, as of one message.
    package mutating func append(_ other: ProtobufMessage) {
        close()
        parts += other.parts
        open = other.open
        byteCount += other.byteCount
    }

    // MARK: - Bytes

    /// Hands over all bytes, in order.
    package func write(to sink: ByteSink) throws {
        for part in parts {
            switch part {
            case .bytes(let bytes): try bytes.withUnsafeBytes(sink)
            case .memory(let memory): if !memory.isEmpty { try sink(memory) }
            }
        }
        if !open.isEmpty { try open.withUnsafeBytes(sink) }
    }

    private mutating func close() {
        if !open.isEmpty { parts.append(.bytes(open)) }
        open = []
    }

    private mutating func append(_ bytes: [UInt8]) {
        open += bytes
        byteCount += bytes.count
    }

    private mutating func key(_ field: Int, kind: Int) { variable(UInt64(field << 3 | kind)) }

    /// Seven bits a byte, the lowest first; the highest bit says that another byte follows.
    private mutating func variable(_ number: UInt64) {
        var rest = number
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(bytes + [UInt8(rest)])
    }
}
