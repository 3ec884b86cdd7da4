import CProcessor
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
    guard let base = inputs.baseAddress else { return }
    let (height, width) = (extent.height, extent.width)
    let kept = max(0, width - abs(right))
    for channel in 0..<extent.channels {
        let plane = base + channel * height * width
        // In an order in which no row is overwritten before it has been read; a row that stays where it is may be moved over itself.
        for step in 0..<height {
            let row = down > 0 ? height - 1 - step : step
            let target = plane + row * width
            let source = row - down
            guard source >= 0, source < height, kept > 0 else {
                target.update(repeating: fill[channel], count: width)
                continue
            }
            (target + max(0, right)).update(from: plane + source * width + max(0, -right), count: kept)
            (target + (right > 0 ? 0 : kept)).update(repeating: fill[channel], count: width - kept)
        }
    }
}

/// Mirrors an image, left and right or top and bottom changing places.
@inline(never)
package func flipImage(_ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, horizontally: Bool) {
    precondition(inputs.count == extent.count, "\(inputs.count) inputs for \(extent)")
    guard let base = inputs.baseAddress else { return }
    let (height, width) = (extent.height, extent.width)
    if horizontally {
        for row in 0..<extent.channels * height { reverse(base + row * width, count: width) }
        return
    }
    for channel in 0..<extent.channels {
        let plane = base + channel * height * width
        for row in 0..<height / 2 {
            exchange(plane + row * width, plane + (height - 1 - row) * width, count: width)
        }
    }
}

/// Turns the order of some numbers around.
@inline(__always)
private func reverse(_ numbers: UnsafeMutablePointer<Float>, count: Int) {
    var (low, high) = (0, count)
    while high - low >= 16 {
        let first = dtrain_reversed(.load(numbers + low))
        let last = dtrain_reversed(.load(numbers + high - 8))
        last.store(to: numbers + low)
        first.store(to: numbers + high - 8)
        low &+= 8
        high &-= 8
    }
    while high - low >= 2 {
        (numbers[low], numbers[high - 1]) = (numbers[high - 1], numbers[low])
        low &+= 1
        high &-= 1
    }
}

/// Exchanges two rows.
@inline(__always)
private func exchange(_ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>, count: Int) {
    eachVector(count) { index, count in
        let one = Vector.load(first + index, count: count)
        let other = Vector.load(second + index, count: count)
        other.store(to: first + index, count: count)
        one.store(to: second + index, count: count)
    }
}

/// Sets a square of the image, as far as it lies inside, to the number of each channel in `fill`.
@inline(never)
package func cutImage(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, rows: Range<Int>, columns: Range<Int>, fill: [Float]
) {
    precondition(inputs.count == extent.count && fill.count == extent.channels, "\(inputs.count) inputs for \(extent)")
    guard let base = inputs.baseAddress else { return }
    let rows = rows.clamped(to: 0..<extent.height)
    let columns = columns.clamped(to: 0..<extent.width)
    for channel in 0..<extent.channels {
        for row in rows {
            let start = (channel * extent.height + row) * extent.width + columns.lowerBound
            (base + start).update(repeating: fill[channel], count: columns.count)
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
    guard let base = inputs.baseAddress else { return }
    let area = extent.height * extent.width
    let plane = base + channel * area
    let low = Vector(repeating: bounds.lowerBound)
    let high = Vector(repeating: bounds.upperBound)
    mapVectors(plane, into: plane, count: area) { x in
        dtrain_kept_within(x * factor + offset, low, high)
    }
}

/// The means of up to four channels from `first` on, each summed in order in Double; behind them the last one again.
///
/// A chain of additions waits for each: several side by side take as long as one.
@inline(never)
package func channelMeans(_ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, first: Int) -> SIMD4<Double> {
    precondition(inputs.count == extent.count && first < extent.channels, "\(inputs.count) inputs for \(extent)")
    guard let base = inputs.baseAddress else { return SIMD4() }
    let area = extent.height * extent.width
    let last = base + (extent.channels - 1) * area
    let planes = (
        base + first * area, min(base + (first + 1) * area, last), min(base + (first + 2) * area, last),
        min(base + (first + 3) * area, last)
    )
    var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
    for place in 0..<area {
        a += Double(planes.0[place])
        b += Double(planes.1[place])
        c += Double(planes.2[place])
        d += Double(planes.3[place])
    }
    return SIMD4(a, b, c, d) / Double(area)
}
