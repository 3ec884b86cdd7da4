import Diagnostics
import Kernels
import Settings
import Storage

/// Layers whose output is added to their input, or to what a shortcut makes of it: y = s(x) + f(x), ∂L/∂x = s′ᵀ·g + f′ᵀ·g
/// (He et al., CVPR 2016). Without `shortcut`, s(x) is x.
///
/// In PyTorch: `class Residual(nn.Sequential): def forward(self, x): return x + super().forward(x)`; the parameters of
/// the inner layers are named `2.0.weight`, those of the shortcut `2.shortcut.0.weight`. Kept: what the layers of both
/// branches keep, and what each branch makes, which its last layer may read backward.
package struct Residual: Layer {
    package static let kind = "residual"
    package let outputShape: Shape
    private let layers: Sequential
    private let shortcut: Sequential?

    package init(options: Settings, site: inout LayerSite) throws {
        guard let variants = try options.optionalVariants("layers"), !variants.isEmpty else {
            throw options.failure("layers", "a residual layer needs at least one inner layer")
        }
        layers = try site.build(variants, in: options)
        // Reserved behind the inner layers, and therefore run backward before them.
        // A list of layers, or a section that holds it as "layers".
        let other = options.has("shortcut", holding: "layers") ? try options.section("shortcut") : nil
        shortcut = try (other?.optionalVariants("layers") ?? options.optionalVariants("shortcut")).map {
            try site.build($0, in: other ?? options, name: "shortcut")
        }
        outputShape = layers.outputShape
        guard let shortcut else {
            guard outputShape == site.inputShape else {
                throw options.failure(
                    "layers",
                    "the inner layers make \(outputShape) out of \(site.inputShape); a residual "
                        + "layer adds its input, so both must be the same; or give layers that make \(outputShape) of the input "
                        + "as \"shortcut\"")
            }
            return
        }
        guard shortcut.outputShape == outputShape else {
            throw options.failure(
                "shortcut",
                "the shortcut makes \(shortcut.outputShape) out of \(site.inputShape), but the "
                    + "inner layers make \(outputShape); they are added, so both must be the same")
        }
    }

    package var memory: LayerMemory {
        let inner = layers.memory
        let output = MemoryNeed(perSample: outputShape.count)
        guard let other = shortcut?.memory else {
            return LayerMemory(
                kept: inner.kept + output, training: inner.training, evaluation: inner.evaluation,
                backward: inner.backward + through)
        }
        return LayerMemory(
            kept: inner.kept + output + other.kept + output, training: .larger(inner.training, other.training),
            evaluation: .larger(inner.evaluation, other.evaluation) + output,
            backward: .larger(inner.backward, other.backward) + through)
    }

    package var branches: [(name: String, layers: Sequential)] {
        [("layers", layers)] + (shortcut.map { [("shortcut", $0)] } ?? [])
    }

    /// The gradient of the input that comes through the inner layers, in front of what they need.
    private var through: MemoryNeed { MemoryNeed(perSample: layers.inputShape.count) }

    package func productOperations(withInputGradient: Bool) -> Int {
        layers.productOperations(withInputGradient: withInputGradient)
            + (shortcut?.productOperations(withInputGradient: withInputGradient) ?? 0)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        .larger(
            layers.kernelScratch(rows: rows, leafRows: leafRows, threads: threads),
            shortcut?.kernelScratch(rows: rows, leafRows: leafRows, threads: threads) ?? .none)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        guard memory.kept != nil else { return evaluate(input, into: output, memory: memory, in: pass) }
        let inner = innerOutput(rows: input.rows, memory)
        layers.forward(input, into: inner, memory: innerMemory(memory), in: pass)
        guard let shortcut else { return pass.workspace.add(input, inner.readOnly, into: output) }
        let other = shortcutOutput(rows: input.rows, memory)
        shortcut.forward(input, into: other, memory: shortcutMemory(memory), in: pass)
        pass.workspace.add(other.readOnly, inner.readOnly, into: output)
    }

    /// Where nothing is kept, `output` is where the inner layers' output waits.
    private func evaluate(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let room = MemoryNeed(perSample: shortcut == nil ? 0 : outputShape.count)
        let inside = PassMemory(kept: nil, work: memory.work.rest(from: room))
        layers.forward(input, into: output, memory: inside, in: pass)
        guard let shortcut else { return pass.workspace.add(input, output.readOnly, into: output) }
        let other = memory.work.matrix(rows: input.rows, columns: outputShape.count)
        shortcut.forward(input, into: other, memory: inside, in: pass)
        pass.workspace.add(other.readOnly, output.readOnly, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        let through = inputGradient.map { memory.work.matrix(rows: $0.rows, columns: $0.columns) }
        let inside = memory.work.rest(from: self.through)
        if let shortcut {
            shortcut.backward(
                outputGradient, into: inputGradient, input: input,
                output: shortcutOutput(rows: input.rows, memory).readOnly,
                memory: PassMemory(kept: shortcutMemory(memory).kept, work: inside), in: pass)
        }
        layers.backward(
            outputGradient, into: through, input: input,
            output: innerOutput(rows: input.rows, memory).readOnly,
            memory: PassMemory(kept: innerMemory(memory).kept, work: inside), in: pass)
        if let inputGradient, let through {
            pass.workspace.add(
                shortcut == nil ? outputGradient : inputGradient.readOnly, through.readOnly,
                into: inputGradient)
        }
    }

    // What is kept: the inner layers' memory, their output, the shortcut's memory, its output.

    private func innerMemory(_ memory: PassMemory) -> PassMemory {
        PassMemory(kept: memory.left.part(from: .none, layers.memory.kept), work: memory.work)
    }

    private func innerOutput(rows: Int, _ memory: PassMemory) -> MutableMatrixView {
        memory.left.matrix(rows: rows, columns: outputShape.count, offset: layers.memory.kept.perSample)
    }

    private func shortcutMemory(_ memory: PassMemory) -> PassMemory {
        let offset = layers.memory.kept + MemoryNeed(perSample: outputShape.count)
        return PassMemory(kept: memory.left.part(from: offset, shortcut?.memory.kept ?? .none), work: memory.work)
    }

    private func shortcutOutput(rows: Int, _ memory: PassMemory) -> MutableMatrixView {
        memory.left.matrix(
            rows: rows, columns: outputShape.count,
            offset: layers.memory.kept.perSample
                + outputShape.count + (shortcut?.memory.kept.perSample ?? 0))
    }
}
