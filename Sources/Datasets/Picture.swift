/// A picture as PNG.
package struct Picture: Sendable {
    package let width: Int
    package let height: Int
    package let channels: Int
    package let png: [UInt8]

    /// Small images side by side: rows of as many as make it about square, with a gap between them, tiny ones enlarged.
    ///
    /// - Parameters:
    ///   - count: how many images there are.
    ///   - cell: the sizes of each; 1 or 3 channels.
    ///   - values: what becomes black, and what white.
    ///   - number: of an image the number at a place, channel by channel and row by row. What isn't finite is black.
    package init(
        grid count: Int, of cell: (channels: Int, height: Int, width: Int), values: ClosedRange<Double>,
        number: (_ image: Int, _ place: Int) -> Double
    ) throws {
        let (channels, height, width) = cell
        let range = max(values.upperBound - values.lowerBound, 1e-30)
        // Tiny images so that they can be seen.
        let zoom = max(1, 64 / max(height, width))
        let columns = Int(Double(count).squareRoot().rounded(.up))
        let rows = (count + columns - 1) / max(columns, 1)
        let (cellHeight, cellWidth) = (height * zoom + 2, width * zoom + 2)
        let (gridHeight, gridWidth) = (rows * cellHeight + 2, columns * cellWidth + 2)
        var pixels = [UInt8](repeating: 255, count: gridHeight * gridWidth * channels)
        for image in 0..<count {
            let (top, left) = (image / columns * cellHeight + 2, image % columns * cellWidth + 2)
            for y in 0..<height * zoom {
                for x in 0..<width * zoom {
                    for channel in 0..<channels {
                        let place = (channel * height + y / zoom) * width + x / zoom
                        let level = (number(image, place) - values.lowerBound) / range * 255
                        pixels[((top + y) * gridWidth + left + x) * channels + channel] =
                            level.isFinite ? UInt8(min(max(level.rounded(), 0), 255)) : 0
                    }
                }
            }
        }
        (self.width, self.height, self.channels) = (gridWidth, gridHeight, channels)
        png = try PixelImage(width: gridWidth, height: gridHeight, channels: channels, pixels: pixels).png()
    }
}
