import Storage

/// The root of the tree over the blocks that all ranks hand over, for one block of the flat buffer: `sources` are the
/// subtrees in order, `additions[k]` how many times the two topmost are added after the k-th, so that in the end one is
/// left. The result is multiplied once by `factor`.
///
/// `scratch` has room for as many elements as `result` per level of the stack, at most 64.
package func combineTree(_ sources: [UnsafePointer<Float>], additions: [Int], offset: Int, factor: Float,
                         scratch: UnsafeMutablePointer<Float>, into result: MutableMatrixView) {
    precondition(sources.count == additions.count && !sources.isEmpty, "\(sources.count) subtrees")
    let count = result.count
    guard sources.count > 1 else {
        return mapVectors(sources[0] + offset, into: result.base, count: count) { $0 * factor }
    }
    // What lies on the stack under the topmost value is in `scratch`, level by level. The topmost is read where it is,
    // and the last addition goes to its place already multiplied: two sources are one pass.
    var level = scratch
    var topmost = sources[0] + offset
    var additionsLeft = sources.count - 1
    func add(_ left: UnsafePointer<Float>) {
        additionsLeft -= 1
        if additionsLeft == 0 {
            mapVectors(left, topmost, into: result.base, count: count) { ($0 + $1) * factor }
        } else {
            mapVectors(left, topmost, into: level, count: count) { $0 + $1 }
        }
        topmost = UnsafePointer(level)
    }
    for k in 1..<sources.count {
        let below = topmost
        topmost = sources[k] + offset
        if additions[k] == 0 {
            if below != UnsafePointer(level) { level.update(from: below, count: count) }
            level += count
            continue
        }
        add(below)
        for _ in 1..<additions[k] {
            level -= count
            add(level)
        }
    }
    precondition(additionsLeft == 0, "\(additionsLeft) additions too few for \(sources.count) subtrees")
}
