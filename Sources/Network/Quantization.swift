import Kernels
import Storage

/// A matrix in 8 bits: of each channel w ≈ q · s with whole numbers q from −127 to 127 and s = max |w| / 127, as ONNX's
/// DequantizeLinear makes them numbers again. A channel is what makes one output of a product, or one plane of a convolution.
package struct QuantizedMatrix: Sendable {
    package let values: [Int8]
    /// A number for each channel.
    package let scales: [Float]
    /// The dimension that counts channels.
    package let axis: Int
    /// What is done with it.
    private let use: MatrixUse

    /// - Parameters:
    ///   - numbers: of a tensor of these dimensions, the last one running fastest.
    init(_ numbers: UnsafeBufferPointer<Float>, dimensions: [Int], use: MatrixUse) {
        let axis = use.channelAxis
        let channels = dimensions[axis]
        let inner = dimensions[(axis + 1)...].reduce(1, *)
        var largest = [Float](repeating: 0, count: channels)
        for (index, number) in numbers.enumerated() {
            let channel = index / inner % channels
            largest[channel] = max(largest[channel], abs(number))
        }
        // Numbers so small that a 127th of them is none at all become 0.
        let scales = largest.map { $0 / 127 >= .leastNormalMagnitude ? $0 / 127 : 1 }
        values = numbers.enumerated().map { index, number in
            let quotient = (number / scales[index / inner % channels]).rounded(.toNearestOrEven)
            return Int8(min(127, max(-127, quotient)))
        }
        self.scales = scales
        self.axis = axis
        self.use = use
        self.inner = inner
    }

    private let inner: Int

    /// The numbers that it stands for.
    package func expand(into numbers: UnsafeMutableBufferPointer<Float>) {
        precondition(numbers.count == values.count, "\(values.count) numbers into \(numbers.count)")
        for (index, value) in values.enumerated() { numbers[index] = Float(value) * scales[index / inner % scales.count] }
    }

    /// Has a workspace compute with it in whole numbers wherever the layer's weight lies at `numbers`.
    ///
    /// - Returns: whether it does; transposed convolutions and those in groups stay in Float32.
    package func compute(in workspace: Workspace, weight numbers: UnsafePointer<Float>) -> Bool {
        switch use {
        case .product:
            let columns = values.count / scales.count
            return workspace.computeInEightBits(
                MatrixView(base: numbers, rows: scales.count, columns: columns), values: values, scales: scales)
        case .convolution(let shape):
            return workspace.computeInEightBits(
                MatrixView(base: numbers, rows: 1, columns: values.count), values: values, scales: scales, convolution: shape)
        case .transposedConvolution: return false
        }
    }

    package var byteCount: Int { values.count + 4 * scales.count }
}

/// What a layer does with a matrix.
enum MatrixUse: Sendable {
    /// A product with rows of inputs.
    case product
    case convolution(ConvolutionShape)
    case transposedConvolution

    /// Which of its dimensions counts channels.
    var channelAxis: Int { if case .transposedConvolution = self { 1 } else { 0 } }
}

/// A layer with matrices that may be kept in 8 bits.
protocol Quantizable {
    var matrices: [(slot: ParameterSlot, use: MatrixUse)] { get }
}

extension Dense: Quantizable {
    var matrices: [(slot: ParameterSlot, use: MatrixUse)] { [(weight, .product)] }
}

extension ConvolutionLayer {
    var matrices: [(slot: ParameterSlot, use: MatrixUse)] {
        [(convolution.weight, convolution.isTransposed ? .transposedConvolution : .convolution(convolution.shape))]
    }
}

extension Conv1d: Quantizable {}
extension Conv2d: Quantizable {}
extension Conv2dTranspose: Quantizable {}

extension MultiHeadAttention: Quantizable {
    var matrices: [(slot: ParameterSlot, use: MatrixUse)] {
        (inputs.map(\.projection) + [output]).map { ($0.weight, .product) }
    }
}

extension Network {
    /// The weights of dense layers, convolutions and the products of attention in 8 bits, by the index of their slot. A weight that
    /// several layers use, as an embedding's, stays as it is.
    package func quantizedMatrices(_ weights: ParameterView) -> [Int: QuantizedMatrix] {
        let shared = Set(layout.aliases.map(\.slot))
        var result: [Int: QuantizedMatrix] = [:]
        func collect(_ layers: Sequential) {
            for stage in layers.computed {
                for (slot, use) in (stage.layer as? any Quantizable)?.matrices ?? [] where !shared.contains(slot.name) {
                    result[slot.index] = QuantizedMatrix(
                        weights.matrix(slot).row(0), dimensions: slot.shape.dimensions, use: use)
                }
                for branch in stage.layer.branches { collect(branch.layers) }
            }
        }
        collect(layers)
        return result
    }
}
