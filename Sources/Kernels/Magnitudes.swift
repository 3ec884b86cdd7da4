import Storage

/// What the pruning of weights looks at: their magnitudes.
package enum Magnitudes {
    /// The magnitude of this rank among all numbers, counted from 1: so many are not above it, more where several are equal. 0 for rank 0.
    ///
    /// Magnitudes are in the order of their bits, of which the upper half is counted first. NaN stands above everything.
    package static func threshold(of views: [MatrixView], rank: Int) -> Float {
        let count = views.reduce(0) { $0 + $1.count }
        precondition(rank >= 0 && rank <= count, "rank \(rank) of \(count)")
        guard rank > 0 else { return 0 }
        var rest = rank
        let upper = place(of: &rest, in: counts(views, of: 1 << 15) { Int($0 >> 16) })
        let lower = place(of: &rest, in: counts(views, of: 1 << 16) { Int($0 >> 16) == upper ? Int($0 & 0xFFFF) : nil })
        return Float(bitPattern: UInt32(upper << 16 | lower))
    }

    private static func counts(_ views: [MatrixView], of places: Int, _ place: (UInt32) -> Int?) -> [Int] {
        var counts = [Int](repeating: 0, count: places)
        counts.withUnsafeMutableBufferPointer { counts in
            for view in views {
                for row in 0..<view.rows {
                    for number in view.row(row) {
                        if let place = place(number.magnitude.bitPattern) { counts[place] += 1 }
                    }
                }
            }
        }
        return counts
    }

    /// Where so many have been counted; `rank` becomes the rank among those of that place.
    private static func place(of rank: inout Int, in counts: [Int]) -> Int {
        for (place, count) in counts.enumerated() {
            if rank <= count { return place }
            rank -= count
        }
        preconditionFailure("fewer numbers than \(rank)")
    }

    /// How many numbers are 0.
    package static func zeroCount(_ view: MatrixView) -> Int {
        (0..<view.rows).reduce(0) { sum, row in sum + view.row(row).reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
    }

    /// Makes 0 of `numbers` wherever the number of `reference`, of the same shape, is `threshold` at most.
    package static func clear(_ numbers: MutableMatrixView, where reference: MatrixView, upTo threshold: Float) {
        precondition(reference.hasShape(of: numbers.readOnly), "\(reference.rows)×\(reference.columns) numbers")
        for row in 0..<numbers.rows {
            let target = numbers.row(row), source = reference.row(row)
            for index in target.indices { target[index] = source[index].magnitude <= threshold ? 0 : target[index] }
        }
    }
}
