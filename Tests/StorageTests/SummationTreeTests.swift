import Storage
import Testing

@Suite("The summation tree")
struct SummationTreeTests {
    /// The definition: level by level node(l, i) = node(l−1, 2i) + node(l−1, 2i+1), a left without a right passes on.
    private func levels(_ leaves: [Double]) -> [[Double]] {
        var levels = [leaves]
        while let last = levels.last, last.count > 1 {
            levels.append(
                stride(from: 0, to: last.count, by: 2).map { i in
                    i + 1 < last.count ? last[i] + last[i + 1] : last[i]
                })
        }
        return levels
    }

    /// Numbers whose sum shows its order: magnitudes over twelve decades, both signs.
    private func numbers(_ count: Int) -> [Double] {
        let stream = RandomStream(seed: UInt64(count), purpose: .split)
        return (0..<count).map { index in
            let word = stream.word(0, ordinal: UInt64(index))
            let exponent = Int(word & 31) - 16
            let magnitude = Double(sign: .plus, exponent: exponent, significand: 1 + Double(word >> 12) * 0x1p-52)
            return word & 32 == 0 ? magnitude : -magnitude
        }
    }

    /// The node over `leaves`, by the definition.
    private func node(_ leaves: Range<Int>, in levels: [[Double]], leafCount: Int) -> Double? {
        for (level, nodes) in levels.enumerated() {
            let width = 1 << level
            guard leaves.lowerBound % width == 0 else { continue }
            let end = min(leaves.lowerBound + width, leafCount)
            if end == leaves.upperBound { return nodes[leaves.lowerBound / width] }
        }
        return nil
    }

    @Test("ranks' subtrees cover the leaves in order and combine to the root of the definition, bit for bit")
    func programs() throws {
        for leafCount in 0...70 {
            let tree = SummationTree(leafCount: leafCount)
            let leaves = numbers(leafCount)
            let levels = levels(leaves)
            let root = levels.last?.first ?? 0
            #expect(tree.sum { leaves[$0] }.bitPattern == root.bitPattern)
            for rankCount in 1...9 {
                let program = tree.program(rankCount: rankCount)
                var next = 0
                for rank in 0..<rankCount {
                    let own = tree.leaves(of: rank, rankCount: rankCount)
                    #expect(own.lowerBound == rank * leafCount / rankCount)
                    #expect(own.upperBound == (rank + 1) * leafCount / rankCount)
                    let subtrees = program.subtrees(of: rank).map { program.subtrees[$0] }
                    #expect(subtrees == tree.subtrees(of: own))
                    #expect(subtrees.first?.lowerBound ?? own.lowerBound == own.lowerBound)
                    for subtree in subtrees {
                        #expect(subtree.lowerBound == next && !subtree.isEmpty)
                        next = subtree.upperBound
                    }
                    #expect(next == own.upperBound)
                    #expect(subtrees.count <= max(1, 2 * (leafCount.bitWidth - leafCount.leadingZeroBitCount)))
                }
                #expect(next == leafCount)
                let values = try program.subtrees.map { try #require(node($0, in: levels, leafCount: leafCount)) }
                #expect(
                    program.combine { values[$0] }.bitPattern == root.bitPattern,
                    "\(leafCount) leaves, \(rankCount) ranks")
            }
        }
    }

    @Test("likewise of very many leaves, on few and on many ranks", arguments: [1000, 4097, 65_537, 131_200])
    func manyLeaves(leafCount: Int) throws {
        let tree = SummationTree(leafCount: leafCount)
        let leaves = numbers(leafCount)
        let levels = levels(leaves)
        let root = try #require(levels.last?.first)
        #expect(tree.sum { leaves[$0] }.bitPattern == root.bitPattern)
        for rankCount in [1, 7, 100, leafCount] {
            let program = tree.program(rankCount: rankCount)
            let values = try program.subtrees.map { try #require(node($0, in: levels, leafCount: leafCount)) }
            #expect(program.combine { values[$0] }.bitPattern == root.bitPattern, "\(rankCount) ranks")
        }
        let arrival = tree.sequentialProgram(rankCount: 7)
        #expect(arrival.combine { Double($0 + 1) } == 28)
    }

    @Test("the stack's height is the most sums that wait at once")
    func stackHeight() {
        for leafCount in 1...1100 {
            var most = 1
            for leaves in 1..<max(2, leafCount) { most = max(most, leaves.nonzeroBitCount) }
            #expect(
                SummationTree(leafCount: leafCount).stackHeight == most
                    || SummationTree(leafCount: leafCount).stackHeight == most + 1, "\(leafCount) leaves")
        }
    }

    @Test("the subtrees of a range are maximal: no two neighbours are siblings")
    func subtreesAreMaximal() {
        for leafCount in 1...40 {
            let tree = SummationTree(leafCount: leafCount)
            for first in 0..<leafCount {
                for end in first + 1...leafCount {
                    let subtrees = tree.subtrees(of: first..<end)
                    for (left, right) in zip(subtrees, subtrees.dropFirst()) {
                        let joined = left.lowerBound..<right.upperBound
                        let children = tree.children(of: joined)
                        let isNode =
                            joined.lowerBound % (2 * left.count) == 0
                            && joined.upperBound == min(joined.lowerBound + 2 * left.count, leafCount)
                        #expect(!(isNode && children?.left == left && children?.right == right))
                    }
                }
            }
        }
    }

    @Test("a subtree's children are what the tree adds to make it")
    func children() throws {
        for leafCount in 1...70 {
            let tree = SummationTree(leafCount: leafCount)
            let leaves = numbers(leafCount)
            let levels = levels(leaves)
            func value(_ range: Range<Int>) throws -> Double {
                guard let (left, right) = tree.children(of: range) else { return leaves[range.lowerBound] }
                #expect(left.lowerBound == range.lowerBound && left.upperBound == right.lowerBound)
                #expect(right.upperBound == range.upperBound && !left.isEmpty && !right.isEmpty)
                return try value(left) + value(right)
            }
            #expect(tree.children(of: 0..<1) == nil)
            for rankCount in 1...9 {
                for subtree in tree.program(rankCount: rankCount).subtrees {
                    let expected = try #require(node(subtree, in: levels, leafCount: leafCount))
                    #expect(try value(subtree).bitPattern == expected.bitPattern)
                }
            }
        }
    }

    @Test("summing in another order gives other bits, so the tests above can fail")
    func orderShows() {
        let leaves = numbers(37)
        #expect(SummationTree(leafCount: 37).sum { leaves[$0] } != leaves.reduce(0, +))
    }
}
