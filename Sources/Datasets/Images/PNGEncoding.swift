import CImages
import Diagnostics

extension PixelImage {
    /// The image as a PNG file.
    func png() throws -> [UInt8] {
        /// Collects what libpng writes.
        final class Sink { var bytes: [UInt8] = [] }
        let sink = Sink()
        var message = [CChar](repeating: 0, count: Int(DTRAIN_MESSAGE_SIZE))
        let status = withExtendedLifetime(sink) {
            dtrain_write_png(
                pixels, UInt32(width), UInt32(height), Int32(channels),
                { context, bytes, count in
                    guard let context else { return 1 }
                    Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue().bytes += UnsafeBufferPointer(
                        start: bytes, count: count)
                    return 0
                }, Unmanaged.passUnretained(sink).toOpaque(), &message)
        }
        guard status == 0 else {
            let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw Failure(.internalError, "libpng can't write a picture of \(width)×\(height) pixels: \(text)")
        }
        return sink.bytes
    }
}
