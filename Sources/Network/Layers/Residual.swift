import Diagnostics
import Kernels
import Settings
import Storage

/// Layers whose output is added to their input: y = x + f(x), ∂L/∂x = g + f′ᵀ·g (He et al., CVPR 2016).
///
/// In PyTorch: `class Residual(nn.Sequential): def forward(self, x): return x + super().forward(x)`; the parameters of
/// the inner layers are named `2.0.weight`. Kept: what the inner layers keep, and f(x), which they may read backward.
package struct Residual: Layer {
    package static let kind = "residual"
    package let outputShape: Shape
    private let layers: Sequential

    package init(options: Settings, site: inout LayerSite) throws {
        guard let variants = try options.optionalVariants("layers"), !variants.isEmpty else {
            throw options.failure("layers", "a residual layer needs at least one inner layer")
        }
        layers = try site.build(variants, in: options)
        outputShape = site.inputShape
        guard layers.outputShape == site.inputShape else {
            throw options.failure("layers", "the inner layers make \(layers.outputShape) out of \(site.inputShape); a "
                + "residual layer adds its input, so both must be the same")
        }
    }

    package var keptCount: Int { layers.keptCount + outputShape.count }
    package var workCount: Int { layers.workCount + outputShape.count }

    package func productOperations(withInputGradient: Bool) -> Int {
        layers.productOperations(withInputGradient: withInputGradient)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, kept: Scratch, in pass: ForwardPass) {
        let inner = innerOutput(rows: input.rows, kept)
        layers.forward(input, into: inner, kept: innerKept(kept), in: pass)
        pass.workspace.add(input, inner.readOnly, into: output)
    }

    package func backward(_ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
                          output: MatrixView, kept: Scratch, work: Scratch, in pass: BackwardPass) {
        let through = inputGradient.map {
            work.matrix(rows: $0.rows, columns: $0.columns, offset: layers.workCount)
        }
        layers.backward(outputGradient, into: through, input: input,
                        output: innerOutput(rows: input.rows, kept).readOnly, kept: innerKept(kept),
                        work: work.part(offset: 0, count: layers.workCount), in: pass)
        if let inputGradient, let through {
            pass.workspace.add(outputGradient, through.readOnly, into: inputGradient)
        }
    }

    private func innerKept(_ kept: Scratch) -> Scratch { kept.part(offset: 0, count: layers.keptCount) }

    private func innerOutput(rows: Int, _ kept: Scratch) -> MutableMatrixView {
        kept.matrix(rows: rows, columns: outputShape.count, offset: layers.keptCount)
    }
}
