import Diagnostics
import Kernels
import Settings
import Storage

/// Layers whose output is added to their input, or to what a shortcut makes of it: y = s(x) + f(x), ∂L/∂x = s′ᵀ·g + f′ᵀ·g
/// (He et al., CVPR 2016). Without `shortcut`, s(x) is x.
///
/// The sum is made where the last inner layer writes, if that can end a residual, and a `relu` right behind it with it; otherwise
/// one pass adds and rectifies. Backward, the gradient of x is added to where the inner layers put theirs.
///
/// In PyTorch: `class Residual(nn.Sequential): def forward(self, x): return x + super().forward(x)`; the parameters of
/// the inner layers are named `2.0.weight`, those of the shortcut `2.shortcut.0.weight`. Kept: what the layers of both
/// branches keep, and of what a branch makes what its last layer reads backward.
package struct Residual: Layer {
    package static let kind = "residual"
    package let outputShape: Shape
    let layers: Sequential
    let shortcut: Sequential?
    /// Whether what isn't above 0 becomes 0.
    private var rectifies = false

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

    /// In a layer that is made of others: adds what `layers` make to their input, which has their output's shape.
    init(layers: Sequential) {
        precondition(layers.inputShape == layers.outputShape, "\(layers.inputShape) and \(layers.outputShape) are added")
        self.layers = layers
        shortcut = nil
        outputShape = layers.outputShape
    }

    package var memory: LayerMemory {
        let inner = layers.memory
        let other = shortcut?.memory ?? LayerMemory()
        return LayerMemory(
            kept: inner.kept + output(if: keepsInner) + other.kept + output(if: keepsOther),
            training: .larger(inner.training, other.training) + waiting(isKeeping: true),
            evaluation: .larger(inner.evaluation, other.evaluation) + waiting(isKeeping: false),
            backward: .larger(inner.backward, other.backward) + output(if: masks) + through)
    }

    /// Whether what the inner layers make is kept.
    private var keepsInner: Bool { !layers.canEndResidual && layers.backwardOperands.contains(.output) }
    /// Whether what the shortcut's layers make is kept; otherwise it lies where the sum goes.
    private var keepsOther: Bool { shortcut?.backwardOperands.contains(.output) ?? false }
    /// Whether gradients are masked before they go through the layers.
    private var masks: Bool { rectifies && !(layers.canEndResidual && shortcut?.canEndResidual ?? true) }

    private func output(if isNeeded: Bool) -> MemoryNeed { MemoryNeed(perSample: isNeeded ? outputShape.count : 0) }

    /// Where the inner layers' output waits while the shortcut's lies where the sum goes.
    private func waiting(isKeeping: Bool) -> MemoryNeed {
        let isFree = shortcut == nil || isKeeping && keepsOther
        return output(if: !isFree && !layers.canEndResidual && !(isKeeping && keepsInner))
    }

    /// The gradient of the input that comes through the inner layers, where it can't be put where the shortcut's is.
    private var through: MemoryNeed { MemoryNeed(perSample: shortcut == nil ? 0 : layers.inputShape.count) }

    package var backwardOperands: BackwardOperands {
        let inputs = layers.backwardOperands.union(shortcut?.backwardOperands ?? []).intersection(.input)
        return rectifies ? inputs.union(.output) : inputs
    }

    package func fused(with next: any Layer) -> (any Layer)? {
        guard !rectifies, next is ReLU else { return nil }
        var result = self
        result.rectifies = true
        return result
    }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { layers.sequence }

    package var branches: [(name: String, layers: Sequential)] {
        [("layers", layers)] + (shortcut.map { [("shortcut", $0)] } ?? [])
    }

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
        let waiting = waiting(isKeeping: memory.kept != nil)
        let work = memory.work.rest(from: waiting)
        var other = input
        if let shortcut {
            let place = memory.kept.flatMap { keepsOther ? otherOutput(rows: input.rows, $0) : nil } ?? output
            shortcut.forward(input, into: place, memory: otherMemory(memory, work: work), in: pass)
            other = place.readOnly
        }
        let inside = innerMemory(memory, work: work)
        if layers.canEndResidual {
            return layers.forward(
                input, adding: ResidualSum(shortcut: other, rectifies: rectifies), into: output, memory: inside, in: pass)
        }
        let free = waiting == .none ? output : memory.work.matrix(rows: input.rows, columns: outputShape.count)
        let inner = memory.kept.flatMap { keepsInner ? innerOutput(rows: input.rows, $0) : nil } ?? free
        layers.forward(input, into: inner, memory: inside, in: pass)
        pass.workspace.add(other, inner.readOnly, rectifies: rectifies, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        var gradient = outputGradient
        var rectified = rectifies ? output : nil
        if masks {
            let room = memory.work.matrix(rows: output.rows, columns: output.columns)
            pass.workspace.activationGradient(.relu, outputGradient, saved: output, into: room)
            gradient = room.readOnly
            rectified = nil
        }
        let work = memory.work.rest(from: self.output(if: masks) + through)
        var target = inputGradient
        if let shortcut {
            shortcut.backward(
                gradient, rectified: rectified, into: inputGradient, input: input,
                output: keepsOther ? otherOutput(rows: input.rows, memory.left).readOnly : output,
                memory: otherMemory(memory, work: work), in: pass)
            target = inputGradient.map {
                memory.work.matrix(rows: $0.rows, columns: $0.columns, offset: self.output(if: masks).perSample)
            }
        }
        layers.backward(
            gradient, rectified: rectified, into: target, input: input,
            output: keepsInner ? innerOutput(rows: input.rows, memory.left).readOnly : output,
            memory: innerMemory(memory, work: work), in: pass)
        guard let inputGradient, let target else { return }
        if shortcut != nil {
            pass.workspace.add(inputGradient.readOnly, target.readOnly, into: inputGradient)
        } else {
            pass.workspace.add(gradient, whereAboveZero: rectified, to: inputGradient)
        }
    }

    // What is kept: the inner layers' memory, their output, the shortcut's memory, its output.

    private func innerMemory(_ memory: PassMemory, work: Scratch) -> PassMemory {
        PassMemory(kept: memory.kept?.part(from: .none, layers.memory.kept), work: work)
    }

    private func innerOutput(rows: Int, _ kept: Scratch) -> MutableMatrixView {
        kept.matrix(rows: rows, columns: outputShape.count, offset: layers.memory.kept.perSample)
    }

    /// Where in what is kept the shortcut's part begins.
    private var otherOffset: MemoryNeed { layers.memory.kept + output(if: keepsInner) }

    private func otherMemory(_ memory: PassMemory, work: Scratch) -> PassMemory {
        PassMemory(kept: memory.kept?.part(from: otherOffset, shortcut?.memory.kept ?? .none), work: work)
    }

    private func otherOutput(rows: Int, _ kept: Scratch) -> MutableMatrixView {
        kept.matrix(
            rows: rows, columns: outputShape.count,
            offset: otherOffset.perSample + (shortcut?.memory.kept.perSample ?? 0))
    }
}
