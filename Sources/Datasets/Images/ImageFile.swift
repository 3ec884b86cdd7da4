import CImages
import Diagnostics

/// Why a file is not an image that can be used: what a message says behind its name.
struct ImageDamage: Error {
    let reason: String
}

/// The bytes of a PNG or JPEG file, whose header has been read and believed as far as its size goes.
struct ImageFile {
    static let pngMagic: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let jpegMagic: [UInt8] = [0xFF, 0xD8, 0xFF]
    /// What Pillow refuses to open too: a bomb, or a map of a country.
    private static let mostPixels = 178_956_970
    /// More bytes no image file of so many pixels has.
    static let mostBytes = 1 << 30

    let bytes: [UInt8]
    let orientation: ImageOrientation
    private let isPNG: Bool
    private var header: dtrain_image

    /// Whether bytes begin like an image that can be read.
    static func isMagic(_ bytes: [UInt8]) -> Bool { bytes.starts(with: pngMagic) || bytes.starts(with: jpegMagic) }

    /// Reads the header. No memory is taken for pixels yet.
    ///
    /// - Throws: `ImageDamage`.
    init(_ bytes: [UInt8], followsOrientation: Bool) throws {
        isPNG = bytes.starts(with: Self.pngMagic)
        guard isPNG || bytes.starts(with: Self.jpegMagic) else {
            throw ImageDamage(reason: bytes.isEmpty ? "an empty file" : "neither PNG nor JPEG, by its first bytes")
        }
        self.bytes = bytes
        header = dtrain_image()
        orientation = followsOrientation ? ImageOrientation(of: bytes) : .upright
        try Self.call(isPNG, bytes, &header, into: nil)
        let (area, overflows) = Int(header.width).multipliedReportingOverflow(by: Int(header.height))
        guard !overflows, area > 0, area <= Self.mostPixels else {
            throw ImageDamage(reason: "\(size) pixels; expected at most \(Self.mostPixels) in all")
        }
        guard area <= mostPixelsOfBytes else {
            throw ImageDamage(reason: "its header promises \(size) pixels, more than its \(bytes.count) bytes can hold")
        }
    }

    /// The most pixels that so many bytes can be: deflate packs at most 1032 bytes into one; in a JPEG with Huffman's code
    /// a block of 64 pixels takes a bit or more.
    private var mostPixelsOfBytes: Int {
        if isPNG {
            return bytes.count.multipliedReportingOverflow(by: 1032 * 8).partialValue / max(Int(header.bits_per_pixel), 1)
        }
        return header.is_arithmetic != 0 ? .max : bytes.count * 512
    }

    /// For messages: width × height, as image programs say it.
    private var size: String { "\(header.width)×\(header.height)" }

    /// Of the image as it will be seen.
    var height: Int { Int(orientation.swapsSides ? header.width : header.height) }
    var width: Int { Int(orientation.swapsSides ? header.height : header.width) }

    /// Whether it has no colours, by its header.
    var isGrey: Bool {
        [DTRAIN_GREY, DTRAIN_GREY_ALPHA, DTRAIN_GREY16].contains(dtrain_pixel(UInt32(header.pixel)))
    }

    /// The pixels, with 1 or 3 channels, as Pillow's `convert("L")` and `convert("RGB")` make them.
    ///
    /// - Throws: `ImageDamage`, or 71 where memory doesn't suffice.
    func decoded(channels: Int, path: String) throws -> PixelImage {
        let count = Int(header.width) * Int(header.height) * Int(header.bytes_per_pixel)
        try requireMemory(2 * count, path)
        var found = header
        let raw = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // What the libraries don't write must not be another's.
            buffer.initialize(repeating: 0)
            try Self.call(isPNG, bytes, &found, into: buffer.baseAddress)
            initialized = count
        }
        let pixels = PixelConversion(found).converted(raw, channels: channels)
        return PixelImage(width: Int(header.width), height: Int(header.height), channels: channels, pixels: pixels)
            .upright(orientation)
    }

    private static func call(
        _ isPNG: Bool, _ bytes: [UInt8], _ header: inout dtrain_image, into pixels: UnsafeMutablePointer<UInt8>?
    ) throws {
        var message = [CChar](repeating: 0, count: Int(DTRAIN_MESSAGE_SIZE))
        let status = bytes.withUnsafeBufferPointer { bytes in
            isPNG
                ? dtrain_read_png(bytes.baseAddress, bytes.count, &header, pixels, &message)
                : dtrain_read_jpeg(bytes.baseAddress, bytes.count, &header, pixels, &message)
        }
        guard status != 0 else { return }
        let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        throw ImageDamage(reason: "damaged (\(text))")
    }
}
