import Storage

// Changes of one image among a sample's inputs: channel behind channel, each `height` rows of `width` numbers. Whichever thread
// gathers the sample makes them, so they take no `Workspace` and allocate nothing. Additions, products and roundings alone, in
// one order for each number: the same bits on every processor.

/// How an image lies in the inputs of a sample.
package struct ImageExtent: Hashable, Sendable {
    package let channels: Int
    package let height: Int
    package let width: Int

    package init(channels: Int, height: Int, width: Int) {
        precondition(channels > 0 && height > 0 && width > 0, "an image of \(channels)×\(height)×\(width)")
        self.channels = channels
        self.height = height
        self.width = width
    }

    package var count: Int { channels * height * width }
}

/// Moves an image down and to the right (up and left where negative); what comes in has the number of its channel in `fill`.
@inline(never)
package func shiftImage(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, down: Int, right: Int, fill: [Float]
) {
    precondition(inputs.count == extent.count && fill.count == extent.channels, "\(inputs.count) inputs for \(extent)")
    let (height, width) = (extent.height, extent.width)
    for channel in 0..<extent.channels {
        let plane = UnsafeMutableBufferPointer(rebasing: inputs[channel * height * width..<(channel + 1) * height * width])
        // Rows and numbers in an order in which none is overwritten before it has been read.
        for step in 0..<height {
            let row = down > 0 ? height - 1 - step : step
            let source = row - down
            for place in 0..<width {
                let column = right > 0 ? width - 1 - place : place
                let from = column - right
                let isInside = source >= 0 && source < height && from >= 0 && from < width
                plane[row * width + column] = isInside ? plane[source * width + from] : fill[channel]
            }
        }
    }
}

/// Mirrors an image, left and right or top and bottom changing places.
@inline(never)
package func flipImage(_ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, horizontally: Bool) {
    precondition(inputs.count == extent.count, "\(inputs.count) inputs for \(extent)")
    let (height, width) = (extent.height, extent.width)
    for channel in 0..<extent.channels {
        let start = channel * height * width
        if horizontally {
            for row in 0..<height {
                let first = start + row * width
                for column in 0..<width / 2 { inputs.swapAt(first + column, first + width - 1 - column) }
            }
        } else {
            for row in 0..<height / 2 {
                for column in 0..<width {
                    inputs.swapAt(start + row * width + column, start + (height - 1 - row) * width + column)
                }
            }
        }
    }
}

/// Where the pixels of a changed image come from: (x, y) of the new one, counted from the middle, are xx·x + xy·y and
/// yx·x + yy·y of the old one.
package struct ImageWarp {
    package let xx: Float, xy: Float, yx: Float, yy: Float

    package init(xx: Float, xy: Float, yx: Float, yy: Float) {
        self.xx = xx
        self.xy = xy
        self.yx = yx
        self.yy = yy
    }
}

/// Turns or scales an image: each number is the bilinear mean of the four around the place where it comes from, those outside
/// being the number of the channel in `fill`.
///
/// - Parameter source: room for one channel.
@inline(never)
package func warpImage(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, by warp: ImageWarp, fill: [Float],
    scratch source: UnsafeMutableBufferPointer<Float>
) {
    let (height, width) = (extent.height, extent.width)
    let area = height * width
    precondition(
        inputs.count == extent.count && fill.count == extent.channels && source.count >= area,
        "\(inputs.count) inputs for \(extent), \(source.count) numbers of scratch")
    let middleX = Float(width - 1) / 2
    let middleY = Float(height - 1) / 2
    for channel in 0..<extent.channels {
        let plane = UnsafeMutableBufferPointer(rebasing: inputs[channel * area..<(channel + 1) * area])
        for place in 0..<area { source[place] = plane[place] }
        let outside = fill[channel]
        func number(_ row: Int, _ column: Int) -> Float {
            row >= 0 && row < height && column >= 0 && column < width ? source[row * width + column] : outside
        }
        for row in 0..<height {
            let y = Float(row) - middleY
            for column in 0..<width {
                let x = Float(column) - middleX
                let fromX = warp.xx * x + warp.xy * y + middleX
                let fromY = warp.yx * x + warp.yy * y + middleY
                // Far outside all is `outside`, and a whole number may not hold the place.
                guard fromX > -1, fromY > -1, fromX < Float(width), fromY < Float(height) else {
                    plane[row * width + column] = outside
                    continue
                }
                let left = fromX.rounded(.down)
                let top = fromY.rounded(.down)
                let shareX = fromX - left
                let shareY = fromY - top
                let (i, j) = (Int(top), Int(left))
                let upper = number(i, j) + (number(i, j + 1) - number(i, j)) * shareX
                let lower = number(i + 1, j) + (number(i + 1, j + 1) - number(i + 1, j)) * shareX
                plane[row * width + column] = upper + (lower - upper) * shareY
            }
        }
    }
}

/// Sets a square of the image, as far as it lies inside, to the number of each channel in `fill`.
@inline(never)
package func cutImage(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, rows: Range<Int>, columns: Range<Int>, fill: [Float]
) {
    precondition(inputs.count == extent.count && fill.count == extent.channels, "\(inputs.count) inputs for \(extent)")
    let rows = rows.clamped(to: 0..<extent.height)
    let columns = columns.clamped(to: 0..<extent.width)
    for channel in 0..<extent.channels {
        for row in rows {
            for column in columns { inputs[(channel * extent.height + row) * extent.width + column] = fill[channel] }
        }
    }
}

/// x · factor + offset of its channel, kept within the bounds of its channel.
@inline(never)
package func changeLevels(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, factor: Float, channel: Int, offset: Float,
    bounds: ClosedRange<Float>
) {
    precondition(inputs.count == extent.count && channel < extent.channels, "\(inputs.count) inputs for \(extent)")
    let area = extent.height * extent.width
    for place in channel * area..<(channel + 1) * area {
        inputs[place] = min(max(inputs[place] * factor + offset, bounds.lowerBound), bounds.upperBound)
    }
}

/// The mean of a channel, summed in order in Double.
package func channelMean(_ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, channel: Int) -> Double {
    precondition(inputs.count == extent.count && channel < extent.channels, "\(inputs.count) inputs for \(extent)")
    let area = extent.height * extent.width
    var sum = 0.0
    for place in channel * area..<(channel + 1) * area { sum += Double(inputs[place]) }
    return sum / Double(area)
}
