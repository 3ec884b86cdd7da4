import Export
import Testing

/// Archives byte by byte, as the format's document has them.
@Suite("Archives of NumPy")
struct NumPyArchiveTests {
    private static func number(_ file: [UInt8], _ place: Int, _ count: Int) -> Int {
        file[place..<place + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// CRC-32 (ISO 3309), bit by bit.
    private static func sum(_ content: ArraySlice<UInt8>) -> Int {
        var sum: UInt32 = .max
        for byte in content {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return Int(~sum)
    }

    @Test("members have their names, shapes, sums and numbers, also with the long sizes of ZIP64", arguments: [0xFFFF_FFFF, 0])
    func members(_ largest: Int) throws {
        let numbers: [Float] = (0..<24).map { Float($0) / 3 }
        let shapes = [("0.weight", [2, 3, 4], "(2, 3, 4)"), ("0.bias", [24], "(24,)"), ("steps", [], "()")]
        var file: [UInt8] = []
        try numbers.withUnsafeBufferPointer { numbers in
            let arrays = shapes.map { name, shape, _ in
                ArchivedArray(
                    name: name, shape: shape, values: UnsafeBufferPointer(rebasing: numbers[..<shape.reduce(1, *)]))
            }
            try NumPyArchive.encode(arrays, largest: largest) { file += $0 }
        }
        let isWide = largest == 0
        let end = file.count - 22
        #expect(Self.number(file, end, 4) == 0x0605_4b50 && Self.number(file, end + 10, 2) == 3)
        var directory = Self.number(file, end + 16, 4)
        if isWide {
            #expect(directory == 0xFFFF_FFFF && Self.number(file, end - 20, 4) == 0x0706_4b50)
            let wide = Self.number(file, end - 12, 8)
            #expect(Self.number(file, wide, 4) == 0x0606_4b50 && Self.number(file, wide + 32, 8) == 3)
            directory = Self.number(file, wide + 48, 8)
        }
        for (name, shape, written) in shapes {
            #expect(Self.number(file, directory, 4) == 0x0201_4b50)
            let length = Self.number(file, directory + 28, 2), extra = Self.number(file, directory + 30, 2)
            let names = directory + 46
            #expect(String(decoding: file[names..<names + length], as: UTF8.self) == name + ".npy")
            var size = Self.number(file, directory + 24, 4), offset = Self.number(file, directory + 42, 4)
            if isWide {
                #expect(size == 0xFFFF_FFFF && offset == 0xFFFF_FFFF && extra == 28)
                size = Self.number(file, names + length + 4, 8)
                offset = Self.number(file, names + length + 20, 8)
            }
            #expect(Self.number(file, offset, 4) == 0x0403_4b50)
            let start = offset + 30 + Self.number(file, offset + 26, 2) + Self.number(file, offset + 28, 2)
            let content = file[start..<start + size]
            #expect(
                Self.number(file, directory + 16, 4) == Self.sum(content)
                    && Self.number(file, offset + 14, 4) == Self.sum(content))
            let head = 10 + Self.number(file, start + 8, 2)
            let text = String(decoding: content[(start + 10)..<(start + head)], as: UTF8.self)
            #expect(text.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': \(written), }") && text.hasSuffix("\n"))
            let bytes = Array(numbers[..<shape.reduce(1, *)]).withUnsafeBytes(Array.init)
            #expect(head % 64 == 0 && Array(content.dropFirst(head)) == bytes)
            directory = names + length + extra
        }
        #expect(directory == end - (isWide ? 76 : 0))
    }
}
