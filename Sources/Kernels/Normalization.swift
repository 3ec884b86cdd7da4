import Storage

extension Workspace {
    /// Every row of `input` to mean 0 and variance 1, times `weight`, plus `bias`: y = (x − μ)·r·γ + β with r = 1/√(σ² + ε).
    /// μ and r of each row go to `statistics` (rows × 2). A row's bits depend on that row alone.
    ///
    /// - Parameter centers: if not, μ is 0, and r is made of the mean square.
    package func normalizeRows(
        _ input: MatrixView, epsilon: Double, centers: Bool = true, weight: MatrixView?, bias: MatrixView?,
        statistics: MutableMatrixView, into output: MutableMatrixView
    ) {
        let width = input.columns
        precondition(
            output.rows == input.rows && output.columns == width && statistics.rows == input.rows
                && statistics.columns == 2 && weight?.count ?? width == width && bias?.count ?? width == width,
            "\(input.rows)×\(width) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                let x = input.base + row * input.stride
                let y = output.base + row * output.stride
                let (mean, scale) = normalization(x, count: width, epsilon: epsilon, centers: centers)
                statistics.row(row)[0] = mean
                statistics.row(row)[1] = scale
                normalize(x, mean: mean, scale: scale, weight: weight?.base, bias: bias?.base, into: y, count: width)
            }
        }
    }

    /// The gradient of `normalizeRows`, with `statistics` from it: the input's where it is wanted, and in `scaled`, where
    /// there is a weight, g·x̂, whose column sums are the weight's gradient.
    package func normalizeRowsGradient(
        _ outputGradient: MatrixView, input: MatrixView, centers: Bool = true, weight: MatrixView?,
        statistics: MatrixView, scaled: MutableMatrixView?,
        into inputGradient: MutableMatrixView?
    ) {
        let width = input.columns
        precondition(
            outputGradient.rows == input.rows && outputGradient.columns == width && statistics.rows == input.rows
                && statistics.columns == 2 && inputGradient?.readOnly.hasShape(of: input) ?? true
                && scaled?.readOnly.hasShape(of: input) ?? true && weight?.count ?? width == width,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(width)")
        parallel(input.rows) { _, rows in
            for row in rows {
                normalizationGradient(
                    outputGradient.base + row * outputGradient.stride, input.base + row * input.stride,
                    mean: statistics.row(row)[0], scale: statistics.row(row)[1], centers: centers, weight: weight?.base,
                    scaled: scaled.map { $0.base + row * $0.stride },
                    into: inputGradient.map { $0.base + row * $0.stride }, count: width)
            }
        }
    }
}

/// Mean and 1/√(σ² + ε) of `count` numbers, both sums in Double.
@inline(never)
private func normalization(_ x: UnsafePointer<Float>, count: Int, epsilon: Double, centers: Bool) -> (mean: Float, scale: Float)
{
    var sum = DoubleLanes()
    if centers { eachVector(count) { sum.add(Vector.load(x + $0, count: $1)) } }
    let mean = Float(sum.total / Double(count))
    var squares = DoubleLanes()
    // The distances are rounded, their squares are not.
    eachVector(count) { index, rest in squares.addSquares((Vector.load(x + index, count: rest) - mean).first(rest)) }
    return (mean, Float(1 / (squares.total / Double(count) + epsilon).squareRoot()))
}

@inline(never)
private func normalize(
    _ x: UnsafePointer<Float>, mean: Float, scale: Float, weight: UnsafePointer<Float>?,
    bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, count: Int
) {
    eachVector(count) { index, rest in
        var result = (Vector.load(x + index, count: rest) - mean) * scale
        if let weight { result *= Vector.load(weight + index, count: rest) }
        if let bias { result += .load(bias + index, count: rest) }
        result.store(to: y + index, count: rest)
    }
}

