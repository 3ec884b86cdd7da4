import Kernels
import Settings
import Storage

/// The mean of each channel (Lin, Chen and Yan, arXiv:1312.4400), as `torch.nn.AdaptiveAvgPool2d(1)` and `flatten`. Shapes:
/// x [channels, height, width], y [channels]. Kept: nothing.
package struct GlobalAveragePool2d: Layer {
    package static let kind = "global_average_pool2d"
    package let outputShape: Shape

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = Shape([try ImageSite(site, kind: Self.kind, options).channels])
    }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.globalAveragePool(input, channels: outputShape.count, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.globalAveragePoolGradient(outputGradient, channels: outputShape.count, into: inputGradient)
    }
}

/// The largest number of each channel, as `torch.nn.AdaptiveMaxPool2d(1)` and `flatten`; backward as `max_pool2d`. Shapes:
/// x [channels, height, width], y [channels]. Kept: nothing.
package struct GlobalMaxPool2d: Layer {
    package static let kind = "global_max_pool2d"
    package let outputShape: Shape

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = Shape([try ImageSite(site, kind: Self.kind, options).channels])
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.globalMaxPool(input, channels: outputShape.count, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.globalMaxPoolGradient(
            outputGradient, input: input, output: output, channels: outputShape.count, into: inputGradient)
    }
}

/// What layers that pool over all steps have in common.
struct StepSite {
    let channels: Int, steps: Int
    let sequence: SequenceSteps?

    init(_ site: LayerSite, kind: String, _ options: Settings) throws {
        (channels, steps) = try site.channelsAndSteps(kind: kind, options)
        sequence = site.sequence
    }

    func counts(_ lengths: SequenceLengths?) -> StepCounts { StepCounts(most: steps, lengths: lengths, sequence: sequence) }
}

/// The mean of each channel over a sample's own steps, as `torch.nn.AdaptiveAvgPool1d(1)` and `flatten` where samples have no
/// lengths. Shapes: x [channels, steps], y [channels]. Kept: nothing.
package struct GlobalAveragePool1d: Layer {
    package static let kind = "global_average_pool1d"
    package let outputShape: Shape
    let site: StepSite

    package init(options: Settings, site: inout LayerSite) throws {
        self.site = try StepSite(site, kind: Self.kind, options)
        outputShape = Shape([self.site.channels])
    }

    package var backwardOperands: BackwardOperands { [] }
    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { nil }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.globalAveragePool(input, channels: site.channels, counts: site.counts(pass.lengths), into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.globalAveragePoolGradient(
            outputGradient, channels: site.channels, counts: site.counts(pass.lengths), into: inputGradient)
    }
}

/// The largest number of each channel over a sample's own steps, as `torch.nn.AdaptiveMaxPool1d(1)` and `flatten` where samples
/// have no lengths. Shapes: x [channels, steps], y [channels]. Kept: nothing.
package struct GlobalMaxPool1d: Layer {
    package static let kind = "global_max_pool1d"
    package let outputShape: Shape
    let site: StepSite

    package init(options: Settings, site: inout LayerSite) throws {
        self.site = try StepSite(site, kind: Self.kind, options)
        outputShape = Shape([self.site.channels])
    }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { nil }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.globalMaxPool(input, channels: site.channels, counts: site.counts(pass.lengths), into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.globalMaxPoolGradient(
            outputGradient, input: input, output: output, channels: site.channels, counts: site.counts(pass.lengths),
            into: inputGradient)
    }
}
