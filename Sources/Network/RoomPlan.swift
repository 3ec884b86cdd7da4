/// Finds places in the memory of a pass for what stages need during some of its steps only, so that what is never needed at the
/// same time lies in the same place.
///
/// The memory is numbered through, in numbers per sample: first what is kept for backward, behind it, from `boundary` on, the
/// work memory. What is kept is filled from its front on while the pass goes forward, and read for the last time from its end
/// on while it goes backward; so at each step an end of it is free.
package struct RoomPlan {
    /// Where what is kept ends and the work memory begins; no place lies in both.
    package let boundary: Int
    /// What is needed: how much, during which steps, and from where on what is kept is free during all of them.
    private var needs: [(count: Int, steps: ClosedRange<Int>, free: Int)] = []

    package init(boundary: Int) { self.boundary = boundary }

    /// - Returns: the number of the place among those that `places` finds.
    package mutating func need(_ count: Int, during steps: ClosedRange<Int>, above free: Int) -> Int {
        needs.append((count, steps, free))
        return needs.count - 1
    }

    /// Where everything begins, and how much work memory that takes.
    ///
    /// The largest go first, and of equal ones those that stay longest, each to the foremost place that is free during its steps.
    package func places() -> (offsets: [Int], work: Int) {
        var offsets = Array(repeating: boundary, count: needs.count)
        var work = 0
        var taken: [[Range<Int>]] = Array(repeating: [], count: (needs.map(\.steps.upperBound).max() ?? -1) + 1)
        let order = needs.indices.filter { needs[$0].count > 0 }
            .sorted { (-needs[$0].count, -needs[$0].steps.count, $0) < (-needs[$1].count, -needs[$1].steps.count, $1) }
        for index in order {
            let (count, steps, free) = needs[index]
            let others = taken[steps].joined()
            let starts = [free, boundary] + others.map(\.upperBound).filter { $0 > free }
            let start = starts.sorted().first { start in
                let end = start + count
                return (start >= boundary || end <= boundary) && !others.contains { $0.overlaps(start..<end) }
            }
            guard let start else { preconditionFailure("no room behind everything else") }
            let place = start..<start + count
            offsets[index] = place.lowerBound
            work = max(work, place.upperBound - boundary)
            for step in steps { taken[step].append(place) }
        }
        return (offsets, work)
    }
}
