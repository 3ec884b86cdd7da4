import Diagnostics
import Kernels
import Settings
import Storage

/// Puts the dimensions of a sample into another order: `dimensions: [2, 1]` makes [steps, features] out of
/// [features, steps]. They are counted from 1, as in Keras, and as in `torch.permute`, where dimension 0 is the batch.
package struct Permute: Layer {
    package static let kind = "permute"
    package let outputShape: Shape
    let order: [Int]
    private let permutation: AxisPermutation
    private let inverse: AxisPermutation

    package init(options: Settings, site: inout LayerSite) throws {
        let order = try options.ints("dimensions", in: 1...1 << 20)
        let shape = site.inputShape.dimensions
        guard order.sorted() == Array(1..<shape.count + 1) else {
            throw options.failure(
                "dimensions",
                "expected each of the \(shape.count) dimensions of \(site.inputShape) once, "
                    + "counted from 1, found \(order)")
        }
        self.order = order.map { $0 - 1 }
        outputShape = Shape(order.map { shape[$0 - 1] })
        permutation = AxisPermutation(shape: shape, order: order.map { $0 - 1 })
        inverse = AxisPermutation(
            shape: outputShape.dimensions,
            order: (1..<shape.count + 1).map { axis in
                order.firstIndex(of: axis) ?? 0
            })
    }

    package var isIdentity: Bool { permutation.isIdentity }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? {
        var result = input
        result.axis = order.firstIndex(of: input.axis) ?? 0
        return result
    }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.permute(input, by: permutation, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.permute(outputGradient, by: inverse, into: inputGradient)
    }
}
