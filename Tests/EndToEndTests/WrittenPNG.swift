/// PNG files that owe nothing to libpng or zlib: bytes after the specifications of PNG (W3C, 2003), zlib (RFC 1950) and deflate
/// (RFC 1951), with rows of all five filters and nothing packed.
enum WrittenPNG {
    /// A grey image of 8 bits.
    ///
    /// - Parameter filter: of the first row; the others have the next ones in turn.
    static func grey(_ pixels: [UInt8], width: Int, filter: Int = 0) -> [UInt8] {
        let height = pixels.count / width
        var lines: [UInt8] = []
        for row in 0..<height {
            let kind = (row + filter) % 5
            lines.append(UInt8(kind))
            for column in 0..<width {
                let left = column > 0 ? pixels[row * width + column - 1] : 0
                let above = row > 0 ? pixels[(row - 1) * width + column] : 0
                let corner = row > 0 && column > 0 ? pixels[(row - 1) * width + column - 1] : 0
                let foreseen = [0, left, above, UInt8((Int(left) + Int(above)) / 2), paeth(left, above, corner)][kind]
                lines.append(pixels[row * width + column] &- foreseen)
            }
        }
        return file(width: width, height: height, colour: 0, data: stored(lines))
    }

    /// The file of a header and what stands in its `IDAT`.
    static func file(width: Int, height: Int, colour: UInt8, data: [UInt8]) -> [UInt8] {
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", long(width) + long(height) + [8, colour, 0, 0, 0])
            + chunk("IDAT", data) + chunk("IEND", [])
    }

    private static func paeth(_ left: UInt8, _ above: UInt8, _ corner: UInt8) -> UInt8 {
        let estimate = Int(left) + Int(above) - Int(corner)
        let distances = [left, above, corner].map { abs(estimate - Int($0)) }
        if distances[0] <= distances[1] && distances[0] <= distances[2] { return left }
        return distances[1] <= distances[2] ? above : corner
    }

    /// A zlib stream of one block that isn't packed; up to 65,535 bytes.
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var (first, second) = (1, 0)
        for byte in bytes {
            first = (first + Int(byte)) % 65521
            second = (second + first) % 65521
        }
        let count = [UInt8(bytes.count & 255), UInt8(bytes.count >> 8)]
        return [0x78, 0x01, 1] + count + count.map { ~$0 } + bytes + long(second << 16 | first)
    }

    private static func chunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(kind.utf8) + content
        var sum: UInt32 = .max
        for byte in body {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return long(content.count) + body + long(Int(~sum))
    }

    private static func long(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) } }
}
