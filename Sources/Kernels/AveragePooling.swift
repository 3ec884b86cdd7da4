import Storage

/// Average-pooling. Rows are images, channels one behind the other.
extension Workspace {
    /// `output` = the mean of each window: its rows are added in order, then the columns of the sums, then it is divided.
    ///
    /// - Parameter countsPadding: whether what lies in the padding counts as zeros (PyTorch's default), or not at all.
    package func averagePool(
        _ input: MatrixView, shape: PoolingShape, countsPadding: Bool = true, into output: MutableMatrixView
    ) {
        checkPooling(input, shape, output.readOnly)
        let rooms = threadRooms(count: shape.scratch)
        parallelPlanes(input.rows, shape.channels) { thread, row, channel in
            guard let room = rooms[thread].baseAddress else { return }
            let x = input.base + (row * input.stride + channel * shape.height * shape.width)
            let y = output.base + (row * output.stride + channel * shape.outputHeight * shape.outputWidth)
            pool(x, shape, outside: 0, room: room, into: y, combine: sum)
            let divisors = room + shape.paddedWidth
            shape.fillDivisors(divisors, countsPadding: countsPadding)
            for outputRow in 0..<shape.outputHeight {
                let rows = Float(countsPadding ? shape.kernelHeight : shape.rows(outputRow).count)
                let target = y + outputRow * shape.outputWidth
                mapVectors(target, divisors, into: target, count: shape.outputWidth) { $0 / ($1 * rows) }
            }
        }
    }

    /// The gradient of `averagePool`: every number gets its share of each window's that sees it, windows in order.
    package func averagePoolGradient(
        _ outputGradient: MatrixView, shape: PoolingShape, countsPadding: Bool = true,
        into inputGradient: MutableMatrixView
    ) {
        checkPooling(inputGradient.readOnly, shape, outputGradient)
        let rooms = threadRooms(count: shape.scratch)
        parallelPlanes(outputGradient.rows, shape.channels) { thread, row, channel in
            guard let room = rooms[thread].baseAddress else { return }
            let g =
                outputGradient.base + (row * outputGradient.stride + channel * shape.outputHeight * shape.outputWidth)
            let target = inputGradient.base + (row * inputGradient.stride + channel * shape.height * shape.width)
            let divisors = room + shape.paddedWidth
            shape.fillDivisors(divisors, countsPadding: countsPadding)
            averageGradient(g, shape, countsPadding: countsPadding, divisors: divisors, spread: room, into: target)
        }
    }
}

@inline(__always)
private func sum(_ a: Vector, _ b: Vector) -> Vector { a + b }

extension PoolingShape {
    /// How many columns each output column's mean is of.
    fileprivate func fillDivisors(_ divisors: UnsafeMutablePointer<Float>, countsPadding: Bool) {
        for column in 0..<outputWidth { divisors[column] = Float(countsPadding ? kernelWidth : columns(column).count) }
    }
}

@inline(never)
private func averageGradient(
    _ g: UnsafePointer<Float>, _ shape: PoolingShape, countsPadding: Bool, divisors: UnsafePointer<Float>,
    spread: UnsafeMutablePointer<Float>, into target: UnsafeMutablePointer<Float>
) {
    let width = shape.width
    target.update(repeating: 0, count: shape.height * width)
    for outputRow in 0..<shape.outputHeight {
        let rows = shape.rows(outputRow)
        let count = Float(countsPadding ? shape.kernelHeight : rows.count)
        spread.update(repeating: 0, count: shape.paddedWidth)
        let from = g + outputRow * shape.outputWidth
        for column in 0..<shape.outputWidth {
            let share = from[column] / (divisors[column] * count)
            let first = spread + column &* shape.strideWidth
            for tap in 0..<shape.kernelWidth { first[tap] += share }
        }
        for row in rows {
            let to = target + row * width
            mapVectors(to, UnsafePointer(spread) + shape.paddingWidth, into: to, count: width) { $0 + $1 }
        }
    }
}
