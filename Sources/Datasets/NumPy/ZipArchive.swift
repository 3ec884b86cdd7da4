import Diagnostics

/// The directory of a ZIP file (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, version 6.3.10), with the long
/// sizes of ZIP64. Whatever it says is held against the bytes of the file before it is used.
struct ZipArchive {
    let path: String
    let region: ByteRegion
    let members: [ZipMember]

    /// More than any set of arrays has.
    private static let mostMembers = 4096
    private static let endByteCount = 22, locatorByteCount = 20

    /// Whether the content of a file begins like an archive.
    static func recognizes(_ path: String) throws -> Bool {
        try SourceFile(path: path).readBytes(4) == [0x50, 0x4B, 0x03, 0x04]
    }

    init(path: String) throws {
        let file = try SourceFile(path: path)
        guard !file.isCompressed, try file.readBytes(2) == [0x50, 0x4B] else {
            throw Failure(
                .badData,
                "\(path): not a file of arrays: expected a ZIP archive as numpy.savez writes it; a single array is "
                    + "read with data.format: npy")
        }
        let region = try file.map()
        self.path = path
        self.region = region
        members = try Self.members(Reader(region: region), path)
    }

    private static func members(_ bytes: Reader, _ path: String) throws -> [ZipMember] {
        guard let end = end(bytes), var count = bytes.number(end + 10, 2), var size = bytes.number(end + 12, 4),
            var start = bytes.number(end + 16, 4)
        else { throw damaged(path, "it has no directory at its end, as when it is truncated") }
        if count == 0xFFFF || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
            guard bytes.number(end - locatorByteCount, 4) == 0x0706_4B50,
                let long = bytes.number(end - locatorByteCount + 8, 8), bytes.number(long, 4) == 0x0606_4B50,
                let longCount = bytes.number(long + 32, 8), let longSize = bytes.number(long + 40, 8),
                let longStart = bytes.number(long + 48, 8)
            else { throw damaged(path, "the end of its directory can't be read") }
            (count, size, start) = (longCount, longSize, longStart)
        }
        guard count > 0 else { throw Failure(.badData, "\(path): an archive without a member; expected arrays in it") }
        guard count <= mostMembers else {
            throw Failure(.badData, "\(path): an archive of \(count) members; expected at most \(mostMembers)")
        }
        guard start <= bytes.count, size <= bytes.count - start else { throw damaged(path, "its directory lies outside of it") }
        var place = start
        var members: [ZipMember] = []
        var names: Set<String> = []
        for _ in 0..<count {
            guard let (member, next) = try member(bytes, at: place, end: start + size, path) else {
                throw damaged(path, "its directory can't be read")
            }
            guard names.insert(member.name).inserted else {
                throw damaged(path, "it has two members called \"\(shortened(member.name))\"")
            }
            members.append(member)
            place = next
        }
        return members
    }

    /// Where the end of the directory is told: in front of a comment, which is the last of the file.
    private static func end(_ bytes: Reader) -> Int? {
        let first = max(bytes.count - endByteCount - 0xFFFF, 0)
        guard bytes.count >= endByteCount else { return nil }
        for place in stride(from: bytes.count - endByteCount, through: first, by: -1)
        where bytes.number(place, 4) == 0x0605_4B50 && bytes.number(place + 20, 2) == bytes.count - place - endByteCount {
            return place
        }
        return nil
    }

    /// The member whose entry is at `place`, and where the next entry is; nil for what can't be read.
    private static func member(_ bytes: Reader, at place: Int, end: Int, _ path: String) throws -> (ZipMember, Int)? {
        guard bytes.number(place, 4) == 0x0201_4B50, let flags = bytes.number(place + 8, 2),
            let method = bytes.number(place + 10, 2), let sum = bytes.number(place + 16, 4),
            var packed = bytes.number(place + 20, 4), var size = bytes.number(place + 24, 4),
            let nameCount = bytes.number(place + 28, 2), let extraCount = bytes.number(place + 30, 2),
            let commentCount = bytes.number(place + 32, 2), var header = bytes.number(place + 42, 4)
        else { return nil }
        let extra = place + 46 + nameCount
        let next = extra + extraCount + commentCount
        guard next <= end, let name = bytes.text(place + 46, nameCount) else { return nil }
        // ZIP64: those of the three that don't fit in 32 bits, in this order.
        if let long = bytes.extraField(1, from: extra, count: extraCount) {
            var offset = long
            for value in [\Sizes.size, \.packed, \.header] {
                var sizes = Sizes(size: size, packed: packed, header: header)
                guard sizes[keyPath: value] == 0xFFFF_FFFF else { continue }
                guard let number = bytes.number(offset, 8) else { return nil }
                sizes[keyPath: value] = number
                (size, packed, header) = (sizes.size, sizes.packed, sizes.header)
                offset += 8
            }
        }
        guard flags & 1 == 0 else { throw damaged(path, "\"\(shortened(name))\" is encrypted; save it without a password") }
        guard method == 0 || method == 8 else {
            throw damaged(
                path, "\"\(shortened(name))\" is packed by method \(method); expected stored or deflated, as by NumPy")
        }
        guard bytes.number(header, 4) == 0x0403_4B50, let localName = bytes.number(header + 26, 2),
            let localExtra = bytes.number(header + 28, 2)
        else { return nil }
        let content = header + 30 + localName + localExtra
        guard content <= bytes.count, packed <= bytes.count - content else {
            throw damaged(path, "\"\(shortened(name))\" lies outside of it, as when it is truncated")
        }
        let isDeflated = method == 8
        // Deflate packs at most 1032 bytes into one.
        guard isDeflated ? size / 1032 <= packed : size == packed else {
            throw damaged(path, "\"\(shortened(name))\" promises \(size) bytes, more than its \(packed) bytes can hold")
        }
        return (
            ZipMember(name: name, isDeflated: isDeflated, start: content, packedCount: packed, count: size, sum: sum), next
        )
    }

    private struct Sizes { var size: Int, packed: Int, header: Int }

    private static func damaged(_ path: String, _ text: String) -> Failure {
        Failure(.badData, "\(path): the archive can't be used: \(text)")
    }

    /// Little-endian numbers, as far as there are bytes.
    private struct Reader {
        let region: ByteRegion
        var count: Int { region.count }

        func number(_ place: Int, _ size: Int) -> Int? {
            guard place >= 0, place <= count - size else { return nil }
            let value = (0..<size).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64(region.base.load(fromByteOffset: place + $1, as: UInt8.self))
            }
            return Int(exactly: value)
        }

        func text(_ place: Int, _ size: Int) -> String? {
            guard place >= 0, place <= count - size else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: region.base + place, count: size), as: UTF8.self)
        }

        /// Where the content of an extra field begins.
        func extraField(_ kind: Int, from start: Int, count: Int) -> Int? {
            var place = start
            while place + 4 <= start + count, let found = number(place, 2), let size = number(place + 2, 2) {
                if found == kind { return place + 4 }
                place += 4 + size
            }
            return nil
        }
    }
}
