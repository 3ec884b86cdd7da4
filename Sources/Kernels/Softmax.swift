import CProcessor
import Storage

extension Workspace {
    /// `output` = softmax of each row of `input`, shifted by the row's maximum.
    package func softmax(_ input: MatrixView, into output: MutableMatrixView) {
        precondition(
            input.rows == output.rows && input.columns == output.columns,
            "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                let target = output.base + row * output.stride
                let (_, sum) = shiftedExponentials(input.base + row * input.stride, count: input.columns, into: target)
                let scale = 1 / sum
                mapVectors(target, into: target, count: input.columns) { $0 * scale }
            }
        }
    }

    /// `inputGradient` = y·(g − Σ g·y) for each row, with the softmax `output` y and `outputGradient` g.
    package func softmaxGradient(_ outputGradient: MatrixView, output: MatrixView, into inputGradient: MutableMatrixView) {
        precondition(
            outputGradient.hasShape(of: output) && inputGradient.readOnly.hasShape(of: output),
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(output.rows)×\(output.columns)")
        parallel(output.rows) { _, rows in
            for row in rows {
                let g = outputGradient.base + row * outputGradient.stride
                let y = output.base + row * output.stride
                @inline(__always) func product(_ index: Int, _ count: Int) -> Vector {
                    Vector.load(g + index, count: count) * .load(y + index, count: count)
                }
                let dot = sumVectors(count: output.columns, product)
                mapVectors(g, y, into: inputGradient.base + row * inputGradient.stride, count: output.columns) { g, y in
                    y * (g - dot)
                }
            }
        }
    }

    /// Cross entropy of rows of logits against one class per row: `losses[row]` = (1 − s)·(log Z − x_c) +
    /// s·(log Z − mean x) with the label smoothing s, and, where asked for, the gradient of their sum.
    package func crossEntropy(
        _ logits: MatrixView, _ classes: ClassView, labelSmoothing: Double,
        losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?
    ) {
        precondition(
            classes.count == logits.rows && losses.count == logits.rows,
            "\(classes.count) classes and "
                + "\(losses.count) losses for \(logits.rows) rows")
        let smooth = Float(labelSmoothing / Double(logits.columns))
        let sharp = Float(1 - labelSmoothing)
        eachRowOfLogits(logits, gradient) { row, shifted in
            let index = classes[row]
            precondition(index >= 0 && index < logits.columns, "class \(index) of \(logits.columns)")
            let maximum = shifted.maximum
            var loss = shifted.logSum - (Double(shifted.logits[index]) - Double(maximum))
            if labelSmoothing > 0 {
                @inline(__always) func distance(_ index: Int, _ count: Int) -> Vector {
                    Vector.load(shifted.logits + index, count: count) - maximum
                }
                let mean = Double(sumVectors(count: logits.columns, distance)) / Double(logits.columns)
                loss = (1 - labelSmoothing) * loss + labelSmoothing * (shifted.logSum - mean)
            }
            losses[row] = loss
            guard let gradient = shifted.exponentials else { return }
            let scale = shifted.scale
            mapVectors(gradient, into: gradient, count: logits.columns) { $0 * scale - smooth }
            gradient[index] -= sharp
        }
    }

    /// Cross entropy of rows of logits against rows of class probabilities q: `losses[row]` = Σ q′·(log Z − x) with
    /// q′ = (1 − s)·q + s/classes, and, where asked for, the gradient of their sum.
    package func crossEntropy(
        _ logits: MatrixView, _ targets: MatrixView, labelSmoothing: Double,
        losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?
    ) {
        precondition(
            targets.hasShape(of: logits) && losses.count == logits.rows,
            "\(targets.rows)×\(targets.columns) targets and \(losses.count) losses for "
                + "\(logits.rows)×\(logits.columns) logits")
        let smooth = Float(labelSmoothing / Double(logits.columns))
        let sharp = Float(1 - labelSmoothing)
        eachRowOfLogits(logits, gradient) { row, shifted in
            let q = targets.base + row * targets.stride
            let maximum = shifted.maximum
            @inline(__always) func target(_ index: Int, _ count: Int) -> Vector {
                Vector.load(q + index, count: count) * sharp
            }
            @inline(__always) func product(_ index: Int, _ count: Int) -> Vector {
                (target(index, count) + smooth) * (Vector.load(shifted.logits + index, count: count) - maximum)
            }
            let mass = sumVectors(count: logits.columns, target) + Float(labelSmoothing)
            losses[row] = shifted.logSum * Double(mass) - Double(sumVectors(count: logits.columns, product))
            guard let gradient = shifted.exponentials else { return }
            let scale = shifted.scale * mass
            mapVectors(gradient, q, into: gradient, count: logits.columns) { p, q in p * scale - (q * sharp + smooth) }
        }
    }

    /// Cross entropy of rows of logits against one class per row, with a weight for each class: `losses[row]` = Σₖ tₖ·(log Z − xₖ)
    /// with tₖ = wₖ·((1 − s)·[k is the class] + s/classes), and, where asked for, the gradient of their sum. A row of the
    /// ignored class has neither.
    ///
    /// - Parameter weights: one for each class; nil: all are 1.
    package func weightedCrossEntropy(
        _ logits: MatrixView, _ classes: ClassView, weights: UnsafePointer<Float>?,
        ignoredClass: Int?, labelSmoothing: Double,
        losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?
    ) {
        precondition(
            classes.count == logits.rows && losses.count == logits.rows,
            "\(classes.count) classes and "
                + "\(losses.count) losses for \(logits.rows) rows")
        let smooth = Float(labelSmoothing / Double(logits.columns))
        let sharp = Float(1 - labelSmoothing)
        let columns = logits.columns
        @inline(__always) func weight(_ index: Int, _ count: Int) -> Vector {
            weights.map { Vector.load($0 + index, count: count) } ?? Vector(repeating: 1)
        }
        let total = sumVectors(count: columns, weight)
        eachRowOfLogits(logits, gradient) { row, shifted in
            let index = classes[row]
            precondition(index >= 0 && index < columns, "class \(index) of \(columns)")
            guard index != ignoredClass else {
                losses[row] = 0
                shifted.exponentials?.update(repeating: 0, count: columns)
                return
            }
            let maximum = shifted.maximum
            let own = (weights?[index] ?? 1) * sharp
            let mass = own + smooth * total
            @inline(__always) func distance(_ index: Int, _ count: Int) -> Vector {
                weight(index, count) * (Vector.load(shifted.logits + index, count: count) - maximum)
            }
            var loss = shifted.logSum * Double(mass) - Double(own) * (Double(shifted.logits[index]) - Double(maximum))
            if smooth > 0 { loss -= Double(smooth) * Double(sumVectors(count: columns, distance)) }
            losses[row] = loss
            guard let gradient = shifted.exponentials else { return }
            let scale = shifted.scale * mass
            eachVector(columns) { index, count in
                let target = weight(index, count) * smooth
                (Vector.load(gradient + index, count: count) * scale - target).store(to: gradient + index, count: count)
            }
            gradient[index] -= own
        }
    }

    /// Likewise against rows of class probabilities q: tₖ = wₖ·((1 − s)·qₖ + s/classes).
    package func weightedCrossEntropy(
        _ logits: MatrixView, _ targets: MatrixView, weights: UnsafePointer<Float>?,
        labelSmoothing: Double, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?
    ) {
        precondition(
            targets.hasShape(of: logits) && losses.count == logits.rows,
            "\(targets.rows)×\(targets.columns) targets and \(losses.count) losses for "
                + "\(logits.rows)×\(logits.columns) logits")
        let smooth = Float(labelSmoothing / Double(logits.columns))
        let sharp = Float(1 - labelSmoothing)
        let columns = logits.columns
        eachRowOfLogits(logits, gradient) { row, shifted in
            let q = targets.base + row * targets.stride
            let maximum = shifted.maximum
            // Nothing behind the end: a weight there is 0, or 1 where there are none.
            @inline(__always) func target(_ index: Int, _ count: Int) -> Vector {
                let weight = weights.map { Vector.load($0 + index, count: count) } ?? Vector(repeating: 1)
                return weight * (Vector.load(q + index, count: count) * sharp + smooth)
            }
            @inline(__always) func product(_ index: Int, _ count: Int) -> Vector {
                target(index, count) * (Vector.load(shifted.logits + index, count: count) - maximum)
            }
            let mass = sumVectors(count: columns, target)
            losses[row] = shifted.logSum * Double(mass) - Double(sumVectors(count: columns, product))
            guard let gradient = shifted.exponentials else { return }
            let scale = shifted.scale * mass
            eachVector(columns) { index, count in
                (Vector.load(gradient + index, count: count) * scale - target(index, count))
                    .store(to: gradient + index, count: count)
            }
        }
    }

    /// Applies `body` to each row.
    @inline(__always)
    private func eachRowOfLogits(
        _ logits: MatrixView, _ gradient: MutableMatrixView?,
        _ body: (_ row: Int, _ shifted: ShiftedLogits) -> Void
    ) {
        precondition(gradient?.readOnly.hasShape(of: logits) ?? true, "a gradient of another shape than the logits")
        parallel(logits.rows) { _, rows in
            for row in rows {
                let x = logits.base + row * logits.stride
                let target = gradient.map { $0.base + row * $0.stride }
                let (maximum, sum) = shiftedExponentials(x, count: logits.columns, into: target)
                body(
                    row,
                    ShiftedLogits(
                        logits: x, exponentials: target, maximum: maximum, logSum: logarithm(Double(sum)),
                        scale: 1 / sum))
            }
        }
    }
}

