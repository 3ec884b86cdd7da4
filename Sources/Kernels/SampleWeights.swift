import Storage

extension Workspace {
    /// Multiplies the losses of each sample's rows, and the gradient of their sum where there is one, by the sample's weight.
    /// What weighs 0 has the loss 0 and no gradient, whatever they were.
    ///
    /// - Parameter weights: of the samples; as many rows in turn belong to each of them.
    package func weigh(
        _ losses: UnsafeMutableBufferPointer<Double>, gradient: MutableMatrixView?,
        by weights: UnsafeBufferPointer<Float>
    ) {
        precondition(
            !weights.isEmpty && losses.count % weights.count == 0 && gradient?.rows ?? losses.count == losses.count,
            "\(weights.count) weights for \(losses.count) losses and \(gradient?.rows ?? 0) rows of gradients")
        let rowsEach = losses.count / weights.count
        parallel(losses.count) { _, rows in
            for row in rows {
                let weight = weights[row / rowsEach]
                losses[row] = weight == 0 ? 0 : losses[row] * Double(weight)
                guard let gradient else { continue }
                if weight == 0 {
                    gradient.row(row).update(repeating: 0)
                } else if weight != 1 {
                    let numbers = gradient.base + row * gradient.stride
                    let factor = Vector(repeating: weight)
                    mapVectors(numbers, into: numbers, count: gradient.columns) { $0 * factor }
                }
            }
        }
    }
}
