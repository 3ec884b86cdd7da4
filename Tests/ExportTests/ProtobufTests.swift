import Export
import Testing

@Suite("Protocol Buffers")
struct ProtobufTests {
    private func bytes(_ message: ProtobufMessage) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try message.write { bytes += $0 }
        #expect(bytes.count == message.byteCount)
        return bytes
    }

    @Test("fields have the bytes of the specification")
    func fields() throws {
        var message = ProtobufMessage()
        message.add(1, integer: 150)
        #expect(try bytes(message) == [0x08, 0x96, 0x01])
        message.add(2, text: "testing")
        #expect(try bytes(message).suffix(9) == [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67])
        var outer = ProtobufMessage()
        var inner = ProtobufMessage()
        inner.add(1, integer: 150)
        outer.add(3, message: inner)
        #expect(try bytes(outer) == [0x1a, 0x03, 0x08, 0x96, 0x01])
        var numbers = ProtobufMessage()
        numbers.add(16, integer: -1)
        numbers.add(2, float: 1)
        let expected: [UInt8] = [0x80, 0x01] + [UInt8](repeating: 0xFF, count: 9) + [0x01, 0x15, 0, 0, 0x80, 0x3F]
        #expect(try bytes(numbers) == expected)
    }

    @Test("what is referred to stands where what is copied would, however deep")
    func memory() throws {
        let content = [UInt8](0..<200)
        try content.withUnsafeBytes { memory in
            var copied = ProtobufMessage()
            copied.add(9, bytes: content)
            copied.add(1, integer: 7)
            var referred = ProtobufMessage()
            referred.add(9, memory: memory)
            referred.add(1, integer: 7)
            for message in [copied, referred] {
                var middle = ProtobufMessage()
                middle.add(4, text: "in front")
                middle.add(5, message: message)
                var outer = ProtobufMessage()
                outer.append(middle)
                outer.add(6, integer: 1)
                let found = try bytes(outer)
                #expect(found.count == 10 + 3 + 3 + 200 + 2 + 2 && Array(found[16..<216]) == content)
            }
        }
    }
}
