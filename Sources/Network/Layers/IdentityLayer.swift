import Storage

/// A layer that gives samples another shape and leaves the memory as it is. Networks leave it out; its passes copy.
protocol IdentityLayer: Layer {}

extension IdentityLayer {
    package static var inputElements: InputElements { .either }
    package var isIdentity: Bool { true }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        output.copy(from: input)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        inputGradient?.copy(from: outputGradient)
    }
}
