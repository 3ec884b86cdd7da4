import Diagnostics
import Kernels
import Settings
import Storage

/// What the layers that convolve have in common: a shape, a weight, perhaps a bias, perhaps an activation that is computed with
/// them. Kept: nothing; backward reads the input, and for the activation the output.
struct Convolution: Sendable {
    let shape: ConvolutionShape
    /// Whether it runs the other way round: from what a convolution of that shape makes to what it takes.
    let isTransposed: Bool
    let weight: ParameterSlot
    let bias: ParameterSlot?
    /// Of the activation; `needsOutput`.
    var activation: Activation?

    /// Reserves the parameters.
    ///
    /// - Parameter weightShape: as in PyTorch.
    init(
        _ shape: ConvolutionShape, isTransposed: Bool = false, weightShape: Shape, options: Settings, site: inout LayerSite
    ) throws {
        guard shape.weightCount <= Dense.largestParameterCount else {
            throw options.failure("\(shape.weightCount) weights are too many parameters for one layer")
        }
        self.shape = shape
        self.isTransposed = isTransposed
        // As torch.nn.init counts them: from the weight's second and first dimension.
        let area = shape.kernelHeight * shape.kernelWidth
        let initializer = try Initializer.read(
            options, inputs: weightShape.dimensions[1] * area, outputs: weightShape.dimensions[0] * area)
        let hasBias = try options.bool("bias", default: true)
        weight = site.reserve("weight", shape: weightShape, role: .weight, initializer: initializer.weight)
        let outputs = isTransposed ? shape.channels : shape.filters
        bias = hasBias ? site.reserve("bias", shape: Shape([outputs]), role: .bias, initializer: initializer.bias) : nil
    }

    private var outputCount: Int { isTransposed ? shape.inputCount : shape.outputCount }
    private var outputChannels: Int { isTransposed ? shape.channels : shape.filters }

    /// Outputs, weight gradient, input gradient: the same products up to three times.
    func productOperations(withInputGradient: Bool) -> Int {
        2 * (1 + (weight.region == .trained ? 1 : 0) + (withInputGradient ? 1 : 0)) * shape.multiplyAdds
    }

    var memory: LayerMemory { LayerMemory(backward: MemoryNeed(perSample: activation == nil ? 0 : outputCount)) }

    func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        .larger(
            Workspace.convolutionScratch(shape, rows: rows, leafRows: leafRows, threads: threads),
            bias == nil ? .none : KernelScratch(packed: rows * outputChannels))
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, in pass: ForwardPass) {
        let weights = pass.weights.matrix(weight)
        let bias = bias.map { pass.weights.matrix($0) }
        if isTransposed {
            pass.workspace.convolutionInputGradient(
                input, weights, bias: bias, shape: shape, activation: activation, into: output)
        } else {
            pass.workspace.convolution(input, weights, bias: bias, shape: shape, activation: activation, into: output)
        }
    }

    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        var gradient = outputGradient
        if let activation {
            let inner = memory.work.matrix(rows: outputGradient.rows, columns: outputCount)
            pass.workspace.activationGradient(activation, outputGradient, saved: output, into: inner)
            gradient = inner.readOnly
        }
        let weights = pass.weights.matrix(weight)
        if let inputGradient {
            if isTransposed {
                pass.workspace.convolution(gradient, weights, bias: nil, shape: shape, into: inputGradient)
            } else {
                pass.workspace.convolutionInputGradient(gradient, weights, shape: shape, into: inputGradient)
            }
        }
        if let target = pass.gradient(of: weight) {
            pass.workspace.convolutionWeightGradient(
                isTransposed ? input : gradient, isTransposed ? gradient : input, shape: shape, leafRows: pass.summedRows,
                into: target)
        }
        if let target = bias.flatMap({ pass.gradient(of: $0) }) {
            pass.workspace.channelSums(gradient, channels: outputChannels, leafRows: pass.summedRows, into: target)
        }
    }
}

/// A layer that is a convolution and its reading of options.
protocol ConvolutionLayer: Layer {
    var convolution: Convolution { get set }
}

extension ConvolutionLayer {
    package var memory: LayerMemory { convolution.memory }
    package var backwardOperands: BackwardOperands { convolution.activation == nil ? .input : .both }

    package func productOperations(withInputGradient: Bool) -> Int {
        convolution.productOperations(withInputGradient: withInputGradient)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        convolution.kernelScratch(rows: rows, leafRows: leafRows, threads: threads)
    }

    package func fused(with next: any Layer) -> (any Layer)? {
        guard convolution.activation == nil, let function = (next as? any ElementwiseLayer)?.activation, function.needsOutput
        else { return nil }
        var result = self
        result.convolution.activation = function
        return result
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        convolution.forward(input, into: output, in: pass)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        convolution.backward(
            outputGradient, into: inputGradient, input: input, output: output, memory: memory, in: pass)
    }
}
