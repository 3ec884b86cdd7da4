import Kernels
import Settings
import Storage

/// Sets each element to 0 with probability `rate` while training and scales the others by 1/(1 − rate); the identity in
/// evaluation (Srivastava et al., JMLR 15, 2014, in the inverted form of PyTorch).
///
/// The mask is a function of the seed, the layer and the sample's draw. Kept: the mask.
package struct Dropout: Layer {
    package static let kind = "dropout"
    package let outputShape: Shape
    let rate: Double
    private let stream: RandomStream

    package init(options: Settings, site: inout LayerSite) throws {
        rate = try options.double("rate", default: 0.5, in: .fraction)
        outputShape = site.inputShape
        stream = RandomStream(seed: site.seed, purpose: .dropout, layer: site.ordinal)
    }

    package var memory: LayerMemory { LayerMemory(kept: MemoryNeed(perSample: outputShape.count)) }
    package var isStepwise: Bool { true }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let mask = memory.kept?.matrix(rows: input.rows, columns: input.columns)
        guard case .training(let firstDraw) = pass.purpose else {
            mask?.fill(1)
            return output.copy(from: input)
        }
        guard let mask else { preconditionFailure("dropout that keeps no mask while training") }
        pass.workspace.dropoutMask(rate: rate, stream: stream, firstDraw: firstDraw, into: mask)
        pass.workspace.multiply(input, mask.readOnly, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.multiply(
            outputGradient, memory.left.matrix(rows: input.rows, columns: input.columns).readOnly,
            into: inputGradient)
    }
}

/// Likewise whole channels, as `torch.nn.Dropout2d` (Tompson et al., CVPR 2015). Shapes: x and y [channels, …]. Kept: a number
/// for each channel.
package struct Dropout2d: Layer {
    package static let kind = "dropout2d"
    package let outputShape: Shape
    private let channels: Int
    private let rate: Double
    private let stream: RandomStream

    package init(options: Settings, site: inout LayerSite) throws {
        rate = try options.double("rate", default: 0.5, in: .fraction)
        channels = try ImageSite(site, kind: Self.kind, options).channels
        outputShape = site.inputShape
        stream = RandomStream(seed: site.seed, purpose: .dropout, layer: site.ordinal)
    }

    package var memory: LayerMemory { LayerMemory(kept: MemoryNeed(perSample: channels)) }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let mask = memory.kept?.matrix(rows: input.rows, columns: channels)
        guard case .training(let firstDraw) = pass.purpose else {
            mask?.fill(1)
            return output.copy(from: input)
        }
        guard let mask else { preconditionFailure("dropout that keeps no mask while training") }
        pass.workspace.dropoutMask(rate: rate, stream: stream, firstDraw: firstDraw, into: mask)
        pass.workspace.scaleChannels(input, by: mask.readOnly, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.scaleChannels(
            outputGradient, by: memory.left.matrix(rows: input.rows, columns: channels).readOnly, into: inputGradient)
    }
}
