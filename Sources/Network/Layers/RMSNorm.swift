import Kernels
import Settings
import Storage

/// Root mean square normalisation (Zhang and Sennrich, NeurIPS 2019): y = γ·x̂ with x̂ = x/√(mean x² + ε) over the last
/// `dimensions` axes of each position, as `torch.nn.RMSNorm`, whose ε is the precision of Float32 where none is given.
///
/// Backward, with ĝ = ∂L/∂y·γ: ∂L/∂x = (ĝ − x̂·mean(ĝ·x̂))/√(mean x² + ε), ∂L/∂γ = Σ g·x̂.
package struct RMSNorm: Layer {
    package static let kind = "rms_norm"
    private let rows: RowNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        rows = try RowNormalization(options, &site, epsilon: 0x1p-23, centers: false)
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
