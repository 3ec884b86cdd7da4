import TensorBoard
import TestSupport
import Testing

@Suite("Records of event files")
struct RecordFramingTests {
    @Test(
        "checksums are CRC-32C's, those of RFC 3720, appendix B.4",
        arguments: [
            ([UInt8](repeating: 0, count: 32), UInt32(0x8a91_36aa)),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
            ([UInt8](0..<32), 0x46dd_794e),
            (Array("123456789".utf8), 0xe306_9283),
            ([], 0)
        ] as [([UInt8], UInt32)])
    func checksums(_ bytes: [UInt8], expected: UInt32) {
        #expect(RecordFraming.checksum(bytes) == expected)
        #expect(RecordFraming.maskedChecksum(bytes) == (expected >> 15 | expected << 17) &+ 0xa282_ead8)
    }

    @Test("what is framed is read back, and a bit that is flipped anywhere is noticed")
    func framing() throws {
        let records: [[UInt8]] = [[1, 2, 3], [], Array(repeating: 7, count: 300)]
        var file: [UInt8] = []
        for record in records { RecordFraming.append(record, to: &file) }
        #expect(try EventReader.records(file) == records)
        for index in file.indices {
            var damaged = file
            damaged[index] ^= 1 << UInt8(index % 8)
            #expect(throws: EventReader.Damage.self) { try EventReader.records(damaged) }
        }
    }
}
