import Storage

/// An image of bytes: `height` rows of `width` pixels of `channels` bytes, 1 (grey) or 3 (red, green, blue).
struct PixelImage: Equatable {
    let width: Int
    let height: Int
    let channels: Int
    /// Invariant: height × width × channels bytes.
    let pixels: [UInt8]

    init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * channels, "\(pixels.count) bytes for \(height)×\(width)×\(channels)")
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }

    /// Writes the image channel by channel, as samples have it: height × width × channels bytes.
    func writeChannels(to target: UnsafeMutableRawBufferPointer) {
        precondition(target.count == pixels.count, "\(pixels.count) bytes into \(target.count)")
        let area = width * height
        for channel in 0..<channels {
            for place in 0..<area { target[channel * area + place] = pixels[place * channels + channel] }
        }
    }

    /// The part of `height` rows from `top` on and `width` columns from `left` on.
    func cropped(top: Int, left: Int, height: Int, width: Int) -> PixelImage {
        precondition(
            top >= 0 && left >= 0 && top + height <= self.height && left + width <= self.width,
            "\(height)×\(width) at \(top), \(left) of \(self.height)×\(self.width)")
        var part: [UInt8] = []
        part.reserveCapacity(height * width * channels)
        for row in top..<top + height {
            let start = (row * self.width + left) * channels
            part += pixels[start..<start + width * channels]
        }
        return PixelImage(width: width, height: height, channels: channels, pixels: part)
    }
}

/// What images become: how many channels, of what size, and how they get it. A checkpoint keeps it.
struct ImageSchema: Hashable, Codable, Sendable {
    /// Whether images of other sizes are scaled.
    var resizes: Bool
    /// Whether they keep their proportions, and what is too much on two sides is cut off.
    var crops: Bool
    /// Whether they are turned as their camera says.
    var followsOrientation: Bool
}
