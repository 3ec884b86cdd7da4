import Storage

// What mixes two samples. Whichever thread gathers them does it, so there is no `Workspace`, and nothing is allocated.

/// Each of `numbers` becomes share · itself + (1 − share) · that of `others`, each of the three operations rounded.
@inline(never)
package func blendNumbers(
    _ numbers: UnsafeMutableBufferPointer<Float>, with others: UnsafeBufferPointer<Float>, share: Float
) {
    precondition(numbers.count == others.count, "\(numbers.count) numbers and \(others.count) others")
    guard let own = numbers.baseAddress, let other = others.baseAddress else { return }
    let rest = 1 - share
    mapVectors(own, other, into: own, count: numbers.count) { $0 * share + $1 * rest }
}

/// Copies a box of one image into another.
@inline(never)
package func pasteImage(
    _ source: UnsafeBufferPointer<Float>, into inputs: UnsafeMutableBufferPointer<Float>, _ extent: ImageExtent,
    rows: Range<Int>, columns: Range<Int>
) {
    precondition(
        inputs.count == extent.count && source.count == extent.count && rows.lowerBound >= 0 && rows.upperBound <= extent.height
            && columns.lowerBound >= 0 && columns.upperBound <= extent.width,
        "rows \(rows) and columns \(columns) of \(source.count) numbers into \(inputs.count), \(extent)")
    guard let target = inputs.baseAddress, let base = source.baseAddress else { return }
    for channel in 0..<extent.channels {
        for row in rows {
            let start = (channel * extent.height + row) * extent.width + columns.lowerBound
            (target + start).update(from: base + start, count: columns.count)
        }
    }
}
