/// How a camera was held, as EXIF says it (JEITA CP-3451, tag 0x0112): 1 is upright, 2 to 8 are mirrored or turned.
struct ImageOrientation: Equatable {
    let code: Int
    static let upright = ImageOrientation(code: 1)

    /// Whether rows become columns.
    var swapsSides: Bool { code >= 5 }

    private init(code: Int) { self.code = code }

    /// What the bytes of a PNG or JPEG say; upright where they say nothing that can be read.
    init(of bytes: [UInt8]) {
        let block = bytes.starts(with: ImageFile.pngMagic) ? Self.blockOfPNG(bytes) : Self.blockOfJPEG(bytes)
        self = block.flatMap(Self.code).map { ImageOrientation(code: $0) } ?? .upright
    }

    /// The content of the chunk `eXIf`.
    private static func blockOfPNG(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
        var place = 8
        while let length = number(bytes[...], place, 4, isLittle: false), place + 12 + length <= bytes.count {
            if bytes[place + 4..<place + 8].elementsEqual("eXIf".utf8) { return bytes[place + 8..<place + 8 + length] }
            place += 12 + length
        }
        return nil
    }

    /// The content of the first segment APP1 that begins with `Exif`.
    private static func blockOfJPEG(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
        var place = 2
        while let marker = number(bytes[...], place, 2, isLittle: false), marker >> 8 == 0xFF,
            let length = number(bytes[...], place + 2, 2, isLittle: false), length >= 2, place + 2 + length <= bytes.count
        {
            // The pixels begin.
            if marker == 0xFFDA { return nil }
            let content = bytes[place + 4..<place + 2 + length]
            if marker == 0xFFE1, content.starts(with: Array("Exif".utf8) + [0, 0]) { return content.dropFirst(6) }
            place += 2 + length
        }
        return nil
    }

    /// The orientation in the first directory of a TIFF block.
    private static func code(_ block: ArraySlice<UInt8>) -> Int? {
        let block = Array(block)[...]
        let isLittle = block.starts(with: Array("II".utf8))
        guard isLittle || block.starts(with: Array("MM".utf8)), let start = number(block, 4, 4, isLittle: isLittle),
            let count = number(block, start, 2, isLittle: isLittle)
        else { return nil }
        for entry in 0..<count {
            let place = start + 2 + 12 * entry
            guard let tag = number(block, place, 2, isLittle: isLittle) else { return nil }
            if tag == 0x0112 {
                let code = number(block, place + 8, 2, isLittle: isLittle)
                return code.flatMap { (1...8).contains($0) ? $0 : nil }
            }
        }
        return nil
    }

    private static func number(_ bytes: ArraySlice<UInt8>, _ place: Int, _ size: Int, isLittle: Bool) -> Int? {
        guard place >= 0, place <= bytes.count - size else { return nil }
        let part = bytes[bytes.startIndex + place..<bytes.startIndex + place + size]
        return (isLittle ? Array(part.reversed()) : Array(part)).reduce(0) { $0 << 8 | Int($1) }
    }
}

extension PixelImage {
    /// The image as it is seen upright.
    func upright(_ orientation: ImageOrientation) -> PixelImage {
        guard orientation != .upright else { return self }
        let swaps = orientation.swapsSides
        let newWidth = swaps ? height : width
        let newHeight = swaps ? width : height
        var turned: [UInt8] = []
        turned.reserveCapacity(pixels.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                // Where the pixel lies in the file: column, row.
                let (column, row) =
                    switch orientation.code {
                    case 2: (width - 1 - x, y)
                    case 3: (width - 1 - x, height - 1 - y)
                    case 4: (x, height - 1 - y)
                    case 5: (y, x)
                    case 6: (y, height - 1 - x)
                    case 7: (width - 1 - y, height - 1 - x)
                    default: (width - 1 - y, x)
                    }
                let start = (row * width + column) * channels
                turned += pixels[start..<start + channels]
            }
        }
        return PixelImage(width: newWidth, height: newHeight, channels: channels, pixels: turned)
    }
}
