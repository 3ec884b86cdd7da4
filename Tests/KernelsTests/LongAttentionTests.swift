import Kernels
import Storage
import TestSupport
import Testing

private let positions = 700
private let heads = 4, keyHeads = 2, width = 12
/// A whole sample, one that ends within a tile, one of a single position, one of none.
private let lengths: [Int32] = [700, 333, 1, 0]
private let rows = 700 * 4

/// Attention over many positions, in several tiles of queries, against its definition in Double.
@Suite("Attention over long sequences")
struct LongAttentionTests {
    /// Queries, keys, values, and the gradient of the results.
    private struct Operands {
        let queries = Guarded(
            numbers(rows * heads * width, seed: 81, scale: 2), rows: rows, columns: heads * width, misalignment: 1, gap: 5)
        let keys = Guarded(
            numbers(rows * keyHeads * width, seed: 82, scale: 2), rows: rows, columns: keyHeads * width, misalignment: 2, gap: 3
        )
        let values = Guarded(numbers(rows * keyHeads * width, seed: 83), rows: rows, columns: keyHeads * width, misalignment: 3)
        let gradient = Guarded(numbers(rows * heads * width, seed: 84), rows: rows, columns: heads * width, gap: 1)
    }

    /// Results, and the gradients of queries, keys and values.
    private struct Found {
        let output = Guarded(rows: rows, columns: heads * width, misalignment: 1, gap: 2)
        let queries = Guarded(rows: rows, columns: heads * width, misalignment: 2)
        let keys = Guarded(rows: rows, columns: keyHeads * width, gap: 4)
        let values = Guarded(rows: rows, columns: keyHeads * width, misalignment: 3, gap: 1)

        var all: [(name: String, matrix: Guarded)] {
            [("results", output), ("queries", queries), ("keys", keys), ("values", values)]
        }
    }

    private func compute(_ operands: Operands, isCausal: Bool, in workspace: Workspace) -> Found {
        let attention = Attention(
            positions: positions, heads: heads, keyHeads: keyHeads, width: width, isCausal: isCausal)
        let found = Found()
        let statistics = Guarded(rows: rows, columns: 2 * heads)
        lengths.withUnsafeBufferPointer { lengths in
            let own = SequenceLengths(lengths)
            workspace.attend(
                attention, queries: operands.queries.readOnly, keys: operands.keys.readOnly, values: operands.values.readOnly,
                lengths: own, dropout: nil, statistics: statistics.view, into: found.output.view)
            workspace.attendGradient(
                attention, operands.gradient.readOnly, queries: operands.queries.readOnly, keys: operands.keys.readOnly,
                values: operands.values.readOnly, lengths: own, dropout: nil, statistics: statistics.readOnly,
                output: found.output.readOnly, into: found.queries.view, found.keys.view, found.values.view)
        }
        return found
    }

    /// What `Found` should be, by the definition: P = softmax(Q·Kᵀ/√w), O = P·V; ∂V = Pᵀ·∂O, ∂S = P ∘ (∂O·Vᵀ − rows of ∂O·O).
    private func defined(_ operands: Operands, isCausal: Bool) -> [[Double]] {
        let q = operands.queries.values.map(Double.init), k = operands.keys.values.map(Double.init)
        let v = operands.values.values.map(Double.init), g = operands.gradient.values.map(Double.init)
        var output = [Double](repeating: 0, count: q.count), queries = output
        var keys = [Double](repeating: 0, count: k.count), values = keys
        let scale = 1 / Double(width).squareRoot()
        for (sample, length) in lengths.enumerated() {
            for head in 0..<heads {
                for query in 0..<Int(length) {
                    let row = ((sample * positions + query) * heads + head) * width
                    func place(_ key: Int) -> Int {
                        ((sample * positions + key) * keyHeads + head / (heads / keyHeads)) * width
                    }
                    let count = isCausal ? query + 1 : Int(length)
                    var weights = (0..<count).map { key in
                        let at = place(key)
                        return (0..<width).reduce(0.0) { $0 + q[row + $1] * k[at + $1] } * scale
                    }
                    let highest = weights.max() ?? 0
                    for key in 0..<count { weights[key] = exponential(weights[key] - highest) }
                    let sum = weights.reduce(0, +)
                    for key in 0..<count {
                        weights[key] /= sum
                        for index in 0..<width { output[row + index] += weights[key] * v[place(key) + index] }
                    }
                    let mean = (0..<width).reduce(0.0) { $0 + g[row + $1] * output[row + $1] }
                    for key in 0..<count {
                        let at = place(key)
                        let change = (0..<width).reduce(0.0) { $0 + g[row + $1] * v[at + $1] } - mean
                        let ofScore = weights[key] * change * scale
                        for index in 0..<width {
                            values[at + index] += weights[key] * g[row + index]
                            queries[row + index] += ofScore * k[at + index]
                            keys[at + index] += ofScore * q[row + index]
                        }
                    }
                }
            }
        }
        return [output, queries, keys, values]
    }

    @Test(
        "it is what it is defined as, with the same bits on any number of threads and at any width of vectors",
        arguments: [true, false])
    func long(isCausal: Bool) throws {
        let operands = Operands()
        let expected = defined(operands, isCausal: isCausal)
        var first: [[UInt32]]?
        for vectors in VectorWidth.widest == .wide ? [VectorWidth.narrow, .wide] : [.narrow] {
            for threadCount in [1, 2, 3, 5] {
                let found = compute(operands, isCausal: isCausal, in: try Workspace(threadCount: threadCount, vectors: vectors))
                let bits = found.all.map(\.matrix.bits)
                for (name, matrix) in found.all { #expect(matrix.guardsHold, "\(name), \(threadCount) threads, \(vectors)") }
                if let first {
                    #expect(bits == first, "\(threadCount) threads, \(vectors)")
                    continue
                }
                first = bits
                // A sum of so many terms, none of which adds up to more than this many units.
                let bound = 4 * Double(positions) * 0x1p-24
                for ((name, matrix), numbers) in zip(found.all, expected) {
                    let off = zip(matrix.values, numbers).map { abs(Double($0) - $1) }.max() ?? .infinity
                    #expect(off <= bound, "\(name): \(off), \(bound) allowed")
                    let isLarge = numbers.contains { abs($0) > 10 * bound }
                    #expect(isLarge, "\(name)")
                }
            }
        }
        for operand in [operands.queries, operands.keys, operands.values, operands.gradient] { #expect(operand.guardsHold) }
    }
}
