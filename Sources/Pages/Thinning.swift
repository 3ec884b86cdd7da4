/// A point of a curve; without y where there is a step, but no number for it.
package struct CurvePoint: Sendable, Equatable {
    package let x: Double
    package let y: Double?

    package init(_ x: Double, _ y: Double?) {
        self.x = x
        self.y = y
    }
}

/// At most about `most` of the points, in their order, with which a curve looks as with all of them: of each stretch its first and last
/// point, its least and its greatest, and one where there is no number, so that no peak and no gap is lost.
package func thinned(_ points: [CurvePoint], most: Int) -> [CurvePoint] {
    precondition(most >= 10, "thinned to \(most) points")
    guard points.count > most else { return points }
    let stretches = most / 5
    var kept: [CurvePoint] = []
    kept.reserveCapacity(most)
    for stretch in 0..<stretches {
        let range = points.count * stretch / stretches..<points.count * (stretch + 1) / stretches
        guard let first = range.first, let last = range.last else { continue }
        var wanted: Set<Int> = [first, last]
        let numbers = range.filter { points[$0].y != nil }
        if let least = numbers.min(by: { points[$0].y ?? 0 < points[$1].y ?? 0 }) { wanted.insert(least) }
        if let greatest = numbers.max(by: { points[$0].y ?? 0 < points[$1].y ?? 0 }) { wanted.insert(greatest) }
        if numbers.count < range.count, let gap = range.first(where: { points[$0].y == nil }) { wanted.insert(gap) }
        kept += wanted.sorted().map { points[$0] }
    }
    return kept
}
