/// The fixed binary tree in which everything that training sums over micro-batches is added up: law 1's heart.
///
/// Leaves are numbered 0 … leafCount − 1. Level by level node(l, i) = node(l−1, 2i) + node(l−1, 2i+1); without a right
/// child the left passes on unchanged. Who computed which leaf doesn't enter: a rank hands over the maximal complete
/// subtrees of its leaves, and whoever combines adds only what the tree adds.
package struct SummationTree: Sendable, Hashable {
    package let leafCount: Int

    package init(leafCount: Int) {
        precondition(leafCount >= 0, "\(leafCount) leaves")
        self.leafCount = leafCount
    }

    /// The tree over leaves of `leafRows` rows each, the last of which may be short.
    package init(rows: Int, leafRows: Int) { self.init(leafCount: (rows + leafRows - 1) / leafRows) }

    /// The leaves that `rank` of `rankCount` computes: contiguous, possibly none.
    package func leaves(of rank: Int, rankCount: Int) -> Range<Int> {
        rank * leafCount / rankCount..<(rank + 1) * leafCount / rankCount
    }

    /// The most partial sums that wait at once where leaves are added one after the other: behind every leaf but the last
    /// one, complete subtrees wait for their right sibling, one for each set bit of the number of leaves so far.
    package var stackHeight: Int { Int.bitWidth - max(1, leafCount - 1).leadingZeroBitCount }

    /// The maximal complete subtrees of a range of leaves from left to right, each as the leaves it covers. At most
    /// 2·log₂ leafCount.
    package func subtrees(of leaves: Range<Int>) -> [Range<Int>] {
        precondition(leaves.lowerBound >= 0 && leaves.upperBound <= leafCount, "leaves \(leaves) of \(leafCount)")
        var result: [Range<Int>] = []
        var first = leaves.lowerBound
        while first < leaves.upperBound {
            var end = first + 1
            var width = 2
            while first % width == 0, end < leafCount, min(first + width, leafCount) <= leaves.upperBound {
                end = min(first + width, leafCount)
                width *= 2
            }
            result.append(first..<end)
            first = end
        }
        return result
    }

    /// How the subtrees that all ranks hand over become the root: `additions[k]` is how often the two topmost values are
    /// added after the k-th subtree was put on the stack.
    package func program(rankCount: Int) -> Program {
        var program = Program()
        for rank in 0..<rankCount {
            let own = subtrees(of: leaves(of: rank, rankCount: rankCount))
            program.firstOfRank.append(program.subtrees.count)
            program.subtrees += own
        }
        program.firstOfRank.append(program.subtrees.count)
        program.setAdditions(additions(for: program.subtrees))
        return program
    }

    /// One subtree per rank that has leaves, added up from the first rank to the last: not the tree, but what sums in the
    /// order of arrival would be.
    package func sequentialProgram(rankCount: Int) -> Program {
        var program = Program()
        for rank in 0..<rankCount {
            program.firstOfRank.append(program.subtrees.count)
            let own = leaves(of: rank, rankCount: rankCount)
            if !own.isEmpty { program.subtrees.append(own) }
        }
        program.firstOfRank.append(program.subtrees.count)
        program.setAdditions(program.subtrees.indices.map { $0 == 0 ? 0 : 1 })
        return program
    }

    /// One subtree for each worker that has leaves, whose root is that of a tree over its own leaves alone, and over them another
    /// tree. Workers share the leaves as so many ranks would; ranks share the workers.
    package func program(workerCount: Int, rankCount: Int) -> Program {
        var program = Program()
        for rank in 0..<rankCount {
            program.firstOfRank.append(program.subtrees.count)
            program.subtrees += SummationTree(leafCount: workerCount).leaves(of: rank, rankCount: rankCount)
                .map { leaves(of: $0, rankCount: workerCount) }.filter { !$0.isEmpty }
        }
        let count = program.subtrees.count
        program.firstOfRank.append(count)
        program.setAdditions(SummationTree(leafCount: count).additions(for: (0..<count).map { $0..<$0 + 1 }))
        return program
    }

    /// The two halves that the tree adds to make the subtree over `leaves`, or nil for a single leaf.
    package func children(of leaves: Range<Int>) -> (left: Range<Int>, right: Range<Int>)? {
        guard leaves.count > 1 else { return nil }
        var half = 1
        while half * 2 < leaves.count { half *= 2 }
        let middle = leaves.lowerBound + half
        return (leaves.lowerBound..<middle, middle..<leaves.upperBound)
    }

    /// The subtree over `leaves` where not all of it fits at once: halved as the tree halves until its parts do, and added as the
    /// tree adds them. A single leaf is a part whether it fits or not.
    ///
    /// - Parameters:
    ///   - part: makes the value of a part; told how many values wait at its left to be added.
    ///   - add: the value of two neighbours, the left one first.
    package func inParts<Value>(
        _ leaves: Range<Int>, thatFit fits: (Range<Int>) -> Bool,
        part: (_ leaves: Range<Int>, _ waiting: Int) throws -> Value,
        add: (Value, Value) throws -> Value
    ) rethrows -> Value {
        try inParts(leaves, waiting: 0, thatFit: fits, part: part, add: add)
    }

    private func inParts<Value>(
        _ leaves: Range<Int>, waiting: Int, thatFit fits: (Range<Int>) -> Bool,
        part: (_ leaves: Range<Int>, _ waiting: Int) throws -> Value,
        add: (Value, Value) throws -> Value
    ) rethrows -> Value {
        guard !fits(leaves), let (left, right) = children(of: leaves) else { return try part(leaves, waiting) }
        let first = try inParts(left, waiting: waiting, thatFit: fits, part: part, add: add)
        return try add(first, inParts(right, waiting: waiting + 1, thatFit: fits, part: part, add: add))
    }

    /// How often the two topmost sums are added after each of `subtrees`, which are complete ones, in order and without
    /// gaps, so that in the end one is left.
    package func additions(for subtrees: [Range<Int>]) -> [Int] {
        var additions: [Int] = []
        var stack: [Range<Int>] = []
        for subtree in subtrees {
            stack.append(subtree)
            var count = 0
            while stack.count > 1, let right = stack.last, areSiblings(stack[stack.count - 2], right) {
                stack.removeLast()
                stack[stack.count - 1] = stack[stack.count - 1].lowerBound..<right.upperBound
                count += 1
            }
            additions.append(count)
        }
        precondition(stack.count <= 1, "subtrees \(subtrees) don't make a tree of \(leafCount)")
        return additions
    }

    /// Whether the tree adds these two neighbours directly: the left is a full power of two wide, aligned to twice its
    /// width, and the right is all that is left of the same width.
    private func areSiblings(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        let width = left.count
        return width & (width - 1) == 0 && left.lowerBound % (2 * width) == 0
            && right.upperBound == min(left.lowerBound + 2 * width, leafCount)
    }

    /// The subtrees of all ranks in order and how they are combined.
    package struct Program: Sendable, Equatable {
        package fileprivate(set) var subtrees: [Range<Int>] = []
        package private(set) var additions: [Int] = []
        /// The most values that wait on the stack at once, the topmost included.
        private var stackHeight = 0
        /// The index of each rank's first subtree, and behind the last rank the number of all.
        package fileprivate(set) var firstOfRank: [Int] = []

        /// Takes how often the two topmost values are added after each subtree, from which the height of the stack follows.
        fileprivate mutating func setAdditions(_ counts: [Int]) {
            precondition(counts.count == subtrees.count, "\(counts.count) numbers of additions, \(subtrees.count) subtrees")
            additions = counts
            var height = 0
            stackHeight = 0
            for count in counts {
                stackHeight = max(stackHeight, height + 1)
                height += 1 - count
                precondition(height > 0, "more additions than values: \(counts)")
            }
        }

        /// The indices of the subtrees that `rank` hands over.
        package func subtrees(of rank: Int) -> Range<Int> { firstOfRank[rank]..<firstOfRank[rank + 1] }

        /// The leaves of some neighbouring subtrees.
        package func leaves(of subtrees: Range<Int>) -> Range<Int> {
            guard let last = subtrees.last else { return 0..<0 }
            return self.subtrees[subtrees.lowerBound].lowerBound..<self.subtrees[last].upperBound
        }

        /// The sum of one number per subtree, which `value` gives by the subtree's index.
        package func combine(_ value: (Int) -> Double) -> Double {
            withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, stackHeight)) { stack in
                // Invariant: 0 ≤ height ≤ stackHeight, which was derived from the same additions.
                var height = 0
                for (index, count) in additions.enumerated() {
                    var sum = value(index)
                    for _ in 0..<count {
                        height -= 1
                        sum = stack[height] + sum
                    }
                    precondition(height < stack.count, "\(height) values on a stack for \(stack.count)")
                    stack[height] = sum
                    height += 1
                }
                return height > 0 ? stack[0] : 0
            }
        }
    }

    /// The tree's sum of `count` numbers that `value` gives.
    package func sum(_ value: (Int) -> Double) -> Double {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: stackHeight) { stack in
            // Invariant: the stack holds one value per set bit of the number of leaves so far, at the end one.
            var level = 0
            for leaf in 0..<leafCount {
                var sum = value(leaf)
                var merged = leaf + 1
                let isLast = leaf == leafCount - 1
                while level > 0, isLast || merged & 1 == 0 {
                    level -= 1
                    sum = stack[level] + sum
                    merged >>= 1
                }
                precondition(level < stack.count, "\(level) sums on a stack for \(stack.count)")
                stack[level] = sum
                level += 1
            }
            return level > 0 ? stack[0] : 0
        }
    }
}
