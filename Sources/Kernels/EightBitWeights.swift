import CEightBits
import Storage

/// A weight in 8 bits as the loops of `EightBitProducts.swift` read it: panels of so many outputs, each with the bytes of four inputs side
/// by side. w ≈ q · scale, a scale for each output.
final class EightBitWeights {
    let outputs: Int
    /// Bytes of an input row that a sum runs over, and the pieces that they lie in.
    let segments: [Int64]
    let segmentBytes: Int
    private let panels: AlignedBuffer<Int8>
    private let sums: AlignedBuffer<Int32>
    private let scales: AlignedBuffer<Float>
    /// Of the call that is going on.
    private let bias: AlignedBuffer<Float>

    static var width: Int { Int(DTRAIN_EIGHT_BITS_WIDTH) }
    static var height: Int { Int(DTRAIN_EIGHT_BITS_HEIGHT) }

    /// Sums of 32 bits hold so many products of numbers up to 127 at least.
    static let largestDepth = 1 << 17

    /// - Parameters:
    ///   - segments: where the pieces begin, in bytes behind where the row begins.
    ///   - segmentBytes: a multiple of 4.
    ///   - value: q of an output and a byte of the row, counted over all pieces.
    init(
        outputs: Int, scales outputScales: [Float], segments: [Int64], segmentBytes: Int,
        value: (_ output: Int, _ byte: Int) -> Int8
    ) {
        precondition(segmentBytes % 4 == 0 && outputScales.count == outputs, "\(segmentBytes) bytes, \(outputs) outputs")
        self.outputs = outputs
        self.segments = segments
        self.segmentBytes = segmentBytes
        let depth = segments.count * segmentBytes
        let width = Self.width
        let whole = (outputs + width - 1) / width * width
        panels = AlignedBuffer(count: whole * depth, repeating: 0)
        sums = AlignedBuffer(count: whole, repeating: 0)
        scales = AlignedBuffer(count: whole, repeating: 0)
        bias = AlignedBuffer(count: whole, repeating: 0)
        for output in 0..<outputs {
            scales[output] = outputScales[output]
            let first = output / width * width * depth + output % width * 4
            for byte in 0..<depth {
                let number = value(output, byte)
                panels[first + byte / 4 * 4 * width + byte % 4] = number
                sums[output] += Int32(number)
            }
        }
    }

    var panelCount: Int { sums.count / Self.width }

    /// Has the products add these from here on.
    func set(bias numbers: MatrixView?) {
        for output in 0..<outputs { bias[output] = numbers.map { $0.base[output] } ?? 0 }
    }

    /// Outputs of a panel.
    func range(of panel: Int) -> Range<Int> { panel * Self.width..<min((panel + 1) * Self.width, outputs) }

    func panel(_ index: Int) -> dtrain_eight_bits_panel {
        let first = index * Self.width
        return dtrain_eight_bits_panel(
            weights: panels.base + first * segments.count * segmentBytes, sums: sums.base + first, scales: scales.base + first,
            bias: bias.base + first)
    }
}

/// Which weights a workspace computes with in 8 bits, by where their numbers of 32 bits lie.
struct EightBitTable {
    var products: [UnsafePointer<Float>: EightBitWeights] = [:]
    var convolutions: [UnsafePointer<Float>: EightBitWeights] = [:]
}

extension Workspace {
    /// Has `innerProducts` with these weights, outputs × inputs, compute in 8 bits: inputs are rounded to 8 bits, each row with a scale of
    /// its own, products of whole numbers are summed exactly, and the sum is scaled. So a result depends on its row alone, and its bits
    /// neither on threads nor on the processor. Whoever calls it promises that the weights stay in their place while this lives.
    ///
    /// - Parameters:
    ///   - values, scales: the weights: value · scale of the output.
    /// - Returns: whether it does: sums that are too long for 32 bits stay in Float32.
    package func computeInEightBits(_ weights: MatrixView, values: [Int8], scales: [Float]) -> Bool {
        let depth = weights.columns
        precondition(values.count == weights.rows * depth, "\(values.count) numbers for \(weights.rows)×\(depth)")
        guard depth <= EightBitWeights.largestDepth else { return false }
        var table = eightBits ?? EightBitTable()
        table.products[weights.base] = EightBitWeights(
            outputs: weights.rows, scales: scales, segments: [0], segmentBytes: (depth + 3) / 4 * 4
        ) { output, byte in byte < depth ? values[output * depth + byte] : 0 }
        eightBits = table
        return true
    }

    /// Likewise of `convolution` with these filters; a scale is that of all inputs of a sample.
    ///
    /// - Returns: whether it does: convolutions in groups stay in Float32.
    package func computeInEightBits(
        _ weights: MatrixView, values: [Int8], scales: [Float], convolution shape: ConvolutionShape
    ) -> Bool {
        precondition(values.count == shape.weightCount, "\(values.count) numbers for \(shape)")
        let image = EightBitImage(shape)
        guard shape.groups == 1, image.segments.count * image.segmentBytes <= EightBitWeights.largestDepth else { return false }
        var table = eightBits ?? EightBitTable()
        let taps = shape.kernelHeight * shape.kernelWidth
        table.convolutions[weights.base] = EightBitWeights(
            outputs: shape.filters, scales: scales, segments: image.segments, segmentBytes: image.segmentBytes
        ) { filter, byte in
            let channel = byte % image.pixel
            return channel < shape.channels ? values[(filter * shape.channels + channel) * taps + byte / image.pixel] : 0
        }
        eightBits = table
        return true
    }
}

/// How a sample's image lies there in bytes: its channels side by side in whole fours, padding around it.
struct EightBitImage {
    /// Bytes of a place, and of a line of places.
    let pixel: Int, line: Int
    let lines: Int
    /// Where the taps of a window begin behind its first one, those that lie side by side together.
    let segments: [Int64]
    let segmentBytes: Int

    init(_ shape: ConvolutionShape) {
        let pixel = (shape.channels + 3) / 4 * 4
        let line = (shape.width + shape.paddingLeft + shape.paddingRight) * pixel
        self.pixel = pixel
        self.line = line
        lines = shape.height + shape.paddingTop + shape.paddingBottom
        let rows = (0..<shape.kernelHeight).map { $0 * shape.dilationHeight * line }
        if shape.dilationWidth == 1 || shape.kernelWidth == 1 {
            segments = rows.map { Int64($0) }
            segmentBytes = shape.kernelWidth * pixel
        } else {
            segments = rows.flatMap { row in
                (0..<shape.kernelWidth).map { Int64(row + $0 * shape.dilationWidth * pixel) }
            }
            segmentBytes = pixel
        }
    }

    var byteCount: Int { lines * line }
}