@inline(never)
private func normalizationGradient(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, mean: Float, scale: Float, centers: Bool,
    weight: UnsafePointer<Float>?, scaled: UnsafeMutablePointer<Float>?,
    into target: UnsafeMutablePointer<Float>?, count: Int
) {
    var sum = DoubleLanes()
    var products = DoubleLanes()
    eachVector(count) { index, rest in
        let gradient = Vector.load(g + index, count: rest)
        let normal = (Vector.load(x + index, count: rest) - mean) * scale
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
    let meanGradient = centers ? Float(sum.total / Double(count)) : 0
    let meanProduct = Float(products.total / Double(count))
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
    fileprivate private(set) var low = SIMD4<Double>(), high = SIMD4<Double>()

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
        let first = SIMD4<Double>(vector.lowHalf)
        let second = SIMD4<Double>(vector.highHalf)
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

// MARK: - Over the rows of leaves

extension Workspace {
    /// Every column of each leaf's rows to mean 0 and variance 1, times `weight`, plus `bias`. A row's bits depend on its leaf
    /// alone.
    ///
    /// - Parameters:
    ///   - moments: for each leaf a row: the means, and behind them 1/√(σ² + ε) with the biased variance.
    ///   - sums: where for each leaf its number of rows, the sums of the columns, and the unbiased variances times the number
    ///     of rows go; nil where nobody asks.
    package func normalizeLeaves(
        _ input: MatrixView, leafRows: Int, epsilon: Double, weight: MatrixView?, bias: MatrixView?,
        moments: MutableMatrixView, sums: LeafSums?, into output: MutableMatrixView
    ) {
        let width = input.columns
        let leaves = (input.rows + leafRows - 1) / leafRows
        precondition(
            output.count == input.count && output.columns == width && moments.rows == leaves
                && moments.columns == 2 * width && weight?.count ?? width == width && bias?.count ?? width == width
                && sums?.leaves ?? leaves >= leaves && sums?.count ?? (1 + 2 * width) == 1 + 2 * width,
            "\(input.rows)×\(width) in leaves of \(leafRows) into \(output.rows)×\(output.columns)")
        parallel(width, unit: 16) { _, columns in
            for leaf in 0..<leaves {
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let moments = moments.base + leaf * 2 * width
                normalizeLeaf(
                    input[rows: rows], columns: columns, epsilon: epsilon, weight: weight?.base, bias: bias?.base,
                    means: moments, scales: moments + width, sums: sums?.leaf(leaf), into: output[rows: rows])
            }
        }
    }

    /// The gradient of `normalizeLeaves`, with `moments` from it: the input's where it is wanted, and in `scaled`, where there
    /// is a weight to train, g·x̂, whose column sums are the weight's gradient.
    package func normalizeLeavesGradient(
        _ outputGradient: MatrixView, input: MatrixView, leafRows: Int, weight: MatrixView?,
        moments: MatrixView, scaled: MutableMatrixView?,
        into inputGradient: MutableMatrixView?
    ) {
        let width = input.columns
        let leaves = (input.rows + leafRows - 1) / leafRows
        precondition(
            outputGradient.count == input.count && outputGradient.columns == width && moments.rows == leaves
                && moments.columns == 2 * width && inputGradient?.count ?? input.count == input.count
                && scaled?.count ?? input.count == input.count && weight?.count ?? width == width,
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(width)")
        parallel(width, unit: 16) { _, columns in
            for leaf in 0..<leaves {
                let rows = leaf * leafRows..<min((leaf + 1) * leafRows, input.rows)
                let moments = moments.base + leaf * 2 * width
                leafNormalizationGradient(
                    outputGradient[rows: rows], input[rows: rows], columns: columns, weight: weight?.base,
                    means: moments, scales: moments + width, scaled: scaled?[rows: rows],
                    into: inputGradient?[rows: rows])
            }
        }
    }

    /// `scales` = 1/√(`variances` + ε).
    package func normalizationScales(of variances: MatrixView, epsilon: Double, into scales: MutableMatrixView) {
        precondition(scales.count == variances.count, "\(variances.count) variances into \(scales.count) scales")
        for index in 0..<variances.count {
            scales.base[index] = Float(1 / (Double(variances.base[index]) + epsilon).squareRoot())
        }
    }

    /// `output` = (`input` − `means`) · `scales` · `weight` + `bias`, column by column.
    package func normalizeColumns(
        _ input: MatrixView, means: MatrixView, scales: MatrixView, weight: MatrixView?, bias: MatrixView?,
        into output: MutableMatrixView
    ) {
        let width = input.columns
        precondition(
            output.rows == input.rows && output.columns == width && means.count == width
                && scales.count == width && weight?.count ?? width == width && bias?.count ?? width == width,
            "\(input.rows)×\(width) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                normalizeRow(
                    input.base + row * input.stride, means: means.base, scales: scales.base, weight: weight?.base,
                    bias: bias?.base, into: output.base + row * output.stride, columns: 0..<width)
            }
        }
    }
}

/// Where sums of each leaf go, in Double: a row of `stride` numbers for each leaf, of which `count` are meant.
package struct LeafSums: @unchecked Sendable {
    // Sendable: threads write disjoint columns.

    /// Invariant: `leaves × stride` numbers from here, less what lies before and behind in the first and last row, are
    /// writable while the owner lives.
    private let base: UnsafeMutablePointer<Double>
    private let stride: Int
    package let leaves: Int
    package let count: Int

    package init(base: UnsafeMutablePointer<Double>, stride: Int, leaves: Int, count: Int) {
        precondition(count <= stride, "\(count) sums in rows of \(stride)")
        self.base = base
        self.stride = stride
        self.leaves = leaves
        self.count = count
    }

    /// The `count` sums that begin `offset` in.
    package func part(_ offset: Int, count: Int) -> LeafSums {
        precondition(offset >= 0 && offset + count <= self.count, "\(count) sums at \(offset) of \(self.count)")
        return LeafSums(base: base + offset, stride: stride, leaves: leaves, count: count)
    }

    /// Those of the leaves from a leaf on.
    package func leaves(from first: Int) -> LeafSums {
        precondition(first >= 0 && first <= leaves, "from leaf \(first) of \(leaves) on")
        return LeafSums(base: base + first * stride, stride: stride, leaves: leaves - first, count: count)
    }

    /// The sums of a leaf.
    package func leaf(_ leaf: Int) -> UnsafeMutableBufferPointer<Double> {
        precondition(leaf >= 0 && leaf < leaves, "leaf \(leaf) of \(leaves)")
        return UnsafeMutableBufferPointer(start: base + leaf * stride, count: count)
    }
}

@inline(never)
private func normalizeLeaf(
    _ x: MatrixView, columns: Range<Int>, epsilon: Double, weight: UnsafePointer<Float>?,
    bias: UnsafePointer<Float>?, means: UnsafeMutablePointer<Float>,
    scales: UnsafeMutablePointer<Float>, sums: UnsafeMutableBufferPointer<Double>?,
    into y: MutableMatrixView
) {
    let rows = Double(x.rows)
    let width = x.columns
    eachVector(columns.count) { offset, count in
        let column = columns.lowerBound + offset
        let source = x.base + column
        var sum = DoubleLanes()
        var squares = DoubleLanes()
        for row in 0..<x.rows { sum.add(.load(source + row * width, count: count)) }
        let mean = sum.divided(by: rows)
        mean.store(to: means + column, count: count)
        for row in 0..<x.rows { squares.addSquares(Vector.load(source + row * width, count: count) - mean) }
        for lane in 0..<count {
            scales[column + lane] = Float(1 / (squares[lane] / rows + epsilon).squareRoot())
            guard let sums else { continue }
            sums[1 + column + lane] = sum[lane]
            sums[1 + width + column + lane] = squares[lane] / (rows - 1) * rows
        }
    }
    if columns.lowerBound == 0 { sums?[0] = rows }
    for row in 0..<x.rows {
        normalizeRow(
            x.base + row * width, means: means, scales: scales, weight: weight, bias: bias,
            into: y.base + row * width, columns: columns)
    }
}

@inline(__always)
private func normalizeRow(
    _ x: UnsafePointer<Float>, means: UnsafePointer<Float>, scales: UnsafePointer<Float>,
    weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>,
    columns: Range<Int>
) {
    eachVector(columns.count) { offset, count in
        let column = columns.lowerBound + offset
        var result =
            (Vector.load(x + column, count: count) - .load(means + column, count: count))
            * .load(scales + column, count: count)
        if let weight { result *= Vector.load(weight + column, count: count) }
        if let bias { result += .load(bias + column, count: count) }
        result.store(to: y + column, count: count)
    }
}

@inline(never)
private func leafNormalizationGradient(
    _ g: MatrixView, _ x: MatrixView, columns: Range<Int>, weight: UnsafePointer<Float>?,
    means: UnsafePointer<Float>, scales: UnsafePointer<Float>, scaled: MutableMatrixView?,
    into target: MutableMatrixView?
) {
    let rows = Double(x.rows)
    let width = x.columns
    eachVector(columns.count) { offset, count in
        let column = columns.lowerBound + offset
        let mean = Vector.load(means + column, count: count)
        let scale = Vector.load(scales + column, count: count)
        var sum = DoubleLanes()
        var products = DoubleLanes()
        for row in 0..<x.rows {
            let place = row * width + column
            let gradient = Vector.load(g.base + place, count: count)
            let product = gradient * ((Vector.load(x.base + place, count: count) - mean) * scale)
            if let scaled { product.store(to: scaled.base + place, count: count) }
            sum.add(gradient)
            products.add(product)
        }
        guard let target else { return }
        let meanGradient = sum.divided(by: rows)
        let meanProduct = products.divided(by: rows)
        let factor = weight.map { scale * .load($0 + column, count: count) } ?? scale
        for row in 0..<x.rows {
            let place = row * width + column
            let normal = (Vector.load(x.base + place, count: count) - mean) * scale
            let gradient = Vector.load(g.base + place, count: count) - meanGradient - normal * meanProduct
            (gradient * factor).store(to: target.base + place, count: count)
        }
    }
}

extension DoubleLanes {
    /// One of the eight sums.
    @inline(__always)
    subscript(lane: Int) -> Double { lane < 4 ? low[lane] : high[lane - 4] }

    /// Each sum divided, and rounded.
    @inline(__always)
    func divided(by number: Double) -> Vector {
        Vector(lowHalf: SIMD4<Float>(low / number), highHalf: SIMD4<Float>(high / number))
    }
}
