import CProcessor
import Storage

/// The root of the tree over the blocks that all ranks hand over, for one block of the flat buffer: `sources` are the
/// subtrees in order, `additions[k]` how many times the two topmost are added after the k-th, so that in the end one is
/// left. The result is multiplied once by `factor`.
///
/// Returns `sumOfSquares` of the result, which is taken while the numbers are in registers.
///
/// `scratch` has room for as many elements as `result` for each of the levels that `combinationLevels` tells.
@discardableResult
package func combineTree(
    _ sources: [UnsafePointer<Float>], additions: [Int], offset: Int, factor: Float,
    scratch: UnsafeMutableBufferPointer<Float>, into result: MutableMatrixView
) -> Double {
    precondition(sources.count == additions.count && !sources.isEmpty, "\(sources.count) subtrees")
    let count = result.count
    guard sources.count > 1 else {
        let source = sources[0] + offset
        @inline(__always) func scaled(_ index: Int, _ count: Int) -> Vector {
            if index & 8 == 0 { dtrain_prefetch(source + index + elementsAhead) }
            return .load(source + index, count: count) * factor
        }
        return squares(count, into: result.base, scaled)
    }
    // What lies on the stack under the topmost value is in `scratch`, level by level. The topmost is read where it is,
    // and the last addition goes to its place already multiplied: two sources are one pass.
    guard var level = scratch.baseAddress else { preconditionFailure("\(sources.count) subtrees without scratch") }
    let lowest = level
    var levelsLeft = scratch.count / max(count, 1)
    precondition(levelsLeft > 0, "scratch of \(scratch.count) elements for a level of \(count)")
    var topmost = sources[0] + offset
    var additionsLeft = sources.count - 1
    var squareSum = 0.0
    func add(_ left: UnsafePointer<Float>) {
        additionsLeft -= 1
        if additionsLeft == 0 {
            let right = topmost
            @inline(__always) func scaledSum(_ index: Int, _ count: Int) -> Vector {
                if index & 8 == 0 {
                    dtrain_prefetch(left + index + elementsAhead)
                    dtrain_prefetch(right + index + elementsAhead)
                }
                return (.load(left + index, count: count) + .load(right + index, count: count)) * factor
            }
            squareSum = squares(count, into: result.base, scaledSum)
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
            levelsLeft -= 1
            precondition(levelsLeft > 0, "more subtrees wait than scratch of \(scratch.count) elements holds")
            continue
        }
        add(below)
        for _ in 1..<additions[k] {
            precondition(level != lowest, "more additions than subtrees: \(additions)")
            level -= count
            levelsLeft += 1
            add(level)
        }
    }
    precondition(additionsLeft == 0, "\(additionsLeft) additions too few for \(sources.count) subtrees")
    return squareSum
}

/// The levels of the stack, each as large as the result, that `combineTree` writes for these additions.
package func combinationLevels(_ additions: [Int]) -> Int {
    var level = 0
    var most = 1
    for count in additions.dropFirst() {
        level += count == 0 ? 1 : 1 - count
        most = max(most, level + 1)
    }
    return most
}

/// How far ahead sources are asked for, a cache line at a time: blocks are pages, at whose ends processors stop foreseeing.
private let elementsAhead = 768

/// Writes `vector(index, count)` for every eight elements, and returns the sum of their squares as `sumOfSquares` takes
/// it. `vector` is marked @inline(__always), as for `mapVectors`.
@inline(__always)
private func squares(_ count: Int, into result: UnsafeMutablePointer<Float>, _ vector: (Int, Int) -> Vector) -> Double {
    var sum = SquareSum()
    let whole = count & ~15
    var index = 0
    while index < whole {
        let first = vector(index, 8)
        let second = vector(index &+ 8, 8)
        first.store(to: result + index)
        second.store(to: result + index + 8)
        sum.add(first, second)
        index &+= 16
    }
    while index < count {
        let rest = min(8, count &- index)
        vector(index, rest).store(to: result + index, count: rest)
        index &+= 8
    }
    return sum.total(rest: UnsafeBufferPointer(start: result + whole, count: count &- whole))
}
