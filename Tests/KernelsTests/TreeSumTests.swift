import Kernels
import Storage
import Testing

@Suite("Sums over leaves")
struct TreeSumTests {
    /// Row counts of 1 to 20 leaves, the last one full or short.
    private static func rowCounts(leafRows: Int) -> [Int] {
        var counts: Set<Int> = []
        for leaves in 1...20 {
            let full = leaves * leafRows
            counts.formUnion([full, full - leafRows / 2, full - leafRows + 1])
        }
        return counts.sorted()
    }

    private static func leaves(_ rows: Int, _ leafRows: Int) -> [Range<Int>] {
        stride(from: 0, to: rows, by: leafRows).map { $0..<min($0 + leafRows, rows) }
    }

    @Test(
        "the weight gradient of many leaves is the tree over the leaves' gradients, bit for bit",
        arguments: [1, 2, 3, 4, 7, 8])
    func weightGradients(leafRows: Int) {
        let workspace = Workspace()
        for (outputs, inputs) in [(5, 19), (7, 16), (13, 33), (1, 1)] {
            for rows in Self.rowCounts(leafRows: leafRows) {
                let gradient = Guarded(numbers(rows * outputs, seed: 1), rows: rows, columns: outputs, misalignment: 1)
                let input = Guarded(numbers(rows * inputs, seed: 2), rows: rows, columns: inputs, misalignment: 3)
                let whole = Guarded(rows: outputs, columns: inputs, misalignment: 5)
                workspace.weightGradient(gradient.readOnly, input.readOnly, leafRows: leafRows, into: whole.view)
                let parts = Self.leaves(rows, leafRows).map { range in
                    let part = Guarded(rows: outputs, columns: inputs)
                    workspace.weightGradient(
                        gradient.readOnly[rows: range], input.readOnly[rows: range],
                        leafRows: leafRows, into: part.view)
                    return part.values
                }
                let root = treeSum(parts) { left, right in zip(left, right).map { $0 + $1 } }
                #expect(whole.bits == root?.map(\.bitPattern), "\(rows) rows in leaves of \(leafRows)")
                #expect(whole.guardsHold)
            }
        }
    }

    @Test(
        "column sums add the rows of a leaf in order, the leaves along the tree, bit for bit",
        arguments: [1, 2, 3, 4, 7, 8])
    func columnSums(leafRows: Int) {
        let workspace = Workspace()
        for columns in [1, 7, 8, 9, 16, 33] {
            for rows in Self.rowCounts(leafRows: leafRows) {
                let values = numbers(rows * columns, seed: 3)
                let matrix = Guarded(values, rows: rows, columns: columns, misalignment: 1, gap: columns % 3)
                let sums = Guarded(rows: 1, columns: columns, misalignment: 2)
                workspace.columnSums(matrix.readOnly, leafRows: leafRows, into: sums.view)
                let expected = (0..<columns).map { column -> UInt32? in
                    let leaves = Self.leaves(rows, leafRows).map { range -> Float in
                        var sum = values[range.lowerBound * columns + column]
                        for row in range.dropFirst() { sum += values[row * columns + column] }
                        return sum
                    }
                    return treeSum(leaves) { $0 + $1 }?.bitPattern
                }
                #expect(sums.bits == expected, "\(rows)×\(columns) in leaves of \(leafRows)")
                #expect(sums.guardsHold)
            }
        }
    }

    @Test("sums of Doubles likewise", arguments: [1, 2, 3, 4, 7, 8])
    func doubles(leafRows: Int) {
        for rows in [0] + Self.rowCounts(leafRows: leafRows) {
            let values = numbers(rows, seed: 4).map { Double($0) / 3 }
            let sum = values.withUnsafeBufferPointer { leafTreeSum($0, leafRows: leafRows) }
            let leaves = Self.leaves(rows, leafRows).map { range -> Double in
                var sum = 0.0
                for row in range { sum += values[row] }
                return sum
            }
            let expected = treeSum(leaves) { $0 + $1 }
            #expect(sum.bitPattern == (expected ?? 0).bitPattern, "\(rows) rows in leaves of \(leafRows)")
        }
    }

    @Test("NaN in one row and column reaches that column's sum only")
    func specialNumbers() {
        var values = numbers(9 * 17, seed: 5)
        values[4 * 17 + 16] = .nan
        values[2 * 17 + 3] = .infinity
        let matrix = Guarded(values, rows: 9, columns: 17)
        let sums = Guarded(rows: 1, columns: 17)
        Workspace().columnSums(matrix.readOnly, leafRows: 4, into: sums.view)
        expectAll(17, "columns") { column in
            column == 16
                ? sums.values[column].isNaN
                : column == 3
                    ? sums.values[column] == .infinity
                    : sums.values[column].isFinite
        }
    }

    @Test("the sum of squares of a block is exact to Double's rounding", arguments: oddSizes + [1024])
    func squares(count: Int) {
        let values = numbers(count, seed: 6, scale: 100)
        let block = Guarded(values, rows: 1, columns: count, misalignment: count % 8)
        let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(sumOfSquares(block.readOnly) - expected) <= Double(2 * count) * 0x1p-53 * expected)
        // Squares of Float32's largest fit into Double.
        let large = Guarded([Float](repeating: 3e38, count: count), rows: 1, columns: count)
        #expect(sumOfSquares(large.readOnly).isFinite)
    }

    @Test("ranks' subtrees combine to the tree's sum element by element, bit for bit, times the factor")
    func combining() {
        let count = 37
        let offset = 5
        let factor: Float = 0.3
        for leafCount in Array(1...20) + [31, 33, 64, 70] {
            let tree = SummationTree(leafCount: leafCount)
            let leaves = (0..<leafCount).map { numbers(count, seed: UInt64(100 + $0), scale: Double(1 << ($0 % 9))) }
            let root = treeSum(leaves) { left, right in zip(left, right).map { $0 + $1 } } ?? []
            let expected = root.map { ($0 * factor).bitPattern }
            for rankCount in 1...9 {
                let program = tree.program(rankCount: rankCount)
                let sources = program.subtrees.map { subtree -> [Float] in
                    func value(_ range: Range<Int>) -> [Float] {
                        guard let (left, right) = tree.children(of: range) else { return leaves[range.lowerBound] }
                        return zip(value(left), value(right)).map { $0 + $1 }
                    }
                    return [Float](repeating: .nan, count: offset) + value(subtree)
                }
                let buffer = Guarded(sources.flatMap { $0 }, rows: sources.count, columns: offset + count)
                let pointers = (0..<sources.count).map { buffer.readOnly.base + $0 * (offset + count) }
                let scratch = Guarded(rows: combinationLevels(program.additions), columns: count)
                let result = Guarded(rows: 1, columns: count, misalignment: 3)
                let squares = combineTree(
                    pointers, additions: program.additions, offset: offset, factor: factor,
                    scratch: scratch.view.elements, into: result.view)
                #expect(result.bits == expected, "\(leafCount) leaves, \(rankCount) ranks")
                #expect(squares == sumOfSquares(result.readOnly), "\(leafCount) leaves, \(rankCount) ranks")
                #expect(result.guardsHold && scratch.guardsHold)
            }
        }
    }
}
