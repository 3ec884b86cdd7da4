import Settings
import Storage

/// A metric beside dtrain's own, of a program that adds it to the catalogue: one number, made of Doubles that are summed over
/// micro-batches and ranks. (dtrain's own share their sums; see `MetricSet`.)
package protocol AddedMetric: Sendable {
    /// The name in a configuration and in `metrics.jsonl`.
    static var kind: String { get }

    /// Reads its options. Throws 78 where it doesn't fit the task.
    init(options: Settings, task: LearningTask) throws

    /// How many Doubles it sums. They start at zero.
    var statisticsCount: Int { get }

    /// Whether a larger number is the better one.
    var higherIsBetter: Bool { get }

    /// Adds rows of a micro-batch to `statistics`, in order, without allocating: all of them, or where the loss ignores a class
    /// those of the others, as many at once as follow each other.
    func accumulate(outputs: MatrixView, targets: TargetView, into statistics: UnsafeMutableBufferPointer<Double>)

    /// What the sums over `rows` rows come to; NaN where that isn't defined.
    func value(_ statistics: UnsafeBufferPointer<Double>, rows: Double) -> Double
}

/// The metrics that a configuration can name beside dtrain's own.
package typealias MetricChoices = Choices<any AddedMetric.Type>

extension Choices where Choice == any AddedMetric.Type {
    package static var none: MetricChoices { MetricChoices("metric", []) }
}
