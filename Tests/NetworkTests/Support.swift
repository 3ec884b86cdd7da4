import Foundation
import Kernels
import Network
import Settings
import Storage
import Testing

/// A network with its memory, run as a trainer runs it.
final class Bench {
    let network: Network
    let weights: AlignedBuffer<Float>, gradients: AlignedBuffer<Float>
    let workspace: Workspace
    private let rows: Int
    private let activations: Activations
    private let plannedLeafRows: Int
    let input: AlignedBuffer<Float>, output: AlignedBuffer<Float>
    let outputGradient: AlignedBuffer<Float>, inputGradient: AlignedBuffer<Float>

    /// - Parameters:
    ///   - leafRows: rows of the leaves that memory is planned for; as many as there are rows by default.
    ///   - keeps: whether forward keeps what backward needs.
    init(_ network: Network, rows: Int, leafRows: Int? = nil, threadCount: Int = 1, keeps: Bool = true) throws {
        self.network = network
        self.rows = rows
        weights = AlignedBuffer(count: network.layout.paddedCount)
        gradients = AlignedBuffer(count: network.layout.paddedCount, repeating: .nan)
        workspace = try Workspace(threadCount: threadCount)
        plannedLeafRows = leafRows ?? 1
        activations = Activations(network: network, rows: rows, leafRows: plannedLeafRows, training: keeps)
        input = AlignedBuffer(count: rows * network.inputShape.count)
        output = AlignedBuffer(count: rows * network.outputShape.count, repeating: .nan)
        outputGradient = AlignedBuffer(count: rows * network.outputShape.count)
        inputGradient = AlignedBuffer(count: rows * network.inputShape.count, repeating: .nan)
    }

    private func matrix(_ buffer: borrowing AlignedBuffer<Float>, _ shape: Shape,
                        _ range: Range<Int>) -> MutableMatrixView {
        buffer.matrix(rows: range.count, columns: shape.count, offset: range.lowerBound * shape.count)
    }

    /// Forward over a range of the rows.
    func forward(_ range: Range<Int>? = nil, firstDraw: UInt64? = nil, leafRows: Int? = nil) {
        let range = range ?? 0..<rows
        let purpose = firstDraw.map { ForwardPass.Purpose.training(firstDraw: $0 + UInt64(range.lowerBound)) }
        network.forward(matrix(input, network.inputShape, range).readOnly,
                        into: matrix(output, network.outputShape, range), using: activations,
                        in: ForwardPass(weights: weights.parameters.readOnly, workspace: workspace,
                                        purpose: purpose ?? .evaluation, leafRows: leafRows ?? max(range.count, 1)))
    }

    /// Backward over the rows that `forward` was run for last.
    func backward(_ range: Range<Int>? = nil, leafRows: Int? = nil) {
        let range = range ?? 0..<rows
        network.backward(matrix(outputGradient, network.outputShape, range).readOnly,
                         into: matrix(inputGradient, network.inputShape, range),
                         input: matrix(input, network.inputShape, range).readOnly,
                         output: matrix(output, network.outputShape, range).readOnly, using: activations,
                         in: BackwardPass(weights: weights.parameters.readOnly, gradients: gradients.parameters,
                                          leafRows: leafRows ?? max(range.count, 1), workspace: workspace))
    }

    /// The gradients of all slots, without the padding.
    var parameterGradientBits: [UInt32] { network.layout.slots.flatMap { $0.range.map { gradients[$0].bitPattern } } }
    var outputBits: [UInt32] { output.elements.map(\.bitPattern) }
    var inputGradientBits: [UInt32] { inputGradient.elements.map(\.bitPattern) }
}

func fill(_ buffer: borrowing AlignedBuffer<Float>, _ values: [Double]) {
    precondition(values.count <= buffer.count, "\(values.count) values into \(buffer.count)")
    for (index, value) in values.enumerated() { buffer[index] = Float(value) }
}

/// A loss that leaves any last layer alone.
func plainLoss() throws -> any Loss { try readLoss(settings(["loss": "mean_squared_error"])) }

/// A network of `layers`, as a configuration lists them.
func makeNetwork(_ layers: Any, inputShape: [Int], loss: (any Loss)? = nil, seed: UInt64 = 1) throws -> Network {
    let root = try settings(["model": ["layers": layers]])
    let model = try root.section("model")
    let network = try Network(model, inputShape: Shape(inputShape), loss: try loss ?? plainLoss(), seed: seed)
    try root.finish()
    return network
}
