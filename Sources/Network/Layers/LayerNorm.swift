import Kernels
import Settings
import Storage

/// Layer normalisation (Ba, Kiros and Hinton, arXiv:1607.06450): y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), mean μ and biased
/// variance σ² over the last `dimensions` axes of each position, as `torch.nn.LayerNorm` with the `normalized_shape` of those
/// axes.
///
/// Backward, with ĝ = ∂L/∂y·γ: ∂L/∂x = (ĝ − mean ĝ − x̂·mean(ĝ·x̂))/√(σ² + ε), ∂L/∂γ = Σ g·x̂, ∂L/∂β = Σ g.
package struct LayerNorm: Layer {
    package static let kind = "layer_norm"
    let rows: RowNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        rows = try RowNormalization(options, &site, epsilon: 1e-5, centers: true)
    }

    package var outputShape: Shape { rows.outputShape }
    package var memory: LayerMemory { rows.memory }
    package var backwardOperands: BackwardOperands { .input }
    package var isStepwise: Bool { rows.isStepwise }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        rows.forward(input, into: output, memory: memory, in: pass)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        rows.backward(outputGradient, into: inputGradient, input: input, memory: memory, in: pass)
    }
}
