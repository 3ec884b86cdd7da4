import Kernels
import Storage

/// y = x·Wᵀ + b on rows, for layers that have several such products. Shapes: W outputs × inputs, b outputs.
struct Projection {
    let weight: ParameterSlot
    let bias: ParameterSlot?
    let inputs: Int, outputs: Int

    /// Reserves the parameters; by default the weight is uniform in ±√(6/(inputs + outputs)) (Glorot and Bengio, AISTATS 2010), as
    /// those of `torch.nn.MultiheadAttention`; the bias is 0.
    init(
        _ site: inout LayerSite, _ name: String, bias biasName: String?, inputs: Int, outputs: Int,
        initializer: Initializer? = nil
    ) {
        self.inputs = inputs
        self.outputs = outputs
        weight = site.reserve(
            name, shape: Shape([outputs, inputs]), role: .weight,
            initializer: initializer ?? .uniform(bound: (6 / Double(inputs + outputs)).squareRoot()))
        bias = biasName.map { site.reserve($0, shape: Shape([outputs]), role: .bias, initializer: .constant(0)) }
    }

    func operations(positions: Int, withInputGradient: Bool) -> Int {
        2 * (1 + (weight.region == .trained ? 1 : 0) + (withInputGradient ? 1 : 0)) * inputs * outputs * positions
    }

    func scratch(rows: Int, leafRows: Int) -> KernelScratch {
        Workspace.productScratch(rows: rows, inputs: inputs, outputs: outputs, leafRows: leafRows)
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, _ pass: ForwardPass) {
        pass.workspace.innerProducts(
            input, pass.weights.matrix(weight, columns: inputs), bias: bias.map { pass.weights.matrix($0) }, into: output)
    }

    /// - Parameter positions: rows of a sample.
    func backward(
        _ gradient: MatrixView, input: MatrixView, into inputGradient: MutableMatrixView?, positions: Int, _ pass: BackwardPass
    ) {
        let leafRows = pass.summedRows * positions
        if let inputGradient {
            pass.workspace.inputGradient(gradient, pass.weights.matrix(weight, columns: inputs), into: inputGradient)
        }
        if let target = pass.gradient(of: weight, columns: inputs) {
            pass.workspace.weightGradient(gradient, input, leafRows: leafRows, into: target)
        }
        if let target = bias.flatMap({ pass.gradient(of: $0) }) {
            pass.workspace.columnSums(gradient, leafRows: leafRows, into: target)
        }
    }
}