/// A row of logits x shifted by their maximum. Losses are computed from shifted logits: far from 0, sums of the logits
/// themselves would lose the digits that count.
private struct ShiftedLogits {
    let logits: UnsafePointer<Float>
    /// e^(x − max x), in the gradient, where there is one.
    let exponentials: UnsafeMutablePointer<Float>?
    let maximum: Float
    /// log Σ e^(x − max x), and 1/Σ.
    let logSum: Double, scale: Float
}

/// e^(x − max x) into `target` where given; the maximum and the sum of the exponentials.
@inline(__always)
private func shiftedExponentials(
    _ x: UnsafePointer<Float>, count: Int,
    into target: UnsafeMutablePointer<Float>?
) -> (maximum: Float, sum: Float) {
    let maximum = highest(x, count: count)
    @inline(__always) func exponential(_ index: Int, _ width: Int) -> Vector {
        let e = (Vector.load(x + index, count: width) - maximum).exponential
        if let target { e.store(to: target + index, count: width) }
        return e
    }
    return (maximum, sumVectors(count: count, exponential))
}

/// The largest of `count` numbers; NaN where one is.
@inline(__always)
func highest(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var highest = Vector(repeating: x[0])
    let whole = count & ~7
    var index = 0
    while index < whole {
        highest = dtrain_larger(highest, .load(x + index))
        index &+= 8
    }
    if index < count {
        let rest = count &- index
        let last = dtrain_select(dtrain_first_lanes(rest), .load(x + index, count: rest), highest)
        highest = dtrain_larger(highest, last)
    }
    return dtrain_largest_lane(highest)
}

/// The sum of `count` elements that come in vectors, of the last one the lanes that count: eight lane chains, then the
/// fixed horizontal sum. `vector` is marked @inline(__always), as for `mapVectors`.
@inline(__always)
private func sumVectors(count: Int, _ vector: (_ index: Int, _ count: Int) -> Vector) -> Float {
    var sum = Vector()
    let whole = count & ~7
    var index = 0
    while index < whole {
        sum += vector(index, 8)
        index &+= 8
    }
    // What a map makes of the padding must not enter.
    if index < count { sum += vector(index, count &- index).first(count &- index) }
    return sum.horizontalSum
}
