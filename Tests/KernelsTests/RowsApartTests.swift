import Kernels
import Storage
import Testing

/// Kernels that take their operands row by row give rows that lie apart the bits of rows one behind the other, and leave what
/// lies between them alone. Products, column sums, softmax and dropout have it in their own tests.
@Suite("Rows apart")
struct RowsApartTests {
    private static let rows = 7

    /// Runs a kernel with contiguous rows and with rows apart, and compares what it assigned.
    private static func expectSame(_ what: String, _ columns: Int, _ kernel: (_ gap: Int) -> [Guarded]) {
        let expected = kernel(0)
        for gap in [1, 8, 13] {
            let found = kernel(gap)
            #expect(found.map(\.bits) == expected.map(\.bits), "\(what), \(columns) columns, rows \(gap) apart")
            #expect(found.allSatisfy { $0.guardsHold }, "\(what), \(columns) columns, rows \(gap) apart")
        }
    }

    @Test("layer normalization and its gradient", arguments: oddSizes)
    func normalization(columns: Int) {
        let workspace = Workspace()
        let x = numbers(Self.rows * columns, seed: 1)
        let g = numbers(Self.rows * columns, seed: 2)
        let weight = Guarded(numbers(columns, seed: 3), rows: 1, columns: columns)
        Self.expectSame("normalizeRows", columns) { gap in
            let input = Guarded(x, rows: Self.rows, columns: columns, gap: gap)
            let gradient = Guarded(g, rows: Self.rows, columns: columns, gap: 2 * gap)
            let output = Guarded(rows: Self.rows, columns: columns, gap: 3 * gap)
            let statistics = Guarded(rows: Self.rows, columns: 2, gap: gap)
            let scaled = Guarded(rows: Self.rows, columns: columns, gap: gap)
            let result = Guarded(rows: Self.rows, columns: columns, gap: gap)
            workspace.normalizeRows(
                input.readOnly, epsilon: 1e-5, weight: weight.readOnly, bias: weight.readOnly, statistics: statistics.view,
                into: output.view)
            workspace.normalizeRowsGradient(
                gradient.readOnly, input: input.readOnly, weight: weight.readOnly, statistics: statistics.readOnly,
                scaled: scaled.view, into: result.view)
            #expect(input.guardsHold && gradient.guardsHold)
            return [output, statistics, scaled, result]
        }
        let means = Guarded(numbers(columns, seed: 4), rows: 1, columns: columns)
        let variances = Guarded(numbers(columns, seed: 5).map(abs), rows: 1, columns: columns)
        Self.expectSame("normalizeColumns", columns) { gap in
            // A view doesn't hold the memory that it shows: every operand is looked at once more after the call.
            let input = Guarded(x, rows: Self.rows, columns: columns, gap: 2 * gap)
            let scales = Guarded(rows: 1, columns: columns)
            let output = Guarded(rows: Self.rows, columns: columns, gap: gap)
            workspace.normalizationScales(of: variances.readOnly, epsilon: 1e-5, into: scales.view)
            workspace.normalizeColumns(
                input.readOnly, means: means.readOnly, scales: scales.readOnly, weight: weight.readOnly, bias: nil,
                into: output.view)
            #expect(input.guardsHold && scales.guardsHold)
            return [output]
        }
        #expect(weight.guardsHold && means.guardsHold && variances.guardsHold)
    }

    @Test("permutations, embeddings and weights of samples", arguments: oddSizes)
    func others(columns: Int) {
        let workspace = Workspace()
        let x = numbers(Self.rows * 2 * columns, seed: 6)
        let permutation = AxisPermutation(shape: [2, columns], order: [1, 0])
        Self.expectSame("permute", columns) { gap in
            let output = Guarded(rows: Self.rows, columns: 2 * columns, gap: gap)
            let input = Guarded(x, rows: Self.rows, columns: 2 * columns, gap: 2 * gap)
            workspace.permute(input.readOnly, by: permutation, into: output.view)
            #expect(input.guardsHold)
            return [output]
        }
        let tokens = Guarded([3, 0, 1, 3, 3, 2, 0], rows: 1, columns: Self.rows)
        Self.expectSame("embed", columns) { gap in
            let table = Guarded(Array(x.prefix(4 * columns)), rows: 4, columns: columns, gap: gap)
            let output = Guarded(rows: Self.rows, columns: columns, gap: 2 * gap)
            workspace.embed(tokens.readOnly, table.readOnly, into: output.view)
            let gradient = Guarded(rows: 4, columns: columns, gap: gap)
            workspace.embeddingGradient(output.readOnly, tokens.readOnly, leafTokens: 2, into: gradient.view)
            #expect(table.guardsHold && tokens.guardsHold)
            return [output, gradient]
        }
        let weights: [Float] = [0, 1, 2, 0.5, 1, 0, 3]
        Self.expectSame("weigh", columns) { gap in
            let gradient = Guarded(Array(x.prefix(Self.rows * columns)), rows: Self.rows, columns: columns, gap: gap)
            let losses = AlignedBuffer<Double>(count: Self.rows, repeating: 1)
            weights.withUnsafeBufferPointer { workspace.weigh(losses.elements, gradient: gradient.view, by: $0) }
            return [gradient]
        }
    }
}
