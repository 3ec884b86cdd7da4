import Diagnostics
import Kernels
import Settings
import Storage

/// Class probabilities of a sample: yᵢ = e^xᵢ / Σ e^xⱼ over the last dimension. ∂L/∂x = y·(g − Σ g·y).
package struct Softmax: Layer {
    package static let kind = "softmax"
    package let outputShape: Shape
    private let width: Int

    package init(options: Settings, site: inout LayerSite) throws {
        guard let last = site.inputShape.dimensions.last, last > 0 else {
            throw options.failure("a softmax layer needs at least one number per sample, but gets \(site.inputShape)")
        }
        outputShape = site.inputShape
        width = last
    }

    package var backwardOperands: BackwardOperands { .output }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let rows = input.count / width
        pass.workspace.softmax(
            input.reshaped(rows: rows, columns: width),
            into: output.reshaped(rows: rows, columns: width))
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        let rows = input.count / width
        pass.workspace.softmaxGradient(
            outputGradient.reshaped(rows: rows, columns: width),
            output: output.reshaped(rows: rows, columns: width),
            into: inputGradient.reshaped(rows: rows, columns: width))
    }
}
