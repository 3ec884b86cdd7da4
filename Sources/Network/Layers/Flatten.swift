import Settings
import Storage

/// Makes one row of numbers out of a sample of any shape, as `torch.nn.Flatten`. The memory stays as it is.
package struct Flatten: Layer {
    package static let kind = "flatten"
    package let outputShape: Shape

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = Shape([site.inputShape.count])
    }

    package var isIdentity: Bool { true }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        output.copy(from: input)
    }

    package func backward(_ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
                          output: MatrixView, memory: PassMemory, in pass: BackwardPass) {
        inputGradient?.copy(from: outputGradient)
    }
}
