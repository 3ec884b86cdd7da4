import Kernels
import Settings
import Storage

/// The largest number of each window of steps, as `torch.nn.MaxPool1d`; equal ones and NaN as in `max_pool2d`. Shapes: x [channels,
/// steps], y [channels, ⌊(steps + 2·padding − size)/stride⌋ + 1]. Kept: nothing.
package struct MaxPool1d: Layer {
    package static let kind = "max_pool1d"
    package let outputShape: Shape
    let shape: PoolingShape
    private let window: SequenceSteps.Window

    package init(options: Settings, site: inout LayerSite) throws {
        (shape, window) = try PoolingShape.readSteps(options, site, kind: Self.kind)
        outputShape = Shape([shape.channels, shape.outputWidth])
    }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { input.behind(window) }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        KernelScratch(perThread: shape.scratch)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.maxPool(input, shape: shape, rectifies: false, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.maxPoolGradient(
            outputGradient, input: input, output: output, shape: shape, rectified: false, into: inputGradient)
    }
}

/// The mean of each window of steps, as `torch.nn.AvgPool1d`; `count_include_pad` as in `average_pool2d`, shapes as in `max_pool1d`.
/// Kept: nothing.
package struct AveragePool1d: Layer {
    package static let kind = "average_pool1d"
    package let outputShape: Shape
    let shape: PoolingShape
    private let window: SequenceSteps.Window
    let countsPadding: Bool

    package init(options: Settings, site: inout LayerSite) throws {
        (shape, window) = try PoolingShape.readSteps(options, site, kind: Self.kind)
        outputShape = Shape([shape.channels, shape.outputWidth])
        countsPadding = try options.bool("count_include_pad", default: true)
    }

    package var backwardOperands: BackwardOperands { [] }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { input.behind(window) }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        KernelScratch(perThread: shape.scratch)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.averagePool(input, shape: shape, countsPadding: countsPadding, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.averagePoolGradient(outputGradient, shape: shape, countsPadding: countsPadding, into: inputGradient)
    }
}
