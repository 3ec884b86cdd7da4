import Storage

/// What the sum of losses is divided by to make PyTorch's `mean`: what each row of outputs adds.
package enum LossDivisor: Sendable, Equatable {
    /// The same for every row: 1, or the number of outputs.
    case perRow(Int)
    /// The weight of the row's class; 0 where the class is ignored.
    case byClass([Double])
    /// What another one says, times the weight of the row's sample.
    indirect case bySample(LossDivisor)

    /// Of so many rows, whatever their targets are; nil where it depends on them.
    package func sum(rows: Int) -> Double? {
        if case .perRow(let count) = self { Double(rows * count) } else { nil }
    }

    /// Of all rows of `targets`, in order.
    ///
    /// - Parameter weights: of the rows' samples; as many rows in turn belong to each of them. Nil where they have none.
    package func sum(_ targets: TargetView, weights: UnsafeBufferPointer<Float>? = nil) -> Double {
        switch (self, targets) {
        case (.bySample(let each), _):
            guard let weights, !weights.isEmpty else { preconditionFailure("weights of samples that have none") }
            let rows = targets.rows / weights.count
            var sum = 0.0
            for sample in weights.indices {
                sum += Double(weights[sample]) * each.sum(targets[rows: sample * rows..<(sample + 1) * rows])
            }
            return sum
        case (.perRow(let count), _): return Double(targets.rows * count)
        case (.byClass(let weights), .classes(let classes)):
            var sum = 0.0
            for row in 0..<classes.count { sum += weights[classes[row]] }
            return sum
        case (.byClass, .values): preconditionFailure("weights of classes for targets that are numbers")
        }
    }
}
