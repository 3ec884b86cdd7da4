import CEightBits
import Storage

/// Products with weights in 8 bits, for `Workspace.computeInEightBits`: y = b + s · t · Σ p·q, where x ≈ s·p with whole numbers from −127
/// to 127 and s = max |x| / 127, and w ≈ t·q likewise (Jacob et al., CVPR 2018, with a symmetric range, found anew for each row).
///
/// Where a row holds a number that isn't finite, all of its results are NaN (0 behind a relu).
extension Workspace {
    /// As `innerProducts`.
    func innerProducts(
        _ input: MatrixView, eightBits weights: EightBitWeights, bias: MatrixView?, rectifies: Bool,
        into output: MutableMatrixView
    ) {
        let rows = input.rows
        guard rows > 0 else { return }
        weights.set(bias: bias)
        let loops = eightBitLoops
        let stride = weights.segmentBytes
        let room = packing(count: rows * (stride / 4 + 1))
        // The bytes of all rows, and behind them the scales.
        let bytes = UnsafeMutableRawPointer(room.base)
        let scales = room.base + rows * (stride / 4)
        let zero = dtrain_eight_bits_zero(loops)
        parallel(rows) { _, range in
            for row in range {
                let numbers = input.row(row), target = bytes + row * stride
                let found = dtrain_eight_bits_range_of(loops, numbers.baseAddress, numbers.count)
                scales[row] = found.scale
                dtrain_eight_bits_round(loops, numbers.baseAddress, numbers.count, found.inverse, target, 1)
                (target + numbers.count).initializeMemory(
                    as: UInt8.self, repeating: zero, count: stride - numbers.count)
            }
        }
        let height = EightBitWeights.height, width = EightBitWeights.width
        let tileRows = (rows + height - 1) / height
        let scratch = threadRooms(count: height * width)
        parallel(tileRows * weights.panelCount) { thread, tiles in
            let tile = scratch[thread]
            weights.segments.withUnsafeBufferPointer { segments in
                var source = dtrain_eight_bits_rows(
                    base: bytes, columns: 1, line: stride, step: 0, offsets: segments.baseAddress, segments: 1,
                    fours: stride / 4)
                for index in tiles {
                    let first = index % tileRows * height, count = min(height, rows - first)
                    var panel = weights.panel(index / tileRows)
                    let columns = weights.range(of: index / tileRows)
                    dtrain_eight_bits_tile(
                        loops, &source, first, count, scales + first, &panel, rectifies ? 1 : 0, tile.baseAddress)
                    for row in 0..<count {
                        let target = output.row(first + row)
                        for column in columns { target[column] = tile[row * width + column - columns.lowerBound] }
                    }
                }
            }
        }
    }

    /// As `convolution`.
    func convolution(
        _ input: MatrixView, eightBits weights: EightBitWeights, bias: MatrixView?, shape: ConvolutionShape, rectifies: Bool,
        into output: MutableMatrixView
    ) {
        weights.set(bias: bias)
        let image = EightBitImage(shape)
        let loops = eightBitLoops
        let height = EightBitWeights.height, width = EightBitWeights.width
        let zero = dtrain_eight_bits_zero(loops)
        let places = shape.outputHeight * shape.outputWidth
        // A tile, the scales of its rows, and an image.
        let scratch = threadRooms(count: height * width + 16 + image.byteCount / 4)
        parallel(input.rows) { thread, samples in
            let room = scratch[thread]
            guard let base = room.baseAddress else { return }
            let scales = base + height * width
            let bytes = UnsafeMutableRawPointer(scales + 16)
            weights.segments.withUnsafeBufferPointer { segments in
                var source = dtrain_eight_bits_rows(
                    base: bytes, columns: shape.outputWidth, line: shape.strideHeight * image.line,
                    step: shape.strideWidth * image.pixel, offsets: segments.baseAddress, segments: segments.count,
                    fours: weights.segmentBytes / 4)
                for sample in samples {
                    let numbers = input.row(sample)
                    let found = dtrain_eight_bits_range_of(loops, numbers.baseAddress, numbers.count)
                    bytes.initializeMemory(as: UInt8.self, repeating: zero, count: image.byteCount)
                    let corner = bytes + shape.paddingTop * image.line + shape.paddingLeft * image.pixel
                    for channel in 0..<shape.channels {
                        for line in 0..<shape.height {
                            dtrain_eight_bits_round(
                                loops, input.base + sample * input.stride + (channel * shape.height + line) * shape.width,
                                shape.width, found.inverse, corner + line * image.line + channel, image.pixel)
                        }
                    }
                    for row in 0..<height { scales[row] = found.scale }
                    let target = output.row(sample)
                    for index in 0..<weights.panelCount {
                        var panel = weights.panel(index)
                        let filters = weights.range(of: index)
                        for first in stride(from: 0, to: places, by: height) {
                            let count = min(height, places - first)
                            dtrain_eight_bits_tile(loops, &source, first, count, scales, &panel, rectifies ? 1 : 0, base)
                            for filter in filters {
                                let plane = filter * places + first
                                for place in 0..<count {
                                    target[plane + place] = base[place * width + filter - filters.lowerBound]
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
