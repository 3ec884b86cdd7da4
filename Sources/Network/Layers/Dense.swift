import Diagnostics
import Kernels
import Settings
import Storage

/// A fully connected layer.
///
/// Forward: y = x·Wᵀ + b. Backward, with g = ∂L/∂y: ∂L/∂x = g·W, ∂L/∂W = gᵀ·x, ∂L/∂b = Σ rows of g.
/// Shapes: x rows × inputs, y rows × units, W units × inputs, b units, as `torch.nn.Linear`. Kept: nothing; backward
/// reads the input.
package struct Dense: Layer {
    package static let kind = "dense"
    /// More parameters in one layer are taken for a slip of the keyboard.
    static let largestParameterCount = 1 << 33

    package let outputShape: Shape
    private let inputs: Int
    private let weight: ParameterSlot
    private let bias: ParameterSlot?

    package init(options: Settings, site: inout LayerSite) throws {
        let units = try options.int("units", in: 1...1 << 30)
        let hasBias = try options.bool("bias", default: true)
        guard site.inputShape.dimensions.count == 1 else {
            throw options.failure("a dense layer takes a flat input, but this one gets \(site.inputShape); put "
                + "\"flatten\" in front of it")
        }
        inputs = site.inputShape.count
        guard inputs.multipliedReportingOverflow(by: units).partialValue <= Self.largestParameterCount,
              !inputs.multipliedReportingOverflow(by: units).overflow else {
            throw options.failure("units", "\(units) units for \(inputs) inputs are too many parameters")
        }
        let initializer = try Initializer.read(options, inputs: inputs, outputs: units)
        weight = site.reserve("weight", shape: Shape([units, inputs]), role: .weight, initializer: initializer.weight)
        bias = hasBias ? site.reserve("bias", shape: Shape([units]), role: .bias, initializer: initializer.bias) : nil
        outputShape = Shape([units])
    }

    /// Outputs, weight gradient, input gradient: the same product thrice.
    package func productOperations(withInputGradient: Bool) -> Int {
        (withInputGradient ? 6 : 4) * inputs * outputShape.count
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, kept: Scratch, in pass: ForwardPass) {
        pass.workspace.innerProducts(input, pass.weights.matrix(weight, columns: inputs),
                                     bias: bias.map { pass.weights.matrix($0) }, into: output)
    }

    package func backward(_ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
                          output: MatrixView, kept: Scratch, work: Scratch, in pass: BackwardPass) {
        if let inputGradient {
            pass.workspace.inputGradient(outputGradient, pass.weights.matrix(weight, columns: inputs), into: inputGradient)
        }
        pass.workspace.weightGradient(outputGradient, input, leafRows: pass.leafRows,
                                      into: pass.gradients.matrix(weight, columns: inputs))
        if let bias {
            pass.workspace.columnSums(outputGradient, leafRows: pass.leafRows, into: pass.gradients.matrix(bias))
        }
    }
}
