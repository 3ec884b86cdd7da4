import Storage

/// A matrix in 8 bits: of each channel w ≈ q · s with whole numbers q from −127 to 127 and s = max |w| / 127, as ONNX's
/// DequantizeLinear makes them numbers again. A channel is what makes one output of a product, or one plane of a convolution.
package struct QuantizedMatrix: Sendable {
    package let values: [Int8]
    /// A number for each channel.
    package let scales: [Float]
    /// The dimension that counts channels.
    package let axis: Int

    /// - Parameters:
    ///   - numbers: of a tensor of these dimensions, the last one running fastest.
    init(_ numbers: UnsafeBufferPointer<Float>, dimensions: [Int], axis: Int) {
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
        self.inner = inner
    }

    private let inner: Int

    /// The numbers that it stands for.
    package func expand(into numbers: UnsafeMutableBufferPointer<Float>) {
        precondition(numbers.count == values.count, "\(values.count) numbers into \(numbers.count)")
        for (index, value) in values.enumerated() { numbers[index] = Float(value) * scales[index / inner % scales.count] }
    }

    package var byteCount: Int { values.count + 4 * scales.count }
}

/// A layer with matrices that may be kept in 8 bits.
protocol Quantizable {
    /// The matrices, and which of their dimensions counts channels.
    var matrices: [(slot: ParameterSlot, channelAxis: Int)] { get }
}

extension Dense: Quantizable {
    var matrices: [(slot: ParameterSlot, channelAxis: Int)] { [(weight, 0)] }
}

extension ConvolutionLayer {
    var matrices: [(slot: ParameterSlot, channelAxis: Int)] {
        [(convolution.weight, convolution.isTransposed ? 1 : 0)]
    }
}

extension Conv1d: Quantizable {}
extension Conv2d: Quantizable {}
extension Conv2dTranspose: Quantizable {}

extension MultiHeadAttention: Quantizable {
    var matrices: [(slot: ParameterSlot, channelAxis: Int)] { (inputs.map(\.projection) + [output]).map { ($0.weight, 0) } }
}

extension Network {
    /// The weights of dense layers, convolutions and the products of attention in 8 bits, by the index of their slot. A weight that
    /// several layers use, as an embedding's, stays as it is.
    package func quantizedMatrices(_ weights: ParameterView) -> [Int: QuantizedMatrix] {
        let shared = Set(layout.aliases.map(\.slot))
        var result: [Int: QuantizedMatrix] = [:]
        func collect(_ layers: Sequential) {
            for stage in layers.computed {
                for (slot, axis) in (stage.layer as? any Quantizable)?.matrices ?? [] where !shared.contains(slot.name) {
                    result[slot.index] = QuantizedMatrix(
                        weights.matrix(slot).row(0), dimensions: slot.shape.dimensions, axis: axis)
                }
                for branch in stage.layer.branches { collect(branch.layers) }
            }
        }
        collect(layers)
        return result
    }
}
