import Diagnostics
import Kernels
import Settings
import Storage

/// The same list of layers `times` times, one behind the other, each time with parameters of its own.
///
/// In PyTorch: `nn.Sequential(*[nn.Sequential(...) for _ in range(times)])`; parameters are named `2.0.1.weight`: layer 2, its
/// first turn, of that layer 1.
package struct Repeat: Layer {
    package static let kind = "repeat"
    private let layers: Sequential

    package init(options: Settings, site: inout LayerSite) throws {
        let times = try options.int("times", in: 1...10_000)
        guard let variants = try options.optionalVariants("layers"), !variants.isEmpty else {
            throw options.failure("layers", "what is repeated needs at least one layer")
        }
        layers = try site.build(variants, in: options, times: times)
    }

    package var outputShape: Shape { layers.outputShape }
    package var memory: LayerMemory { layers.memory }
    package var computesBesideBranches: Bool { false }
    package var backwardOperands: BackwardOperands { layers.backwardOperands }
    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { layers.sequence }

    package var branches: [(name: String, layers: Sequential)] { [("layers", layers)] }

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
