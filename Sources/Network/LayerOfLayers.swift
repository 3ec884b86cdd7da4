import Kernels
import Storage

/// A layer that is a list of layers and does nothing beside them.
protocol LayerOfLayers: Layer {
    var layers: Sequential { get }
    /// What its list stands under in the configuration, or is called.
    var branchName: String { get }
}

extension LayerOfLayers {
    package var outputShape: Shape { layers.outputShape }
    package var memory: LayerMemory { layers.memory }
    package var computesBesideBranches: Bool { false }
    package var backwardOperands: BackwardOperands { layers.backwardOperands }
    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { layers.sequence }
    package var branches: [(name: String, layers: Sequential)] { [(branchName, layers)] }

    package func productOperations(withInputGradient: Bool) -> Int {
        layers.productOperations(withInputGradient: withInputGradient)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        layers.kernelScratch(rows: rows, leafRows: leafRows, threads: threads)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        layers.forward(input, into: output, memory: memory, in: pass)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        layers.backward(outputGradient, into: inputGradient, input: input, output: output, memory: memory, in: pass)
    }
}
