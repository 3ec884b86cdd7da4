import Foundation
import Storage

extension Workspace {
    /// `output` = softmax of each row of `input`, shifted by the row's maximum.
    package func softmax(_ input: MatrixView, into output: MutableMatrixView) {
        precondition(input.rows == output.rows && input.columns == output.columns,
                     "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                let target = output.base + row * output.columns
                let (_, sum) = shiftedExponentials(input.base + row * input.columns, count: input.columns, into: target)
                let scale = 1 / sum
                mapVectors(target, into: target, count: input.columns) { $0 * scale }
            }
        }
    }

    /// `inputGradient` = y·(g − Σ g·y) for each row, with the softmax `output` y and `outputGradient` g.
    package func softmaxGradient(_ outputGradient: MatrixView, output: MatrixView, into inputGradient: MutableMatrixView) {
        precondition(outputGradient.count == output.count && output.count == inputGradient.count,
                     "\(outputGradient.count) gradients for \(output.count) elements into \(inputGradient.count)")
        parallel(output.rows) { _, rows in
            for row in rows {
                let g = outputGradient.base + row * output.columns, y = output.base + row * output.columns
                let dot = sumVectors(count: output.columns) { index, count in
                    count == 8 ? .load(g + index) * .load(y + index)
                        : .load(g + index, count: count) * .load(y + index, count: count)
                }
                mapVectors(g, y, into: inputGradient.base + row * output.columns, count: output.columns) { g, y in
                    y * (g - dot)
                }
            }
        }
    }

    /// Cross entropy of rows of logits against one class per row: `losses[row]` = (1 − s)·(log Z − x_c) +
    /// s·(log Z − mean x) with the label smoothing s, and, where asked for, the gradient of their sum.
    package func crossEntropy(_ logits: MatrixView, _ classes: ClassView, labelSmoothing: Double,
                              losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?) {
        precondition(classes.count == logits.rows && losses.count == logits.rows, "\(classes.count) classes and "
            + "\(losses.count) losses for \(logits.rows) rows")
        let smooth = Float(labelSmoothing / Double(logits.columns)), sharp = Float(1 - labelSmoothing)
        eachRowOfLogits(logits, gradient) { row, x, probabilities, maximum, logSum, probabilityScale in
            let index = classes[row]
            precondition(index >= 0 && index < logits.columns, "class \(index) of \(logits.columns)")
            var loss = logSum - (Double(x[index]) - Double(maximum))
            if labelSmoothing > 0 {
                let sum = sumVectors(count: logits.columns) { load(x, $0, $1) - maximum }
                loss = (1 - labelSmoothing) * loss + labelSmoothing * (logSum - Double(sum) / Double(logits.columns))
            }
            losses[row] = loss
            guard let probabilities else { return }
            mapVectors(probabilities, into: probabilities, count: logits.columns) { $0 * probabilityScale - smooth }
            probabilities[index] -= sharp
        }
    }

    /// Cross entropy of rows of logits against rows of class probabilities q: `losses[row]` = Σ q′·(log Z − x) with
    /// q′ = (1 − s)·q + s/classes, and, where asked for, the gradient of their sum.
    package func crossEntropy(_ logits: MatrixView, _ targets: MatrixView, labelSmoothing: Double,
                              losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?) {
        precondition(targets.count == logits.count && losses.count == logits.rows, "\(targets.count) targets and "
            + "\(losses.count) losses for \(logits.count) logits")
        let smooth = Float(labelSmoothing / Double(logits.columns)), sharp = Float(1 - labelSmoothing)
        eachRowOfLogits(logits, gradient) { row, x, probabilities, maximum, logSum, probabilityScale in
            let q = targets.base + row * targets.columns
            let mass = sumVectors(count: logits.columns) { load(q, $0, $1) * sharp } + Float(labelSmoothing)
            let dot = sumVectors(count: logits.columns) { index, count in
                let target = load(q, index, count) * sharp + smooth
                return target * (load(x, index, count) - maximum)
            }
            losses[row] = logSum * Double(mass) - Double(dot)
            guard let probabilities else { return }
            mapVectors(probabilities, q, into: probabilities, count: logits.columns) { p, q in
                p * (probabilityScale * mass) - (q * sharp + smooth)
            }
        }
    }

    /// For each row: the exponentials of the shifted logits (into the gradient where there is one), the maximum that
    /// they were shifted by, log Σ and 1/Σ. Losses are computed from shifted logits: far from 0, sums of the logits
    /// themselves would lose the digits that count.
    @inline(__always)
    private func eachRowOfLogits(
        _ logits: MatrixView, _ gradient: MutableMatrixView?,
        _ body: (_ row: Int, _ x: UnsafePointer<Float>, _ exponentials: UnsafeMutablePointer<Float>?,
                 _ maximum: Float, _ logSum: Double, _ scale: Float) -> Void
    ) {
        precondition(gradient?.count ?? logits.count == logits.count, "a gradient of another shape than the logits")
        parallel(logits.rows) { _, rows in
            for row in rows {
                let x = logits.base + row * logits.columns
                let target = gradient.map { $0.base + row * logits.columns }
                let (maximum, sum) = shiftedExponentials(x, count: logits.columns, into: target)
                body(row, x, target, maximum, log(Double(sum)), 1 / sum)
            }
        }
    }
}

/// e^(x − max x) into `target` where given; the maximum and the sum of the exponentials.
@inline(__always)
private func shiftedExponentials(_ x: UnsafePointer<Float>, count: Int,
                                 into target: UnsafeMutablePointer<Float>?) -> (maximum: Float, sum: Float) {
    var highest = x[0]
    for index in 1..<max(count, 1) { highest = x[index] > highest || x[index] != x[index] ? x[index] : highest }
    let maximum = highest
    let sum = sumVectors(count: count) { index, width in
        let e = (load(x, index, width) - maximum).exponential
        if let target {
            if width == 8 { e.store(to: target + index) } else { e.store(to: target + index, count: width) }
        }
        return width == 8 ? e : e.replacing(with: 0, where: laneNumbers .>= Int32(width))
    }
    return (maximum, sum)
}

private let laneNumbers = SIMD8<Int32>(0, 1, 2, 3, 4, 5, 6, 7)

@inline(__always)
private func load(_ pointer: UnsafePointer<Float>, _ index: Int, _ count: Int) -> Vector {
    count == 8 ? .load(pointer + index) : .load(pointer + index, count: count)
}

/// The sum of `count` elements that come in vectors (the last one of fewer, its other lanes zero): eight lane chains,
/// then the fixed horizontal sum.
@inline(__always)
private func sumVectors(count: Int, _ vector: (_ index: Int, _ count: Int) -> Vector) -> Float {
    var sum = Vector()
    let whole = count & ~7
    var index = 0
    while index < whole {
        sum += vector(index, 8)
        index &+= 8
    }
    if index < count {
        // What a map makes of the padding must not enter.
        let last = vector(index, count - index)
        sum += last.replacing(with: 0, where: laneNumbers .>= Int32(count - index))
    }
    return sum.horizontalSum
}
