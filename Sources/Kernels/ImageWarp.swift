import CProcessor
import Storage

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

/// The numbers of scratch that `warpImage` takes: a channel with one more number on each side.
package func warpScratch(_ extent: ImageExtent) -> Int { (extent.height + 2) * (extent.width + 2) }

/// Turns or scales an image: each number is the bilinear mean of the four around the place where it comes from, those outside
/// being the number of the channel in `fill`. Additions, products and roundings in one order for each number.
///
/// - Parameter scratch: `warpScratch` numbers.
@inline(never)
package func warpImage(
    _ inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent, by warp: ImageWarp, fill: [Float],
    scratch: UnsafeMutableBufferPointer<Float>
) {
    precondition(
        inputs.count == extent.count && fill.count == extent.channels && scratch.count >= warpScratch(extent),
        "\(inputs.count) inputs for \(extent), \(scratch.count) numbers of scratch")
    precondition(warpScratch(extent) <= Int(Int32.max), "\(extent) has more places than fit in 32 bits")
    guard let base = inputs.baseAddress, let source = scratch.baseAddress else { return }
    for channel in 0..<extent.channels {
        let plane = base + channel * extent.height * extent.width
        surround(plane, extent, with: fill[channel], into: source)
        warpPlane(plane, from: source, extent, by: warp, outside: fill[channel])
    }
}

/// Copies a channel with `number` all around it.
private func surround(
    _ plane: UnsafePointer<Float>, _ extent: ImageExtent, with number: Float, into source: UnsafeMutablePointer<Float>
) {
    let stride = extent.width + 2
    source.update(repeating: number, count: stride)
    for row in 0..<extent.height {
        let target = source + (row + 1) * stride
        target[0] = number
        (target + 1).update(from: plane + row * extent.width, count: extent.width)
        target[stride - 1] = number
    }
    (source + (extent.height + 1) * stride).update(repeating: number, count: stride)
}

/// Writes a channel; `source` is the old one with `outside` all around it.
@inline(__always)
private func warpPlane(
    _ plane: UnsafeMutablePointer<Float>, from source: UnsafePointer<Float>, _ extent: ImageExtent, by warp: ImageWarp,
    outside: Float
) {
    let (height, width) = (extent.height, extent.width)
    let stride = width + 2
    let middleX = Float(width - 1) / 2
    let middleY = Float(height - 1) / 2
    let steps = Vector(0, 1, 2, 3, 4, 5, 6, 7)
    for row in 0..<height {
        let y = Float(row) - middleY
        let target = plane + row * width
        eachVector(width) { column, count in
            let x = (steps + Float(column)) - middleX
            let fromX = x * warp.xx + warp.xy * y + middleX
            let fromY = x * warp.yx + warp.yy * y + middleY
            // Elsewhere all four would be `outside`, and a whole number may not hold the place.
            let isInside = dtrain_is_between(fromX, -1, Float(width)) & dtrain_is_between(fromY, -1, Float(height))
            let placeX = dtrain_select(isInside, fromX, Vector())
            let placeY = dtrain_select(isInside, fromY, Vector())
            let left = dtrain_rounded_down(placeX)
            let top = dtrain_rounded_down(placeY)
            let shareX = placeX - left
            let shareY = placeY - top
            let places = (dtrain_integers(top) &+ 1) &* Int32(stride) &+ dtrain_integers(left) &+ 1
            let upper = mean(source, places, share: shareX)
            let lower = mean(source + stride, places, share: shareX)
            dtrain_select(isInside, upper + (lower - upper) * shareY, Vector(repeating: outside))
                .store(to: target + column, count: count)
        }
    }
}

/// a + (b − a) · share of the numbers a at eight places and b behind them.
@inline(__always)
private func mean(_ source: UnsafePointer<Float>, _ places: SIMD8<Int32>, share: Vector) -> Vector {
    let low = dtrain_load_pairs(source, places, 0)
    let high = dtrain_load_pairs(source, places, 4)
    let first = dtrain_firsts(low, high)
    return first + (dtrain_seconds(low, high) - first) * share
}
