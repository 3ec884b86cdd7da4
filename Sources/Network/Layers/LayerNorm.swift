import Diagnostics
import Kernels
import Settings
import Storage

/// Layer normalisation (Ba, Kiros and Hinton, arXiv:1607.06450): y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), mean μ and biased
/// variance σ² over the last `dimensions` axes of each position, as `torch.nn.LayerNorm` with the `normalized_shape` of those
/// axes.
///
/// Backward, with ĝ = ∂L/∂y·γ: ∂L/∂x = (ĝ − mean ĝ − x̂·mean(ĝ·x̂))/√(σ² + ε), ∂L/∂γ = Σ g·x̂, ∂L/∂β = Σ g.
/// Kept: μ and 1/√(σ² + ε) of each position.
package struct LayerNorm: Layer {
    package static let kind = "layer_norm"
    package let outputShape: Shape
    private let width: Int
    private let positions: Int
    private let epsilon: Double
    private let weight: ParameterSlot?
    private let bias: ParameterSlot?

    package init(options: Settings, site: inout LayerSite) throws {
        let dimensions = site.inputShape.dimensions
        let axes = try options.int("dimensions", default: 1, in: 1...1 << 20)
        epsilon = try options.double("epsilon", default: 1e-5, in: .nonNegative)
        let isAffine = try options.bool("affine", default: true)
        let hasBias = try options.bool("bias", default: true)
        guard axes <= dimensions.count, site.inputShape.count > 0 else {
            throw options.failure(
                "dimensions",
                "\(axes) dimensions are to be normalized, but a sample has the shape "
                    + "\(site.inputShape)")
        }
        let normalized = Shape(Array(dimensions.suffix(axes)))
        width = normalized.count
        positions = site.inputShape.count / width
        outputShape = site.inputShape
        weight = isAffine ? site.reserve("weight", shape: normalized, role: .other, initializer: .constant(1)) : nil
        bias = isAffine && hasBias ? site.reserve("bias", shape: normalized, role: .bias, initializer: .constant(0)) : nil
    }

    package var memory: LayerMemory {
        let statistics = MemoryNeed(perSample: 2 * positions)
        return LayerMemory(
            kept: statistics, evaluation: statistics,
            backward: MemoryNeed(perSample: weight == nil ? 0 : outputShape.count))
    }

    package var backwardOperands: BackwardOperands { .input }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let rows = input.rows * positions
        pass.workspace.normalizeRows(
            input.reshaped(rows: rows, columns: width), epsilon: epsilon,
            weight: weight.map { pass.weights.matrix($0) }, bias: bias.map { pass.weights.matrix($0) },
            statistics: statistics(memory.kept ?? memory.work, rows: input.rows),
            into: output.reshaped(rows: rows, columns: width))
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        let rows = input.rows * positions
        let leafRows = pass.summedRows * positions
        let gradient = outputGradient.reshaped(rows: rows, columns: width)
        let weightGradient = weight.flatMap { pass.gradient(of: $0) }
        let scaled = weightGradient.map { _ in
            memory.work.matrix(rows: input.rows, columns: outputShape.count)
                .reshaped(rows: rows, columns: width)
        }
        pass.workspace.normalizeRowsGradient(
            gradient, input: input.reshaped(rows: rows, columns: width),
            weight: weight.map { pass.weights.matrix($0) },
            statistics: statistics(memory.left, rows: input.rows).readOnly,
            scaled: scaled, into: inputGradient?.reshaped(rows: rows, columns: width))
        if let weightGradient, let scaled {
            pass.workspace.columnSums(scaled.readOnly, leafRows: leafRows, into: weightGradient)
        }
        if let target = bias.flatMap({ pass.gradient(of: $0) }) {
            pass.workspace.columnSums(gradient, leafRows: leafRows, into: target)
        }
    }

    /// Mean and inverse deviation of every position, a row each.
    private func statistics(_ scratch: Scratch, rows: Int) -> MutableMatrixView {
        scratch.matrix(rows: rows, columns: 2 * positions).reshaped(rows: rows * positions, columns: 2)
    }
}
