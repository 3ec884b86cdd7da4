/// A message in Protocol Buffers' wire format, built field by field: all that event files need of it. A field is its number and the
/// form of its value, then the value. (https://protobuf.dev/programming-guides/encoding)
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    /// The forms of values.
    private enum Form: UInt64 {
        case varint = 0, eightBytes = 1, counted = 2, fourBytes = 5
    }

    private mutating func key(_ field: UInt64, _ form: Form) { varint(field << 3 | form.rawValue) }

    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func littleEndian<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// An `int32`, `int64`, `bool` or an enumeration.
    mutating func add(_ field: UInt64, _ number: Int) {
        key(field, .varint)
        varint(UInt64(bitPattern: Int64(number)))
    }

    /// A `double`.
    mutating func add(_ field: UInt64, _ number: Double) {
        key(field, .eightBytes)
        littleEndian(number.bitPattern)
    }

    /// A `float`.
    mutating func add(_ field: UInt64, _ number: Float) {
        key(field, .fourBytes)
        littleEndian(number.bitPattern)
    }

    /// A `repeated double`, packed.
    mutating func add(_ field: UInt64, _ numbers: [Double]) {
        key(field, .counted)
        varint(UInt64(numbers.count * 8))
        for number in numbers { littleEndian(number.bitPattern) }
    }

    /// A `string`.
    mutating func add(_ field: UInt64, _ text: String) { add(field, Array(text.utf8)) }

    /// `bytes`.
    mutating func add(_ field: UInt64, _ content: [UInt8]) {
        key(field, .counted)
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }

    /// A message within the message.
    mutating func add(_ field: UInt64, _ build: (inout ProtobufMessage) -> Void) {
        var message = ProtobufMessage()
        build(&message)
        add(field, message.bytes)
    }
}
