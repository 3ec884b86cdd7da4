import Kernels
import Settings
import Storage

/// The largest number of each window, as `torch.nn.MaxPool2d`; backward the gradient goes to it, of equal ones to the first in
/// reading order. A NaN in a window comes through.
///
/// Shapes: x [channels, height, width], y [channels, ⌊(height + 2·padding − size)/stride⌋ + 1, …]. Kept: nothing.
///
/// A `relu` right in front is computed behind it, on fewer numbers: the largest of what isn't above 0 is 0 either way, and its
/// gradient too.
package struct MaxPool2d: Layer {
    package static let kind = "max_pool2d"
    package let outputShape: Shape
    let shape: PoolingShape
    /// Whether a largest number that isn't above 0 becomes 0.
    private var rectifies = false

    package init(options: Settings, site: inout LayerSite) throws {
        shape = try .read(options, site, kind: Self.kind)
        outputShape = Shape([shape.channels, shape.outputHeight, shape.outputWidth])
    }

    /// The same with a relu in front.
    var rectified: MaxPool2d {
        var result = self
        result.rectifies = true
        return result
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        KernelScratch(perThread: shape.scratch)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.maxPool(input, shape: shape, rectifies: rectifies, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        // Where the output was rectified it is nobody's largest number, and the gradient is 0.
        pass.workspace.maxPoolGradient(
            outputGradient, input: input, output: output, shape: shape, rectified: rectifies, into: inputGradient)
    }
}
