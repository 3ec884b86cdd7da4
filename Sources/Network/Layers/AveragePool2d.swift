import Kernels
import Settings
import Storage

/// The mean of each window, as `torch.nn.AvgPool2d`: with `count_include_pad` (the default) the zeros of the padding count,
/// without it only what lies in the image. Shapes as of `max_pool2d`. Kept: nothing.
package struct AveragePool2d: Layer {
    package static let kind = "average_pool2d"
    package let outputShape: Shape
    let shape: PoolingShape
    let countsPadding: Bool

    package init(options: Settings, site: inout LayerSite) throws {
        shape = try .read(options, site, kind: Self.kind)
        outputShape = Shape([shape.channels, shape.outputHeight, shape.outputWidth])
        countsPadding = try options.bool("count_include_pad", default: true)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        KernelScratch(perThread: shape.scratch)
    }

    package var backwardOperands: BackwardOperands { [] }

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
