/// What the outputs of a network mean, as its loss tells: which metrics make sense, and how a row is judged.
package enum LearningTask: Sendable, Equatable {
    /// One class per row; the outputs are logits, one per class. Targets are class indices, or rows of class
    /// probabilities (one-hot or soft) whose largest entry counts.
    case classification(classes: Int)
    /// Independent yes/no answers; the outputs are their logits. Targets are 0/1 numbers (above 0.5 is yes), or class
    /// indices 0 and 1 where there is one output.
    case binary(outputs: Int)
    /// Numbers.
    case regression(outputs: Int)

    /// How many columns the outputs have.
    package var outputs: Int {
        switch self {
        case .classification(let count), .binary(let count), .regression(let count): count
        }
    }

    /// How messages call it.
    var name: String {
        switch self {
        case .classification: "classification"
        case .binary: "yes/no answers"
        case .regression: "regression"
        }
    }
}
