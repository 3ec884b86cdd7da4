/// A flat parameter buffer (weights, gradients) that somebody else owns, to be read slot by slot.
package struct ParameterView: @unchecked Sendable {
    // Sendable: a view is only read, and its owner outlives the call that it was made for.

    /// Invariant: `count` elements from here are readable while the owner lives.
    package let base: UnsafePointer<Float>
    package let count: Int
    /// Where the regions begin, of weights; nil where trained slots are all there is.
    package let regions: RegionStarts?

    package init(base: UnsafePointer<Float>, count: Int, regions: RegionStarts? = nil) {
        self.base = base
        self.count = count
        self.regions = regions
    }

    /// The slot's numbers as rows of `columns`; by default one row.
    package func matrix(_ slot: ParameterSlot, columns: Int? = nil) -> MatrixView {
        let columns = columns ?? slot.shape.count
        let start = place(of: slot, regions, count)
        return MatrixView(base: base + start, rows: columns == 0 ? 0 : slot.shape.count / columns, columns: columns)
    }

    /// A range of the flat buffer as one row.
    package subscript(range: Range<Int>) -> MatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        return MatrixView(base: base + range.lowerBound, rows: 1, columns: range.count)
    }
}

/// A flat parameter buffer (weights, gradients, optimizer state) that somebody else owns, to be written.
package struct MutableParameterView: @unchecked Sendable {
    // Sendable: the parts that several threads or ranks write are disjoint slices.

    /// Invariant: `count` elements from here are writable while the owner lives.
    package let base: UnsafeMutablePointer<Float>
    package let count: Int
    /// Where the regions begin, of weights; nil where trained slots are all there is.
    package let regions: RegionStarts?
    /// Where the gradients of later uses begin, of gradients; nil where a weight has one place for all of its uses.
    package let laterUses: Int?
    /// As `MutableMatrixView.cached`.
    package let cached: Range<Int>

    package init(
        base: UnsafeMutablePointer<Float>, count: Int, regions: RegionStarts? = nil, laterUses: Int? = nil,
        cached: Range<Int> = 0..<Int.max
    ) {
        self.base = base
        self.count = count
        self.regions = regions
        self.laterUses = laterUses
        self.cached = cached
    }

    /// No parameters at all, for passes over no rows.
    package static let none = MutableParameterView(base: UnsafeMutablePointer<Float>.allocate(capacity: 1), count: 0)

    /// The same buffer, to be read.
    package var readOnly: ParameterView { ParameterView(base: base, count: count, regions: regions) }

    /// The slot's numbers as rows of `columns`; by default one row.
    package func matrix(_ slot: ParameterSlot, columns: Int? = nil) -> MutableMatrixView {
        let columns = columns ?? slot.shape.count
        let start = laterUses.flatMap { first in slot.useOffset.map { first + $0 } } ?? place(of: slot, regions, count)
        precondition(start + slot.shape.count <= count, "\(slot.name) ends at \(start + slot.shape.count) of \(count)")
        return MutableMatrixView(
            base: base + start, rows: columns == 0 ? 0 : slot.shape.count / columns,
            columns: columns, cached: cached.shifted(by: -start))
    }

    /// A range of the flat buffer as one row.
    package subscript(range: Range<Int>) -> MutableMatrixView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        return MutableMatrixView(
            base: base + range.lowerBound, rows: 1, columns: range.count,
            cached: cached.shifted(by: -range.lowerBound))
    }
}

/// Where in a flat buffer of `count` elements a slot begins.
private func place(of slot: ParameterSlot, _ regions: RegionStarts?, _ count: Int) -> Int {
    precondition(regions != nil || slot.region == .trained, "\(slot.name) is in no buffer of trained slots")
    let start = (regions?.start(of: slot.region) ?? 0) + slot.offset
    precondition(start + slot.shape.count <= count, "\(slot.name) ends at \(start + slot.shape.count) of \(count)")
    return start
}

extension AlignedBuffer where Element == Float {
    /// The whole buffer as a number for each trained parameter.
    package var parameters: MutableParameterView { MutableParameterView(base: base, count: count) }

    /// The whole buffer as gradients, those of later uses included.
    package func gradients(_ layout: ParameterLayout) -> MutableParameterView {
        precondition(count >= layout.gradientCount, "\(layout.gradientCount) gradients in a buffer of \(count)")
        return MutableParameterView(base: base, count: layout.gradientCount, laterUses: layout.trainedCount)
    }

    /// The whole buffer as weights.
    package func weights(_ layout: ParameterLayout) -> MutableParameterView {
        precondition(count >= layout.weightCount, "\(layout.weightCount) weights in a buffer of \(count)")
        return MutableParameterView(base: base, count: layout.weightCount, regions: layout.regions)
    }
}
