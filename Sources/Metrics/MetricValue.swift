/// A metric's name and what it came to.
package struct MetricValue: Sendable, Equatable {
    /// As in `metrics.jsonl`: `accuracy`, `f1_per_class`, …
    package let name: String
    package let content: Content

    package enum Content: Sendable, Equatable {
        /// A number; nil where it isn't defined (no rows, ROC AUC of one class) or not a number.
        case scalar(Double?)
        /// One number per class (or per output of several yes/no answers).
        case list([Double])
        /// Rows: the true class; columns: the predicted one.
        case matrix([[Double]])
    }

    package init(_ name: String, _ content: Content) {
        self.name = name
        self.content = content
    }

    /// The number of a scalar metric.
    package var scalar: Double? {
        if case .scalar(let value) = content { value } else { nil }
    }
}

/// A metric that is one number, so that it can be monitored and shown.
package struct ScalarMetric: Sendable, Equatable {
    package let name: String
    /// Whether a larger number is the better one.
    package let higherIsBetter: Bool
}
