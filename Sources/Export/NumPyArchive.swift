import CZlib
import Files

/// An array of Float32 to be written into an archive.
package struct ArchivedArray {
    /// Without `.npy`.
    let name: String
    let shape: [Int]
    let values: UnsafeBufferPointer<Float>

    /// - Precondition: as many values as the shape says.
    package init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
        precondition(shape.reduce(1, *) == values.count, "\(name): \(values.count) numbers of shape \(shape)")
        self.name = name
        self.shape = shape
        self.values = values
    }

    /// What stands in front of the numbers of a file of NumPy's format, version 1
    /// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), filled up with blanks to a multiple of 64 bytes.
    fileprivate var header: [UInt8] {
        let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(dimensions)), }"
        let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
        return [0x93] + Array("NUMPY".utf8) + [1, 0] + bytes(length, 2) + Array(text.utf8)
            + [UInt8](repeating: UInt8(ascii: " "), count: length - text.utf8.count - 1) + [UInt8(ascii: "\n")]
    }
}

/// NumPy's `.npz`: a ZIP archive (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT) whose members are not compressed.
package enum NumPyArchive {
    /// A member that is written.
    private struct Member {
        let name: [UInt8]
        let size: Int, offset: Int
        let checksum: UInt32
    }

    /// Hands over the bytes of an archive, in order; the same arrays give the same bytes.
    ///
    /// - Parameter largest: sizes and places from here on are written in 64 bits, as ZIP64 has them; smaller ones than the default are
    ///   for tests.
    package static func encode(_ arrays: [ArchivedArray], largest: Int = 0xFFFF_FFFF, to sink: ByteSink) throws {
        var place = 0
        func write(_ bytes: [UInt8]) throws {
            try bytes.withUnsafeBytes(sink)
            place += bytes.count
        }
        var members: [Member] = []
        for array in arrays {
            let header = array.header
            let numbers = UnsafeRawBufferPointer(array.values)
            let member = Member(
                name: Array((array.name + ".npy").utf8), size: header.count + numbers.count, offset: place,
                checksum: checksum(numbers, behind: checksum(header)))
            members.append(member)
            let isLarge = member.size >= largest
            let sizes = isLarge ? bytes(1, 2) + bytes(16, 2) + bytes(member.size, 8) + bytes(member.size, 8) : []
            try write(
                bytes(0x0403_4b50, 4) + common(member, isLarge: isLarge) + bytes(member.name.count, 2) + bytes(sizes.count, 2)
                    + member.name + sizes)
            try write(header)
            if !numbers.isEmpty { try sink(numbers) }
            place += numbers.count
        }
        let start = place
        for member in members {
            let isLarge = member.size >= largest
            let isFar = member.offset >= largest
            let wide = (isLarge ? [member.size, member.size] : []) + (isFar ? [member.offset] : [])
            let extra = wide.isEmpty ? [] : bytes(1, 2) + bytes(8 * wide.count, 2) + wide.flatMap { bytes($0, 8) }
            // Made on Unix, a file that its owner may write.
            try write(
                bytes(0x0201_4b50, 4) + bytes(3 << 8 | 45, 2) + common(member, isLarge: isLarge)
                    + bytes(member.name.count, 2) + bytes(extra.count, 2) + bytes(0, 2) + bytes(0, 2) + bytes(0, 2)
                    + bytes(0o100644 << 16, 4) + bytes(isFar ? 0xFFFF_FFFF : member.offset, 4) + member.name + extra)
        }
        let size = place - start
        let isWide = members.contains { $0.size >= largest || $0.offset >= largest }
        if isWide || start >= largest || members.count >= 0xFFFF {
            let end = place
            try write(
                bytes(0x0606_4b50, 4) + bytes(44, 8) + bytes(3 << 8 | 45, 2) + bytes(45, 2) + bytes(0, 4) + bytes(0, 4)
                    + bytes(members.count, 8) + bytes(members.count, 8) + bytes(size, 8) + bytes(start, 8)
                    + bytes(0x0706_4b50, 4) + bytes(0, 4) + bytes(end, 8) + bytes(1, 4))
        }
        let count = min(members.count, 0xFFFF)
        try write(
            bytes(0x0605_4b50, 4) + bytes(0, 2) + bytes(0, 2) + bytes(count, 2) + bytes(count, 2)
                + bytes(min(size, 0xFFFF_FFFF), 4) + bytes(start >= largest ? 0xFFFF_FFFF : start, 4) + bytes(0, 2))
    }

    /// What the two headers of a member share: version, UTF-8 names, no compression, the first time there is, checksum and sizes.
    private static func common(_ member: Member, isLarge: Bool) -> [UInt8] {
        let size = isLarge ? 0xFFFF_FFFF : member.size
        return bytes(45, 2) + bytes(0x800, 2) + bytes(0, 2) + bytes(0, 2) + bytes(0x21, 2) + bytes(Int(member.checksum), 4)
            + bytes(size, 4) + bytes(size, 4)
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { checksum($0, behind: 0) } }

    private static func checksum(_ bytes: UnsafeRawBufferPointer, behind sum: UInt32) -> UInt32 {
        var sum = UInt(sum)
        var rest = bytes
        // zlib counts in 32 bits.
        while !rest.isEmpty {
            let part = rest.prefix(1 << 30)
            let memory = UnsafeRawBufferPointer(rebasing: part)
            sum = crc32(sum, memory.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(memory.count))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
        }
        return UInt32(sum)
    }
}

/// The lowest bytes of a number, the lowest first.
private func bytes(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}
