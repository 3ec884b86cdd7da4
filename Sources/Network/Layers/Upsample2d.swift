import Diagnostics
import Kernels
import Settings
import Storage

/// Images `scale_factor` times as large, as `torch.nn.Upsample` with `mode` `nearest` (the default) or `bilinear` (without
/// `align_corners`). Shapes: x [channels, height, width], y [channels, height·factor, width·factor]. Kept: nothing.
package struct Upsample2d: Layer {
    package static let kind = "upsample2d"
    package let outputShape: Shape
    let shape: UpsamplingShape

    package init(options: Settings, site: inout LayerSite) throws {
        let image = try ImageSite(site, kind: Self.kind, options)
        let factor = try options.pair("scale_factor", in: 1...1 << 10)
        let mode = try options.choice("mode", of: ["nearest", "bilinear"], default: "nearest")
        let height = image.height.multipliedReportingOverflow(by: factor.height)
        let width = image.width.multipliedReportingOverflow(by: factor.width)
        guard !height.overflow, !width.overflow,
            let shape = try? UpsamplingShape(
                mode: mode == "nearest" ? .nearest : .bilinear, channels: image.channels, height: image.height,
                width: image.width, outputHeight: height.partialValue, outputWidth: width.partialValue)
        else {
            throw options.failure("scale_factor", "makes images too large of \(image.shape)")
        }
        self.shape = shape
        outputShape = try site.shape([image.channels, shape.outputHeight, shape.outputWidth]) {
            options.failure("scale_factor", $0)
        }
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        KernelScratch(packed: shape.packed)
    }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.upsample(input, shape: shape, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.upsampleGradient(outputGradient, shape: shape, into: inputGradient)
    }
}
