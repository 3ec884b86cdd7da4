import Kernels
import Storage
import Testing

@Suite("Weights that are remembered")
struct PackedWeightsTests {
    @Test(
        "products of a few rows have the bits that they always have, at any width of vectors, from rows that lie apart too",
        arguments: [1, 2, 7, 8, 9, 20], [1, 3, 16, 33, 300])
    func bits(rows: Int, units: Int) {
        for vectors in VectorWidth.widest == .wide ? [VectorWidth.narrow, .wide] : [.narrow] {
            for (depth, spoil) in [(5, nil), (64, Float.infinity), (900, nil)] {
                var weights = numbers(units * depth, seed: 2)
                if let spoil { weights[weights.count / 3] = spoil }
                let input = Guarded(numbers(rows * depth, seed: 1), rows: rows, columns: depth, gap: 3)
                let weight = Guarded(weights, rows: units, columns: depth, misalignment: 1)
                let bias = Guarded(numbers(units, seed: 3), rows: 1, columns: units)
                for (hasBias, activation) in [(true, Activation.relu), (true, .tanh), (false, nil)] {
                    // Other activations want rows without gaps.
                    let gap = activation == .tanh ? 0 : 5
                    let plain = Guarded(rows: rows, columns: units, misalignment: 2, gap: gap)
                    let remembered = Guarded(rows: rows, columns: units, misalignment: 2, gap: gap)
                    Workspace(vectors: vectors).innerProducts(
                        input.readOnly, weight.readOnly, bias: hasBias ? bias.readOnly : nil, activation: activation,
                        into: plain.view)
                    let workspace = Workspace(vectors: vectors)
                    workspace.rememberWeights()
                    // The second product reads what the first one has remembered.
                    for _ in 0..<2 {
                        workspace.innerProducts(
                            input.readOnly, weight.readOnly, bias: hasBias ? bias.readOnly : nil, activation: activation,
                            into: remembered.view)
                        #expect(remembered.bits == plain.bits && remembered.guardsHold, "\(vectors), depth \(depth)")
                    }
                }
            }
        }
    }
}
