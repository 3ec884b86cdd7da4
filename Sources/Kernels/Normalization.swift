import Storage

extension Workspace {
    /// Every row of `input` to mean 0 and variance 1, times `weight`, plus `bias`: y = (x − μ)·r·γ + β with r = 1/√(σ² + ε).
    /// μ and r of each row go to `statistics` (rows × 2). A row's bits depend on that row alone.
    package func normalizeRows(_ input: MatrixView, epsilon: Double, weight: MatrixView?, bias: MatrixView?,
                               statistics: MutableMatrixView, into output: MutableMatrixView) {
        let width = input.columns
        precondition(output.rows == input.rows && output.columns == width && statistics.rows == input.rows
                         && statistics.columns == 2 && weight?.count ?? width == width && bias?.count ?? width == width,
                     "\(input.rows)×\(width) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                let x = input.base + row * width, y = output.base + row * width
                let (mean, scale) = normalization(x, count: width, epsilon: epsilon)
                statistics.row(row)[0] = mean
                statistics.row(row)[1] = scale
                normalize(x, mean: mean, scale: scale, weight: weight?.base, bias: bias?.base, into: y, count: width)
            }
        }
    }

    /// The gradient of `normalizeRows`, with `statistics` from it: the input's where it is wanted, and in `scaled`, where
    /// there is a weight, g·x̂, whose column sums are the weight's gradient.
    package func normalizeRowsGradient(_ outputGradient: MatrixView, input: MatrixView, weight: MatrixView?,
                                       statistics: MatrixView, scaled: MutableMatrixView?,
                                       into inputGradient: MutableMatrixView?) {
        let width = input.columns
        precondition(outputGradient.rows == input.rows && outputGradient.columns == width && statistics.rows == input.rows
                         && statistics.columns == 2 && inputGradient?.count ?? input.count == input.count
                         && scaled?.count ?? input.count == input.count && weight?.count ?? width == width,
                     "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(width)")
        parallel(input.rows) { _, rows in
            for row in rows {
                normalizationGradient(outputGradient.base + row * width, input.base + row * width,
                                      mean: statistics.row(row)[0], scale: statistics.row(row)[1], weight: weight?.base,
                                      scaled: scaled.map { $0.base + row * width },
                                      into: inputGradient.map { $0.base + row * width }, count: width)
            }
        }
    }
}

/// Mean and 1/√(σ² + ε) of `count` numbers, both sums in Double.
@inline(never)
private func normalization(_ x: UnsafePointer<Float>, count: Int, epsilon: Double) -> (mean: Float, scale: Float) {
    var sum = DoubleLanes()
    eachVector(count) { sum.add(Vector.load(x + $0, count: $1)) }
    let mean = Float(sum.total / Double(count))
    var squares = DoubleLanes()
    // The distances are rounded, their squares are not.
    eachVector(count) { index, rest in squares.addSquares((Vector.load(x + index, count: rest) - mean).first(rest)) }
    return (mean, Float(1 / (squares.total / Double(count) + epsilon).squareRoot()))
}

@inline(never)
private func normalize(_ x: UnsafePointer<Float>, mean: Float, scale: Float, weight: UnsafePointer<Float>?,
                       bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, count: Int) {
    eachVector(count) { index, rest in
        var result = (Vector.load(x + index, count: rest) - mean) * scale
        if let weight { result *= Vector.load(weight + index, count: rest) }
        if let bias { result += .load(bias + index, count: rest) }
        result.store(to: y + index, count: rest)
    }
}

@inline(never)
private func normalizationGradient(_ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, mean: Float, scale: Float,
                                   weight: UnsafePointer<Float>?, scaled: UnsafeMutablePointer<Float>?,
                                   into target: UnsafeMutablePointer<Float>?, count: Int) {
    var sum = DoubleLanes(), products = DoubleLanes()
    eachVector(count) { index, rest in
        let gradient = Vector.load(g + index, count: rest), normal = (Vector.load(x + index, count: rest) - mean) * scale
        let product = gradient * normal
        if let scaled { product.store(to: scaled + index, count: rest) }
        guard let weight else {
            sum.add(gradient)
            // Behind the end the gradient is 0, but its product with what lies there might not be.
            return products.add(product.first(rest))
        }
        let factor = Vector.load(weight + index, count: rest)
        sum.add(gradient * factor)
        products.add((product * factor).first(rest))
    }
    guard let target else { return }
    let meanGradient = Float(sum.total / Double(count)), meanProduct = Float(products.total / Double(count))
    eachVector(count) { index, rest in
        var gradient = Vector.load(g + index, count: rest)
        let normal = (Vector.load(x + index, count: rest) - mean) * scale
        if let weight { gradient *= Vector.load(weight + index, count: rest) }
        ((gradient - meanGradient - normal * meanProduct) * scale).store(to: target + index, count: rest)
    }
}

/// Calls `body` for each eight elements, and for those that are left: with the first one's index and how many there are.
@inline(__always)
func eachVector(_ count: Int, _ body: (_ index: Int, _ count: Int) -> Void) {
    let whole = count & ~7
    var index = 0
    while index < whole {
        body(index, 8)
        index &+= 8
    }
    if index < count { body(index, count &- index) }
}

/// Eight sums in Double.
struct DoubleLanes {
    private var low = SIMD4<Double>(), high = SIMD4<Double>()

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func add(_ vector: Vector) {
        low += SIMD4<Double>(vector.lowHalf)
        high += SIMD4<Double>(vector.highHalf)
    }

    /// The square of a Float is exact in a Double.
    @inline(__always)
    mutating func addSquares(_ vector: Vector) {
        let first = SIMD4<Double>(vector.lowHalf), second = SIMD4<Double>(vector.highHalf)
        low = low.addingProduct(first, first)
        high = high.addingProduct(second, second)
    }

    /// The lanes added up in one fixed order.
    @inline(__always)
    var total: Double {
        let four = low + high
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}
