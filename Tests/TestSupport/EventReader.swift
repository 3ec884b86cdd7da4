import Foundation

/// Reads event files of TensorBoard, for tests: framing with its checksums, and of the messages what dtrain writes. Nothing of it is
/// shared with the program, which must not agree with itself alone.
package enum EventReader {
    /// What is wrong with a file.
    package struct Damage: Error {
        package let text: String
    }

    package struct Event {
        package var wallTime = 0.0
        package var step = 0
        package var version: String?
        /// Whether it says that later steps of earlier files didn't happen.
        package var isStart = false
        package var values: [Value] = []
    }

    package struct Value {
        package var tag = ""
        package var scalar: Float?
        package var histogram: Histogram?
        package var image: Image?
        package var text: String?
        package var plugin = ""
        package var content: [UInt8] = []
    }

    package struct Histogram {
        package var least = 0.0, largest = 0.0, count = 0.0, sum = 0.0, sumOfSquares = 0.0
        package var limits: [Double] = [], counts: [Double] = []
    }

    package struct Image {
        package var width = 0, height = 0, channels = 0
        package var png: [UInt8] = []
    }

    /// The events of a file.
    package static func events(path: String) throws -> [Event] {
        try records(Array(Data(contentsOf: URL(fileURLWithPath: path)))).map(event)
    }

    /// The records of a file, whose checksums must be right and whose last one must be complete.
    package static func records(_ file: [UInt8]) throws -> [[UInt8]] {
        var records: [[UInt8]] = []
        var rest = file[...]
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw Damage(text: "ends within a record, at byte \(file.count)") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        func checked(_ bytes: ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
            guard try number(take(4)) == UInt64(mask(checksum(bytes))) else {
                throw Damage(text: "a wrong checksum before byte \(rest.startIndex)")
            }
            return bytes
        }
        while !rest.isEmpty {
            let length = number(try checked(take(8)))
            guard length <= UInt64(rest.count) else { throw Damage(text: "a record of \(length) bytes at \(rest.startIndex)") }
            records.append(Array(try checked(take(Int(length)))))
        }
        return records
    }

    /// CRC-32C bit by bit.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
        }
        return ~sum
    }

    private static func mask(_ sum: UInt32) -> UInt32 { (sum >> 15 | sum << 17) &+ 0xa282_ead8 }

    // MARK: - Messages

    private static func event(_ record: [UInt8]) throws -> Event {
        var event = Event()
        for field in try fields(record[...]) {
            switch field.number {
            case 1: event.wallTime = field.double
            case 2: event.step = Int(field.word)
            case 3: event.version = field.text
            case 5: event.values = try fields(field.bytes).map { try value($0.bytes) }
            case 7: event.isStart = try fields(field.bytes).contains { $0.number == 1 && $0.word == 1 }
            default: throw Damage(text: "field \(field.number) of an event")
            }
        }
        return event
    }

    private static func value(_ bytes: ArraySlice<UInt8>) throws -> Value {
        var value = Value()
        for field in try fields(bytes) {
            switch field.number {
            case 1: value.tag = field.text
            case 2: value.scalar = Float(bitPattern: UInt32(field.word))
            case 4:
                var image = Image()
                for part in try fields(field.bytes) {
                    switch part.number {
                    case 1: image.height = Int(part.word)
                    case 2: image.width = Int(part.word)
                    case 3: image.channels = Int(part.word)
                    default: image.png = Array(part.bytes)
                    }
                }
                value.image = image
            case 5: value.histogram = try histogram(field.bytes)
            case 8: value.text = try fields(field.bytes).first { $0.number == 8 }?.text
            case 9:
                for part in try fields(field.bytes).flatMap({ try fields($0.bytes) }) {
                    if part.number == 1 { value.plugin = part.text } else { value.content = Array(part.bytes) }
                }
            default: throw Damage(text: "field \(field.number) of a value")
            }
        }
        return value
    }

    private static func histogram(_ bytes: ArraySlice<UInt8>) throws -> Histogram {
        var histogram = Histogram()
        for field in try fields(bytes) {
            switch field.number {
            case 1: histogram.least = field.double
            case 2: histogram.largest = field.double
            case 3: histogram.count = field.double
            case 4: histogram.sum = field.double
            case 5: histogram.sumOfSquares = field.double
            case 6: histogram.limits = field.doubles
            default: histogram.counts = field.doubles
            }
        }
        return histogram
    }

    /// A field of a message: its number, and its value as a word or as bytes.
    package struct Field {
        package let number: Int
        package let word: UInt64
        package let bytes: ArraySlice<UInt8>

        package var double: Double { Double(bitPattern: word) }
        package var text: String { String(decoding: bytes, as: UTF8.self) }
        package var doubles: [Double] {
            stride(from: bytes.startIndex, to: bytes.endIndex - 7, by: 8).map { start in
                Double(bitPattern: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
            }
        }
    }

    /// The fields of a message of Protocol Buffers.
    package static func fields(_ message: ArraySlice<UInt8>) throws -> [Field] {
        var fields: [Field] = []
        var rest = message
        func varint() throws -> UInt64 {
            var number: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = rest.popFirst() else { throw Damage(text: "a message ends within a number") }
                number |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return number }
            }
            throw Damage(text: "a number of more than ten bytes")
        }
        func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
            guard count <= UInt64(rest.count) else { throw Damage(text: "a message ends within a field") }
            defer { rest = rest.dropFirst(Int(count)) }
            return rest.prefix(Int(count))
        }
        while !rest.isEmpty {
            let key = try varint()
            var word: UInt64 = 0
            var bytes: ArraySlice<UInt8> = []
            switch key & 7 {
            case 0: word = try varint()
            case 1: word = try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            case 2: bytes = try take(try varint())
            case 5: word = try take(4).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            default: throw Damage(text: "a field of form \(key & 7)")
            }
            fields.append(Field(number: Int(key >> 3), word: word, bytes: bytes))
        }
        return fields
    }
}
