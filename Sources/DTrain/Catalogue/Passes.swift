import Kernels
import Network
import Storage

/// What a layer is handed for its forward pass, beside its input.
public struct Forward {
    /// Whether this is training; else layers do what they do for predictions.
    public let isTraining: Bool
    /// Where `keptCount` numbers of each sample go for `backward`; nil where no backward follows.
    public let kept: MutableRows?
    let weights: ParameterView
    let workspace: Workspace

    /// The numbers of a parameter: one row, or of two dimensions or more a row for each place of the first.
    public subscript(parameter: Parameter) -> Rows { Rows(weights.matrix(parameter.slot, columns: parameter.columns)) }

    /// `output` = `input` · `weight`ᵀ + `bias`, by the kernels and on the threads of a dense layer: rows × inputs, outputs × inputs and
    /// outputs. The layer's `products` tell of it.
    public func multiply(_ input: Rows, by weight: Rows, bias: Row? = nil, into output: MutableRows) {
        let bias = bias.map { MatrixView(base: $0.base, rows: 1, columns: $0.count) }
        workspace.innerProducts(input.matrix, weight.matrix, bias: bias, into: output.matrix)
    }
}

/// What a layer is handed for its backward pass over a micro-batch, beside gradients, input and output.
public struct Backward {
    /// What `forward` kept, `keptCount` numbers of each sample.
    public let kept: Rows
    /// `workCount` numbers of each sample, whatever is in them, to compute with.
    public let work: MutableRows
    let weights: ParameterView
    let workspace: Workspace
    /// The gradients of all parameters of the layer, one behind the other.
    let gradients: MutableMatrixView

    /// The numbers of a parameter: one row, or of two dimensions or more a row for each place of the first.
    public subscript(parameter: Parameter) -> Rows { Rows(weights.matrix(parameter.slot, columns: parameter.columns)) }

    /// Where the gradient of a parameter is added up, in the form of its numbers; zero at first.
    public func gradient(of parameter: Parameter) -> MutableRows {
        let count = parameter.slot.shape.count
        let row = gradients[columns: parameter.first..<parameter.first + count]
        return MutableRows(
            row.reshaped(rows: parameter.columns == 0 ? 0 : count / parameter.columns, columns: parameter.columns))
    }

    /// `inputGradient` = `outputGradient` · `weight`: rows × outputs, outputs × inputs and rows × inputs. The layer's `products` tell of it.
    public func multiply(_ outputGradient: Rows, by weight: Rows, into inputGradient: MutableRows) {
        workspace.inputGradient(outputGradient.matrix, weight.matrix, into: inputGradient.matrix)
    }

    /// Adds `outputGradient`ᵀ · `input`, which is the gradient of a weight of outputs × inputs, row after row. The layer's `products` tell
    /// of it.
    public func addProduct(of outputGradient: Rows, and input: Rows, to gradient: MutableRows) {
        workspace.weightGradient(
            outputGradient.matrix, input.matrix, leafRows: max(1, input.count), continues: true, into: gradient.matrix)
    }
}
