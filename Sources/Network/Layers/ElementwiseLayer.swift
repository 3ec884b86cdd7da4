import Kernels
import Settings
import Storage

/// A layer that applies one activation function to every element: y = f(x), ∂L/∂x = ∂L/∂y · f′. The shape stays; nothing
/// is kept beyond the input or the output.
protocol ElementwiseLayer: Layer {
    var activation: Activation { get }
}

extension ElementwiseLayer {
    package var isStepwise: Bool { true }
    package var backwardOperands: BackwardOperands { activation.needsOutput ? .output : .input }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.activate(activation, input, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.activationGradient(
            activation, outputGradient, saved: activation.needsOutput ? output : input,
            into: inputGradient)
    }
}
