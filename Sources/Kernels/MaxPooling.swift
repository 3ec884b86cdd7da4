import CProcessor
import Storage

/// Max-pooling. Rows are images, channels one behind the other.
extension Workspace {
    /// `output` = the largest number of each window, NaN where the window has one.
    ///
    /// - Parameter rectifies: whether what isn't above 0 becomes 0.
    package func maxPool(_ input: MatrixView, shape: PoolingShape, rectifies: Bool = false, into output: MutableMatrixView) {
        checkPooling(input, shape, output.readOnly)
        let rooms = threadRooms(count: shape.scratch)
        parallelPlanes(input.rows, shape.channels) { thread, row, channel in
            let x = input.base + (row * input.stride + channel * shape.height * shape.width)
            let y = output.base + (row * output.stride + channel * shape.outputHeight * shape.outputWidth)
            if shape.isTwoByTwo {
                poolTwoByTwo(x, shape, rectifies: rectifies, into: y)
            } else if let room = rooms[thread].baseAddress {
                pool(x, shape, outside: -.infinity, room: room, into: y, combine: larger)
                if rectifies { mapVectors(y, into: y, count: shape.outputHeight * shape.outputWidth, aboveZero) }
            }
        }
    }

    /// The gradient of `maxPool`: each window's goes to the first of its numbers that is the largest (or NaN), windows in
    /// order. Needs no index: it looks for the output in the input.
    ///
    /// - Parameter rectified: whether `maxPool` rectified; where the output isn't above 0 gradients then count as 0.
    package func maxPoolGradient(
        _ outputGradient: MatrixView, input: MatrixView, output: MatrixView, shape: PoolingShape, rectified: Bool = false,
        into inputGradient: MutableMatrixView
    ) {
        checkPooling(input, shape, output)
        checkPooling(inputGradient.readOnly, shape, outputGradient)
        let rooms = threadRooms(count: shape.scratch)
        parallelPlanes(input.rows, shape.channels) { thread, row, channel in
            let plane = channel * shape.height * shape.width
            let outputPlane = channel * shape.outputHeight * shape.outputWidth
            let gradient = MaxPoolingGradient(
                g: outputGradient.base + (row * outputGradient.stride + outputPlane),
                x: input.base + (row * input.stride + plane), y: output.base + (row * output.stride + outputPlane),
                shape: shape, rectified: rectified)
            let target = inputGradient.base + (row * inputGradient.stride + plane)
            if shape.isTwoByTwo {
                gradient.assignTwoByTwo(target)
            } else if let room = rooms[thread].baseAddress {
                gradient.assign(target, room: room)
            }
        }
    }

    /// Calls `body` for every plane of every row, shared by the threads.
    func parallelPlanes(_ rows: Int, _ channels: Int, _ body: (_ thread: Int, _ row: Int, _ channel: Int) -> Void) {
        parallel(rows * channels) { thread, planes in
            for plane in planes { body(thread, plane / channels, plane % channels) }
        }
    }

    func checkPooling(_ input: MatrixView, _ shape: PoolingShape, _ output: MatrixView) {
        precondition(
            input.columns == shape.inputCount && output.columns == shape.outputCount && input.rows == output.rows,
            "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns) for \(shape)")
    }
}

@inline(__always)
private func larger(_ a: Vector, _ b: Vector) -> Vector { dtrain_larger(a, b) }

/// 0 where a number isn't above 0; NaN stays.
@inline(__always)
private func aboveZero(_ vector: Vector) -> Vector { vector.replacing(with: 0, where: vector .<= 0) }

/// Windows of two by two that don't overlap.
@inline(never)
private func poolTwoByTwo(
    _ x: UnsafePointer<Float>, _ shape: PoolingShape, rectifies: Bool, into y: UnsafeMutablePointer<Float>
) {
    for row in 0..<shape.outputHeight {
        let upper = x + 2 &* row &* shape.width
        let target = y + row &* shape.outputWidth
        eachWindows(shape.outputWidth) { column, count in
            let largest = dtrain_pool_two8(upper + 2 &* column, upper + (2 &* column &+ shape.width), count)
            (rectifies ? aboveZero(largest) : largest).store(to: target + column, count: count)
        }
    }
}

/// Calls `body` for eight neighbouring windows at a time, the last eight possibly once more in part; for all where there are fewer.
@inline(__always)
func eachWindows(_ windows: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    guard windows >= 8 else { return body(0, windows) }
    var first = 0
    while first &+ 8 <= windows {
        body(first, 8)
        first &+= 8
    }
    if first < windows { body(windows &- 8, 8) }
}

/// Combines the numbers of each window of a plane: first a window's rows, the first one first, then the columns of the
/// result. `outside` stands in the padding.
@inline(__always)
func pool(
    _ x: UnsafePointer<Float>, _ shape: PoolingShape, outside: Float, room: UnsafeMutablePointer<Float>,
    into y: UnsafeMutablePointer<Float>, combine: (Vector, Vector) -> Vector
) {
    let padding = shape.paddingWidth
    for index in 0..<padding { room[index] = outside }
    for index in padding + shape.width..<shape.paddedWidth { room[index] = outside }
    let inner = room + padding
    for outputRow in 0..<shape.outputHeight {
        let rows = shape.rows(outputRow)
        let first = x + rows.lowerBound * shape.width
        eachVector(shape.width) { index, count in
            var vector = Vector.load(first + index, count: count)
            for row in 1..<max(1, rows.count) {
                vector = combine(vector, .load(first + (row &* shape.width &+ index), count: count))
            }
            vector.store(to: inner + index, count: count)
        }
        let target = y + outputRow * shape.outputWidth
        let step = shape.strideWidth
        eachVector(shape.outputWidth) { index, count in
            @inline(__always) func tap(_ column: Int) -> Vector {
                let from = UnsafePointer(room) + (index &* step &+ column)
                if step == 1 { return .load(from) }
                if step == 2, count == 8 { return dtrain_even8(.load(from), .load(from + 8)) }
                var vector = Vector()
                for lane in 0..<count { vector[lane] = from[lane &* step] }
                return vector
            }
            var vector = tap(0)
            for column in 1..<max(1, shape.kernelWidth) { vector = combine(vector, tap(column)) }
            vector.store(to: target + index, count: count)
        }
    }
}
