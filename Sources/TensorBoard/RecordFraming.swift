/// The framing of TFRecord files: a record is its length (eight bytes, little-endian), that length's checksum, the bytes, and their
/// checksum. (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details)
package enum RecordFraming {
    /// Appends a record.
    package static func append(_ record: [UInt8], to file: inout [UInt8]) {
        var length: [UInt8] = []
        append(UInt64(record.count), to: &length)
        file += length
        append(maskedChecksum(length), to: &file)
        file += record
        append(maskedChecksum(record), to: &file)
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// CRC-32C, turned and shifted, as the format has it: the checksum of bytes that hold checksums would be weak.
    package static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let checksum = checksum(bytes)
        return (checksum >> 15 | checksum << 17) &+ 0xa282_ead8
    }

    /// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] }
    }

    /// What a byte does to the sum: the polynomial with its bits turned around.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 0 ? sum >> 1 : sum >> 1 ^ 0x82f6_3b78 }
    }
}
