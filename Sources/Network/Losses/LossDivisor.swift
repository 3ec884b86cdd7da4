import Storage

/// What the sum of losses is divided by to make PyTorch's `mean`: what each row of outputs adds.
package enum LossDivisor: Sendable, Equatable {
    /// The same for every row: 1, or the number of outputs.
    case perRow(Int)
    /// The weight of the row's class; 0 where the class is ignored.
    case byClass([Double])

    /// Of so many rows, whatever their targets are; nil where it depends on them.
    package func sum(rows: Int) -> Double? {
        if case .perRow(let count) = self { Double(rows * count) } else { nil }
    }

    /// Of all rows of `targets`, in order.
    package func sum(_ targets: TargetView) -> Double {
        switch (self, targets) {
        case (.perRow(let count), _): return Double(targets.rows * count)
        case (.byClass(let weights), .classes(let classes)):
            var sum = 0.0
            for row in 0..<classes.count { sum += weights[classes[row]] }
            return sum
        case (.byClass, .values): preconditionFailure("weights of classes for targets that are numbers")
        }
    }
}
