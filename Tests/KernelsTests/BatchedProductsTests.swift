import Kernels
import Storage
import Testing

@Suite("Batched products")
struct BatchedProductsTests {
    /// Heads of samples as attention has them: samples × steps × (heads × width) numbers, a head's matrix being some columns
    /// of a sample's rows.
    private struct Heads {
        let samples: Int, steps: Int, heads: Int, width: Int

        var all: Int { samples * heads }
        var columns: Int { heads * width }

        func batch(_ operand: Guarded) -> MatrixBatch<MatrixView> {
            MatrixBatch(
                operand.readOnly[rows: 0..<steps][columns: 0..<width], groups: samples,
                groupStep: steps * operand.readOnly.stride, members: heads, memberStep: width)
        }

        func batch(_ result: Guarded) -> MatrixBatch<MutableMatrixView> {
            MatrixBatch(
                result.view[rows: 0..<steps][columns: 0..<width], groups: samples,
                groupStep: steps * result.view.stride, members: heads, memberStep: width)
        }
    }

    @Test(
        "every one is the product of its two matrices, bit for bit, at any width of vectors and number of threads",
        arguments: [[1, 1, 1, 1], [2, 5, 3, 4], [3, 17, 2, 16], [1, 64, 4, 32], [2, 33, 1, 100], [1, 130, 2, 64], [4, 2, 8, 7]])
    func products(shape: [Int]) throws {
        let heads = Heads(samples: shape[0], steps: shape[1], heads: shape[2], width: shape[3])
        let steps = heads.steps
        let rows = heads.samples * steps
        let a = Guarded(numbers(rows * heads.columns, seed: 61), rows: rows, columns: heads.columns, misalignment: 1, gap: 3)
        let b = Guarded(numbers(rows * heads.columns, seed: 62), rows: rows, columns: heads.columns, misalignment: 2)
        let square = Guarded(numbers(heads.all * steps * steps, seed: 63), rows: heads.all * steps, columns: steps, gap: 7)
        let squares = MatrixBatch(
            square.readOnly[rows: 0..<steps], groups: heads.all, groupStep: steps * square.readOnly.stride)
        let left: MatrixBatch<MatrixView> = heads.batch(a)
        let right: MatrixBatch<MatrixView> = heads.batch(b)
        for vectors in VectorWidth.widest == .wide ? [VectorWidth.narrow, .wide] : [.narrow] {
            for threadCount in [1, 3] {
                let workspace = try Workspace(threadCount: threadCount, vectors: vectors)
                let scores = Guarded(rows: heads.all * steps, columns: steps, misalignment: 3)
                workspace.innerProducts(
                    left, right,
                    into: MatrixBatch(scores.view[rows: 0..<steps], groups: heads.all, groupStep: steps * steps))
                let mixed = Guarded(rows: rows, columns: heads.columns, misalignment: 4, gap: 5)
                workspace.products(squares, right, into: heads.batch(mixed))
                let turned = Guarded(rows: rows, columns: heads.columns, misalignment: 5, gap: 2)
                workspace.transposedProducts(squares, right, into: heads.batch(turned))
                let single = Workspace(vectors: vectors)
                for index in 0..<heads.all {
                    let score = Guarded(rows: steps, columns: steps)
                    single.innerProducts(left[index], right[index], bias: nil, into: score.view)
                    expectBits(scores.readOnly[rows: index * steps..<(index + 1) * steps], score.readOnly, "scores \(index)")
                    let product = Guarded(rows: steps, columns: heads.width)
                    single.inputGradient(squares[index], right[index], into: product.view)
                    let mixedBatch: MatrixBatch<MutableMatrixView> = heads.batch(mixed)
                    expectBits(mixedBatch[index].readOnly, product.readOnly, "product \(index)")
                    single.weightGradient(squares[index], right[index], leafRows: steps, into: product.view)
                    let turnedBatch: MatrixBatch<MutableMatrixView> = heads.batch(turned)
                    expectBits(turnedBatch[index].readOnly, product.readOnly, "transposed product \(index)")
                }
                #expect(scores.guardsHold && mixed.guardsHold && turned.guardsHold)
                #expect(a.guardsHold && b.guardsHold && square.guardsHold)
            }
        }
    }

    private func expectBits(_ found: MatrixView, _ expected: MatrixView, _ what: String) {
        let same = (0..<expected.rows).allSatisfy { row in
            found.row(row).elementsEqual(expected.row(row)) { $0.bitPattern == $1.bitPattern }
        }
        #expect(same, "\(what)")
    }
}
