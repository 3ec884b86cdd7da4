import CProcessor
import Storage

/// Max-pooling. Rows are images, channels one behind the other.
extension Workspace {
    /// `output` = the largest number of each window, NaN where the window has one.
    package func maxPool(_ input: MatrixView, shape: PoolingShape, into output: MutableMatrixView) {
        checkPooling(input, shape, output.readOnly)
        let rooms = threadRooms(count: shape.scratch)
        parallelPlanes(input.rows, shape.channels) { thread, row, channel in
            guard let room = rooms[thread].baseAddress else { return }
            let x = input.base + (row * input.stride + channel * shape.height * shape.width)
            let y = output.base + (row * output.stride + channel * shape.outputHeight * shape.outputWidth)
            pool(x, shape, outside: -.infinity, room: room, into: y, combine: larger)
        }
    }

    /// The gradient of `maxPool`: each window's goes to the first of its numbers that is the largest (or NaN), windows in
    /// order. Needs no index: it looks for the output in the input.
    package func maxPoolGradient(
        _ outputGradient: MatrixView, input: MatrixView, output: MatrixView, shape: PoolingShape,
        into inputGradient: MutableMatrixView
    ) {
        checkPooling(input, shape, output)
        checkPooling(inputGradient.readOnly, shape, outputGradient)
        parallelPlanes(input.rows, shape.channels) { _, row, channel in
            let plane = channel * shape.height * shape.width
            let outputPlane = channel * shape.outputHeight * shape.outputWidth
            let g = outputGradient.base + (row * outputGradient.stride + outputPlane)
            let y = output.base + (row * output.stride + outputPlane)
            let x = input.base + (row * input.stride + plane)
            let target = inputGradient.base + (row * inputGradient.stride + plane)
            if shape.isTwoByTwo {
                twoByTwoGradient(g, x, y, shape, into: target)
            } else {
                windowGradient(g, x, y, shape, into: target)
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

/// Any windows, which may overlap.
@inline(never)
private func windowGradient(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ shape: PoolingShape,
    into target: UnsafeMutablePointer<Float>
) {
    target.update(repeating: 0, count: shape.height * shape.width)
    for outputRow in 0..<shape.outputHeight {
        let rows = shape.rows(outputRow)
        for outputColumn in 0..<shape.outputWidth {
            let columns = shape.columns(outputColumn)
            let place = outputRow * shape.outputWidth + outputColumn
            target[firstLargest(x, y[place], rows, columns, width: shape.width)] += g[place]
        }
    }
}

/// Where the first number of a window is that is `largest`, or NaN where that is.
@inline(__always)
private func firstLargest(
    _ x: UnsafePointer<Float>, _ largest: Float, _ rows: Range<Int>, _ columns: Range<Int>, width: Int
) -> Int {
    var found = rows.lowerBound &* width &+ columns.lowerBound
    if largest.isNaN {
        for row in rows {
            for column in columns where x[row &* width &+ column].isNaN { return row &* width &+ column }
        }
        return found
    }
    // Backwards and to the end: no branch that nobody can foresee.
    var row = rows.upperBound &- 1
    while row >= rows.lowerBound {
        var index = row &* width &+ columns.upperBound &- 1
        let first = row &* width &+ columns.lowerBound
        while index >= first {
            found = x[index] < largest ? found : index
            index &-= 1
        }
        row &-= 1
    }
    return found
}

/// Windows of two by two that don't overlap.
@inline(never)
private func twoByTwoGradient(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ shape: PoolingShape,
    into target: UnsafeMutablePointer<Float>
) {
    let width = shape.width
    for outputRow in 0..<shape.outputHeight {
        let first = 2 &* outputRow &* width
        let gradients = g + outputRow &* shape.outputWidth
        let largest = y + outputRow &* shape.outputWidth
        var column = 0
        while column &+ 8 <= shape.outputWidth {
            let place = first &+ 2 &* column
            dtrain_pool_gradient8(
                x + place, x + (place &+ width), .load(largest + column), .load(gradients + column), target + place,
                target + (place &+ width))
            column &+= 8
        }
        while column < shape.outputWidth {
            let place = first &+ 2 &* column
            var isFound = false
            for tap in 0..<4 {
                let index = place &+ (tap & 1) &+ (tap >> 1) &* width
                let isFirst = !isFound && (x[index] == largest[column] || x[index].isNaN)
                target[index] = isFirst ? gradients[column] : 0
                isFound = isFound || isFirst
            }
            column &+= 1
        }
        for row in 0..<2 {
            for index in 2 * shape.outputWidth..<max(width, 2 * shape.outputWidth) { target[first + row * width + index] = 0 }
        }
    }
    let seen = 2 * shape.outputHeight * width
    (target + seen).update(repeating: 0, count: shape.height * width - seen)
}
