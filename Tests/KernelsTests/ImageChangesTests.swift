import Kernels
import Storage
import Testing

/// Changes of images, bit by bit as the plain loop over pixels makes them.
struct ImageChangesTests {
    static let extents = [(1, 1, 1), (1, 3, 2), (2, 8, 8), (3, 7, 9), (1, 28, 28), (5, 5, 33), (2, 33, 16)].map {
        ImageExtent(channels: $0.0, height: $0.1, width: $0.2)
    }

    /// The image before and after; numbers of both signs, zeros among them.
    private func changed(
        _ extent: ImageExtent, _ body: (UnsafeMutableBufferPointer<Float>) -> Void
    ) -> (before: [Float], after: [Float]) {
        let before: [Float] = (0..<extent.count).map { (place: Int) -> Float in
            let eighths = (place * 37 + place / 7) % 101 - 50
            return Float(eighths) / 8
        }
        var after = before
        after.withUnsafeMutableBufferPointer { body($0) }
        return (before, after)
    }

    /// Asks for each number of an image.
    private func image(_ extent: ImageExtent, _ number: (_ channel: Int, _ row: Int, _ column: Int) -> Float) -> [UInt32] {
        (0..<extent.channels).flatMap { channel in
            (0..<extent.height).flatMap { row in
                (0..<extent.width).map { number(channel, row, $0).bitPattern }
            }
        }
    }

    /// The number of `numbers` at a place, outside of the image that of the channel in `fill`.
    private func number(
        _ numbers: [Float], _ extent: ImageExtent, _ fill: [Float], _ channel: Int, _ row: Int, _ column: Int
    ) -> Float {
        guard (0..<extent.height).contains(row), (0..<extent.width).contains(column) else { return fill[channel] }
        return numbers[(channel * extent.height + row) * extent.width + column]
    }

    private func fill(_ extent: ImageExtent) -> [Float] { (0..<extent.channels).map { Float($0) + 0.25 } }

    @Test("shifts", arguments: extents)
    func shift(extent: ImageExtent) {
        let fill = fill(extent)
        for down in [-40, -extent.height, -2, -1, 0, 1, 3, extent.height - 1, 50] {
            for right in [-40, -extent.width, 1 - extent.width, -1, 0, 2, extent.width, 50] {
                let (before, after) = changed(extent) { shiftImage($0, extent, down: down, right: right, fill: fill) }
                let expected = image(extent) { number(before, extent, fill, $0, $1 - down, $2 - right) }
                #expect(after.map(\.bitPattern) == expected, "\(down), \(right)")
            }
        }
    }

    @Test("flips and boxes", arguments: extents)
    func flipsAndBoxes(extent: ImageExtent) {
        let fill = fill(extent)
        let across = changed(extent) { flipImage($0, extent, horizontally: true) }
        #expect(
            across.after.map(\.bitPattern)
                == image(extent) { number(across.before, extent, fill, $0, $1, extent.width - 1 - $2) })
        let over = changed(extent) { flipImage($0, extent, horizontally: false) }
        #expect(
            over.after.map(\.bitPattern)
                == image(extent) { number(over.before, extent, fill, $0, extent.height - 1 - $1, $2) })
        for (rows, columns) in [(-2..<2, -1..<3), (1..<40, 1..<2), (0..<1, 0..<0), (50..<60, 0..<9)] {
            let cut = changed(extent) { cutImage($0, extent, rows: rows, columns: columns, fill: fill) }
            let expected = image(extent) { channel, row, column in
                rows.contains(row) && columns.contains(column)
                    ? fill[channel] : number(cut.before, extent, fill, channel, row, column)
            }
            #expect(cut.after.map(\.bitPattern) == expected)
        }
    }

    @Test("turned and scaled images", arguments: extents)
    func warp(extent: ImageExtent) {
        let fill = fill(extent)
        let scratch = AlignedBuffer<Float>(count: warpScratch(extent), repeating: .nan)
        for (xx, xy, yx, yy) in [
            (1, 0, 0, 1), (0.8, 0.6, -0.6, 0.8), (-1, 0, 0, -1), (0, 1, -1, 0), (0.31, 0, 0, 0.31), (100, 0, 0, 100),
            (0.99, -0.13, 0.13, 0.99)
        ] as [(Float, Float, Float, Float)] {
            let (before, after) = changed(extent) {
                warpImage($0, extent, by: ImageWarp(xx: xx, xy: xy, yx: yx, yy: yy), fill: fill, scratch: scratch.elements)
            }
            let (middleX, middleY) = (Float(extent.width - 1) / 2, Float(extent.height - 1) / 2)
            let expected = image(extent) { channel, row, column in
                let (x, y) = (Float(column) - middleX, Float(row) - middleY)
                let fromX = xx * x + xy * y + middleX
                let fromY = yx * x + yy * y + middleY
                guard fromX > -1, fromY > -1, fromX < Float(extent.width), fromY < Float(extent.height) else {
                    return fill[channel]
                }
                let (i, j) = (Int(fromY.rounded(.down)), Int(fromX.rounded(.down)))
                let (shareX, shareY) = (fromX - Float(j), fromY - Float(i))
                func place(_ down: Int, _ right: Int) -> Float {
                    number(before, extent, fill, channel, i + down, j + right)
                }
                let upper = place(0, 0) + (place(0, 1) - place(0, 0)) * shareX
                let lower = place(1, 0) + (place(1, 1) - place(1, 0)) * shareX
                return upper + (lower - upper) * shareY
            }
            #expect(after.map(\.bitPattern) == expected, "\(xx), \(xy)")
        }
    }

    @Test("levels and means of channels", arguments: extents)
    func levels(extent: ImageExtent) {
        let area = extent.height * extent.width
        for channel in 0..<extent.channels {
            let (before, after) = changed(extent) {
                changeLevels($0, extent, factor: 1.3, channel: channel, offset: -0.7, bounds: -5...3)
            }
            let expected = before.enumerated().map { place, number in
                place / area == channel ? min(max(number * 1.3 + -0.7, -5), 3) : number
            }
            #expect(after.map(\.bitPattern) == expected.map(\.bitPattern))
            var means = SIMD4<Double>()
            _ = changed(extent) { means = channelMeans($0, extent, first: channel) }
            for lane in 0..<4 {
                let other = min(channel + lane, extent.channels - 1)
                var sum = 0.0
                for number in before[other * area..<(other + 1) * area] { sum += Double(number) }
                #expect(means[lane] == sum / Double(area))
            }
        }
    }
}
