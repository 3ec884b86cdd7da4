import Kernels
import Storage
import Testing

/// Trees of more levels than usual batches have: a micro-batch of one sample and a batch of many thousands is a
/// configuration like any other. The last number of leaves takes more levels than a stack of 64 vectors held for 32
/// columns at once.
@Suite("Trees of many leaves")
struct ManyLeavesTests {
    private static let leafCounts = [21, 33, 63, 64, 65, 100, 127, 128, 129, 1000, 4097, 131_200]

    /// The element of a weight gradient: each leaf a chain of fused multiply-adds, leaves along the tree.
    private static func chainSum(
        _ left: [Float], _ right: [Float], _ column: (left: Int, right: Int),
        columns: (left: Int, right: Int), leafRows: Int
    ) -> Float {
        let rows = left.count / columns.left
        let leaves = stride(from: 0, to: rows, by: leafRows).map { first -> Float in
            (first..<min(first + leafRows, rows)).reduce(Float(0)) { sum, row in
                sum.addingProduct(left[row * columns.left + column.left], right[row * columns.right + column.right])
            }
        }
        return treeSum(leaves, +) ?? 0
    }

    @Test(
        "the weight gradient is the plain tree's, bit for bit, in vectors of either width",
        arguments: leafCounts, Set([VectorWidth.narrow, .widest]).sorted { "\($0)" < "\($1)" })
    func weightGradient(leafCount: Int, vectors: VectorWidth) {
        let workspace = Workspace(vectors: vectors)
        let outputs = 3
        let inputs = 35
        for leafRows in leafCount > 1000 ? [1] : [1, 2] {
            let rows = leafCount * leafRows - (leafRows - 1)
            let d = numbers(rows * outputs, seed: 1)
            let x = numbers(rows * inputs, seed: 2)
            let gradient = Guarded(d, rows: rows, columns: outputs)
            let input = Guarded(x, rows: rows, columns: inputs)
            let result = Guarded(rows: outputs, columns: inputs, misalignment: 3)
            workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: leafRows, into: result.view)
            // All elements have the same tree; of many leaves some are enough.
            let indices = leafCount > 1000 ? [0, 34, 52, 104] : Array(0..<outputs * inputs)
            let expected = indices.map {
                Self.chainSum(d, x, ($0 / inputs, $0 % inputs), columns: (outputs, inputs), leafRows: leafRows).bitPattern
            }
            #expect(indices.map { result.bits[$0] } == expected, "\(leafCount) leaves of \(leafRows)")
            #expect(result.guardsHold)
        }
    }

    @Test("column sums are the plain tree's, bit for bit", arguments: leafCounts)
    func columnSums(leafCount: Int) {
        let workspace = Workspace()
        for (leafRows, columns) in leafCount > 1000 ? [(1, 33)] : [(1, 7), (2, 33), (1, 64)] {
            let rows = leafCount * leafRows - (leafRows - 1)
            let values = numbers(rows * columns, seed: 3)
            let matrix = Guarded(values, rows: rows, columns: columns)
            let sums = Guarded(rows: 1, columns: columns)
            workspace.columnSums(matrix.readOnly, leafRows: leafRows, into: sums.view)
            let expected = (0..<columns).map { column -> UInt32? in
                let leaves = stride(from: 0, to: rows, by: leafRows).map { first -> Float in
                    var sum = values[first * columns + column]
                    for row in first + 1..<max(first + 1, min(first + leafRows, rows)) { sum += values[row * columns + column] }
                    return sum
                }
                return treeSum(leaves, +)?.bitPattern
            }
            #expect(sums.bits == expected, "\(leafCount) leaves of \(leafRows), \(columns) columns")
            #expect(sums.guardsHold)
        }
    }

    @Test(
        "the gradient of an embedding is the plain tree's, in which leaves without the token are zeros", arguments: leafCounts,
        [1, 3])
    func embedding(leafCount: Int, threads: Int) throws {
        let workspace = try Workspace(threadCount: threads)
        let kinds = 7
        let width = 11
        for leafTokens in leafCount > 1000 ? [1] : [1, 2, 5] {
            let count = leafCount * leafTokens - (leafTokens - 1)
            let values = numbers(count * width, seed: 8)
            // Token 0 is everywhere, 5 in few leaves, 6 nowhere.
            let tokens = numbers(count, seed: 9).enumerated().map { index, number in
                index % 97 == 40 ? 5 : Float(Int(abs(number) * 1000) % 5)
            }
            let gradient = Guarded(values, rows: count, columns: width)
            let result = Guarded(rows: kinds, columns: width, misalignment: 1)
            let given = Guarded(tokens, rows: 1, columns: count)
            workspace.embeddingGradient(gradient.readOnly, given.readOnly, leafTokens: leafTokens, into: result.view)
            let indices = leafCount > 1000 ? [0, 10, 12, 5 * width + 3, 6 * width] : Array(0..<kinds * width)
            let expected = indices.map { index -> UInt32? in
                let leaves = stride(from: 0, to: count, by: leafTokens).map { first -> Float in
                    (first..<min(first + leafTokens, count)).reduce(Float(0)) { sum, place in
                        Int(tokens[place]) == index / width ? sum + values[place * width + index % width] : sum
                    }
                }
                return treeSum(leaves, +)?.bitPattern
            }
            #expect(indices.map { result.bits[$0] } == expected, "\(leafCount) leaves of \(leafTokens)")
            #expect(result.guardsHold && given.guardsHold && gradient.guardsHold)
        }
    }

    @Test(
        "subtrees of single leaves combine to the plain tree, in scratch of just the levels that are told",
        arguments: leafCounts)
    func combining(leafCount: Int) {
        let count = 3
        let tree = SummationTree(leafCount: leafCount)
        let values = numbers(leafCount * count, seed: 5)
        let sources = Guarded(values, rows: leafCount, columns: count)
        let additions = tree.additions(for: (0..<leafCount).map { $0..<$0 + 1 })
        let levels = combinationLevels(additions)
        #expect(levels <= tree.stackHeight + 1)
        let scratch = Guarded(rows: levels, columns: count)
        let result = Guarded(rows: 1, columns: count)
        combineTree(
            (0..<leafCount).map { sources.readOnly.base + $0 * count }, additions: additions, offset: 0, factor: 0.5,
            scratch: scratch.view.elements, into: result.view)
        let expected = (0..<count).map { column in
            treeSum((0..<leafCount).map { values[$0 * count + column] }, +).map { ($0 * 0.5).bitPattern }
        }
        #expect(result.bits == expected)
        #expect(result.guardsHold && scratch.guardsHold)
    }

    @Test("sums of Doubles likewise", arguments: leafCounts)
    func doubles(leafCount: Int) {
        let values = numbers(leafCount, seed: 6).map { Double($0) / 3 }
        let sum = values.withUnsafeBufferPointer { leafTreeSum($0, leafRows: 1) }
        #expect(sum.bitPattern == treeSum(values, +)?.bitPattern)
    }

    @Test("in another order the bits are others, so the tests above can fail")
    func orderShows() {
        let values = numbers(131_200, seed: 3)
        #expect(treeSum(values, +) != values.reduce(0, +))
    }
}
