import Foundation
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
            for row in rows {
                let start = row * outputs.columns
                var sum = 0.0
                for index in start..<start + outputs.columns {
                    let (value, slope) = lossAndSlope(loss, outputs.base[index], targets.base[index])
                    sum += value
                    gradient?.base[index] = slope
                }
                losses[row] = sum
            }
        }
    }
}

@inline(__always)
private func lossAndSlope(_ loss: ElementLoss, _ x: Float, _ t: Float) -> (value: Double, slope: Float) {
    let error = Double(x) - Double(t)
    switch loss {
    case .squaredError: return (error * error, Float(2 * error))
    case .absoluteError: return (abs(error), error > 0 ? 1 : error < 0 ? -1 : Float(error))
    case .huber(let delta):
        let size = abs(error)
        return size <= delta
            ? (0.5 * error * error, Float(error))
            : (delta * (size - 0.5 * delta), Float(error > 0 ? delta : error < 0 ? -delta : error))
    case .binaryCrossEntropy:
        let x = Double(x)
        let t = Double(t)
        let e = exp(-abs(x))
        let sigmoid = (x >= 0 ? 1 : e) / (1 + e)
        return (max(x, 0) - x * t + log1p(e), Float(sigmoid - t))
    case .weightedBinaryCrossEntropy(let weight):
        let x = Double(x)
        let t = Double(t)
        let factor = 1 + (weight - 1) * t
        let e = exp(-abs(x))
        let opposite = (x >= 0 ? e : 1) / (1 + e)
        return ((1 - t) * x + factor * (max(-x, 0) + log1p(e)), Float(1 - t - factor * opposite))
    }
}
