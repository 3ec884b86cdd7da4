import Storage

/// Losses that are sums over the elements of a row.
package enum ElementLoss: Sendable, Equatable {
    /// (x − t)².
    case squaredError
    /// |x − t|; the derivative at 0 is 0.
    case absoluteError
    /// ½·(x − t)² within `delta`, delta·(|x − t| − ½·delta) beyond.
    case huber(delta: Double)
    /// −t·log σ(x) − (1 − t)·log(1 − σ(x)) on the logit x, as max(x, 0) − x·t + log(1 + e^−|x|).
    case binaryCrossEntropy
    /// −w·t·log σ(x) − (1 − t)·log(1 − σ(x)), as (1 − t)·x + (1 + (w − 1)·t)·(max(−x, 0) + log(1 + e^−|x|)).
    case weightedBinaryCrossEntropy(positiveWeight: Double)
}

extension Workspace {
    /// `losses[row]` = the sum over the row's elements in order, in Double, and, where asked for, the gradient of the
    /// sum of all losses.
    package func elementLoss(
        _ loss: ElementLoss, _ outputs: MatrixView, _ targets: MatrixView,
        losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?
    ) {
        precondition(
            targets.count == outputs.count && losses.count == outputs.rows
                && gradient?.count ?? outputs.count == outputs.count,
            "\(targets.count) targets and \(losses.count) losses for \(outputs.rows)×\(outputs.columns)")
        parallel(outputs.rows) { _, rows in
            var sums = RowSums(losses, columns: outputs.columns, rows: rows)
            withUnsafeTemporaryAllocation(of: Double.self, capacity: elementsAtOnce) { values in
                let end = rows.upperBound * outputs.columns
                for first in stride(from: rows.lowerBound * outputs.columns, to: end, by: elementsAtOnce) {
                    let count = min(elementsAtOnce, end - first)
                    let elements = Elements(
                        outputs: outputs.base + first, targets: targets.base + first,
                        gradient: gradient.map { $0.base + first },
                        values: values, count: count)
                    elements.evaluate(loss)
                    sums.add(values[..<count])
                }
            }
        }
    }
}

/// Elements whose losses are computed before they are added up: as many as pay for the change of loops.
private let elementsAtOnce = 64

/// Sums of the elements of each row, in order.
private struct RowSums {
    private let losses: UnsafeMutableBufferPointer<Double>
    private let columns: Int
    private var row: Int, column = 0
    private var sum = 0.0

    init(_ losses: UnsafeMutableBufferPointer<Double>, columns: Int, rows: Range<Int>) {
        self.losses = losses
        self.columns = columns
        row = rows.lowerBound
        if columns == 0 { for row in rows { losses[row] = 0 } }
    }

    /// The elements that follow those of the last call.
    mutating func add(_ values: Slice<UnsafeMutableBufferPointer<Double>>) {
        for value in values {
            sum += value
            column += 1
            guard column == columns else { continue }
            losses[row] = sum
            (sum, column, row) = (0, 0, row + 1)
        }
    }
}

/// Some neighbouring elements of outputs and targets, and where their losses and gradients go.
private struct Elements {
    let outputs: UnsafePointer<Float>, targets: UnsafePointer<Float>
    let gradient: UnsafeMutablePointer<Float>?
    let values: UnsafeMutableBufferPointer<Double>
    let count: Int

    @inline(__always)
    func evaluate(_ loss: ElementLoss) {
        switch loss {
        case .squaredError: each { error in (error * error, Float(2 * error)) }
        case .absoluteError: each { error in (abs(error), error > 0 ? 1 : error < 0 ? -1 : Float(error)) }
        case .huber(let delta):
            each { error in
                let size = abs(error)
                return size <= delta
                    ? (0.5 * error * error, Float(error))
                    : (delta * (size - 0.5 * delta), Float(error > 0 ? delta : error < 0 ? -delta : error))
            }
        case .binaryCrossEntropy: eachFour(BinaryCrossEntropyTerms())
        case .weightedBinaryCrossEntropy(let weight): eachFour(WeightedBinaryCrossEntropyTerms(positiveWeight: weight))
        }
    }

    /// Losses of the difference of output and target.
    @inline(__always)
    private func each(_ valueAndSlope: (_ error: Double) -> (value: Double, slope: Float)) {
        for index in 0..<count {
            let (value, slope) = valueAndSlope(Double(outputs[index]) - Double(targets[index]))
            values[index] = value
            gradient?[index] = slope
        }
    }

    @inline(__always)
    private func eachFour(_ terms: some ElementTerms) {
        var index = 0
        while index + 4 <= count {
            let x = UnsafeRawPointer(outputs + index).loadUnaligned(as: SIMD4<Float>.self)
            let t = UnsafeRawPointer(targets + index).loadUnaligned(as: SIMD4<Float>.self)
            let (value, slope) = terms.valueAndSlope(SIMD4<Double>(x), SIMD4<Double>(t))
            for lane in 0..<4 { values[index + lane] = value[lane] }
            if let gradient {
                let slope = SIMD4<Float>(slope)
                for lane in 0..<4 { gradient[index + lane] = slope[lane] }
            }
            index += 4
        }
        while index < count {
            let (value, slope) = terms.valueAndSlope(Double(outputs[index]), Double(targets[index]))
            values[index] = value
            gradient?[index] = Float(slope)
            index += 1
        }
    }
}

/// A loss of an output x and a target t that is written once for one element and for four.
private protocol ElementTerms {
    func valueAndSlope<Numbers: RealNumbers>(_ x: Numbers, _ t: Numbers) -> (value: Numbers, slope: Numbers)
}

private struct BinaryCrossEntropyTerms: ElementTerms {
    @inline(__always)
    func valueAndSlope<Numbers: RealNumbers>(_ x: Numbers, _ t: Numbers) -> (value: Numbers, slope: Numbers) {
        let logistic = LogisticTerms(x)
        return (logistic.above - x * t + logistic.logarithm, logistic.upper / logistic.sum - t)
    }
}

private struct WeightedBinaryCrossEntropyTerms: ElementTerms {
    let positiveWeight: Double

    @inline(__always)
    func valueAndSlope<Numbers: RealNumbers>(_ x: Numbers, _ t: Numbers) -> (value: Numbers, slope: Numbers) {
        let one = Numbers(repeating: 1)
        let logistic = LogisticTerms(x)
        let factor = one + Numbers(repeating: positiveWeight - 1) * t
        let rest = one - t
        return (rest * x + factor * (logistic.below + logistic.logarithm), rest - factor * (logistic.lower / logistic.sum))
    }
}

/// What both are made of, with e = e^−|x|: σ(x) = upper/sum, 1 − σ(x) = lower/sum.
private struct LogisticTerms<Numbers: RealNumbers> {
    /// max(x, 0), max(−x, 0).
    let above: Numbers, below: Numbers
    let upper: Numbers, lower: Numbers, sum: Numbers
    /// log(1 + e).
    let logarithm: Numbers

    @inline(__always)
    init(_ x: Numbers) {
        let zero = Numbers(repeating: 0)
        let one = Numbers(repeating: 1)
        let isNegative = x.isBelow(zero)
        above = x.replacing(with: zero, where: isNegative)
        below = (zero - x).replacing(with: zero, where: zero.isBelow(x))
        let e = (zero - (above + below)).exponential
        upper = one.replacing(with: e, where: isNegative)
        lower = e.replacing(with: one, where: isNegative)
        sum = one + e
        logarithm = e.logarithmOfOnePlus
    }
}
