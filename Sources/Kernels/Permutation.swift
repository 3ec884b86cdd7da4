import Storage

/// Another order of the dimensions of samples: how each number of the output is found in the input.
package struct AxisPermutation: Sendable {
    /// The dimensions of the output; neighbours that stay neighbours are one.
    private let dimensions: [Int]
    /// How far apart in the input the output's neighbours along each dimension lie.
    private let strides: [Int]

    /// - Parameters:
    ///   - shape: of the input.
    ///   - order: for each dimension of the output the one of the input, counted from 0; each once.
    package init(shape: [Int], order: [Int]) {
        precondition(order.sorted() == Array(shape.indices), "\(order) of the dimensions of \(shape)")
        var inputStrides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { inputStrides[axis] = inputStrides[axis + 1] * shape[axis + 1] }
        var dimensions: [Int] = []
        var strides: [Int] = []
        for (index, axis) in order.enumerated() where shape[axis] != 1 {
            if index > 0, let last = strides.last, let size = dimensions.last, last == inputStrides[axis] * shape[axis] {
                dimensions[dimensions.count - 1] = size * shape[axis]
                strides[strides.count - 1] = inputStrides[axis]
            } else {
                dimensions.append(shape[axis])
                strides.append(inputStrides[axis])
            }
        }
        self.dimensions = dimensions
        self.strides = strides
    }

    /// Whether nothing moves.
    package var isIdentity: Bool { strides.isEmpty || strides == [1] }

    /// Assigns the output of one sample.
    fileprivate func apply(_ input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>) {
        guard let inner = dimensions.last, let step = strides.last else {
            output.pointee = input.pointee
            return
        }
        let outer = dimensions.count - 1
        withUnsafeTemporaryAllocation(of: Int.self, capacity: max(outer, 1)) { place in
            place.initialize(repeating: 0)
            var source = 0
            var target = 0
            while true {
                for index in 0..<inner { output[target &+ index] = input[source &+ index &* step] }
                target += inner
                // The next place along the outer dimensions, the last of them fastest.
                var axis = outer - 1
                while axis >= 0 {
                    place[axis] += 1
                    source += strides[axis]
                    if place[axis] < dimensions[axis] { break }
                    source -= dimensions[axis] * strides[axis]
                    place[axis] = 0
                    axis -= 1
                }
                if axis < 0 { return }
            }
        }
    }
}

extension Workspace {
    /// Every row of `output` becomes the permuted row of `input`.
    package func permute(_ input: MatrixView, by permutation: AxisPermutation, into output: MutableMatrixView) {
        precondition(
            input.rows == output.rows && input.columns == output.columns,
            "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns)")
        guard input.columns > 0 else { return }
        parallel(input.rows) { _, rows in
            for row in rows { permutation.apply(input.base + row * input.stride, into: output.base + row * output.stride) }
        }
    }
}
