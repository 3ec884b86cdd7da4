import CImages

/// Pixels of any kind as grey or as red, green and blue, in the way of Pillow's `Image.convert`: an alpha channel is left
/// away, colours become grey by the weights of ITU-R 601-2 in units of 2⁻¹⁶, and grey of 16 bits is cut at 255.
struct PixelConversion {
    private let kind: dtrain_pixel
    private let size: Int
    /// Red, green and blue of each entry. Those that the file hasn't are black, as in libpng.
    private let palette: [UInt8]

    init(_ header: dtrain_image) {
        kind = dtrain_pixel(UInt32(header.pixel))
        size = Int(header.bytes_per_pixel)
        palette = withUnsafeBytes(of: header.palette) { Array($0) }
    }

    func converted(_ raw: [UInt8], channels: Int) -> [UInt8] {
        if size == channels, kind == DTRAIN_GREY || kind == DTRAIN_RGB { return raw }
        let count = raw.count / size
        return [UInt8](unsafeUninitializedCapacity: count * channels) { target, initialized in
            raw.withUnsafeBufferPointer { source in
                for place in 0..<count {
                    let pixel = self.pixel(source, place * size)
                    if channels == 3 {
                        target[3 * place] = pixel.0
                        target[3 * place + 1] = pixel.1
                        target[3 * place + 2] = pixel.2
                    } else {
                        target[place] = pixel.0 == pixel.1 && pixel.1 == pixel.2 ? pixel.0 : Self.grey(pixel)
                    }
                }
            }
            initialized = count * channels
        }
    }

    /// The weights add up to 2¹⁶, so that grey stays grey.
    private static func grey(_ pixel: (UInt8, UInt8, UInt8)) -> UInt8 {
        let red = Int(pixel.0) * 19595
        let green = Int(pixel.1) * 38470
        let blue = Int(pixel.2) * 7471
        return UInt8((red + green + blue + 0x8000) >> 16)
    }

    @inline(__always)
    private func pixel(_ source: UnsafeBufferPointer<UInt8>, _ start: Int) -> (UInt8, UInt8, UInt8) {
        switch kind {
        case DTRAIN_GREY, DTRAIN_GREY_ALPHA: return (source[start], source[start], source[start])
        case DTRAIN_GREY16:
            let grey = source[start] == 0 ? source[start + 1] : 255
            return (grey, grey, grey)
        case DTRAIN_PALETTE:
            let entry = 3 * Int(source[start])
            return (palette[entry], palette[entry + 1], palette[entry + 2])
        case DTRAIN_CMYK:
            // Inverted, 255 is no ink: 255 − ink · (255 − black) / 255 with black taken away, each rounded.
            let light = Int(source[start + 3])
            func colour(_ place: Int) -> UInt8 {
                let product: Int = (255 - Int(source[start + place])) * light + 128
                let rounded: Int = ((product >> 8) + product) >> 8
                return UInt8(max(light - rounded, 0))
            }
            return (colour(0), colour(1), colour(2))
        default: return (source[start], source[start + 1], source[start + 2])
        }
    }
}
