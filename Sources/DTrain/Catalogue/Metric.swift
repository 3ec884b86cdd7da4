import Metrics
import Settings
import Storage

/// A metric of your own: one number, made of sums over samples.
public protocol Metric: Sendable {
    /// Its name in a configuration and in `metrics.jsonl`: lowercase letters, digits and `_`.
    static var kind: String { get }

    /// Reads its options. Throws where it doesn't fit the task.
    init(options: Options, task: LearningTask) throws

    /// How many numbers it sums.
    var sumCount: Int { get }

    /// Whether a larger value is the better one.
    var higherIsBetter: Bool { get }

    /// Adds what a sample, or a position of it where targets are at positions, contributes. The sums begin with zeros.
    ///
    /// - Parameters:
    ///   - outputs: of the network, in front of softmax or sigmoid.
    ///   - target: what they should have been.
    ///   - sums: `sumCount` numbers, of this micro-batch.
    func add(_ outputs: Row, target: Target, to sums: Sums)

    /// What the sums over `count` samples, or positions, come to; NaN where that isn't defined.
    func value(_ sums: [Double], count: Double) -> Double
}

/// The sums of a metric.
public struct Sums {
    let numbers: UnsafeMutableBufferPointer<Double>

    /// One of them. Places outside of `sumCount` trap.
    public subscript(place: Int) -> Double {
        get {
            precondition(numbers.indices.contains(place), "sum \(place) of \(numbers.count)")
            return numbers[place]
        }
        nonmutating set {
            precondition(numbers.indices.contains(place), "sum \(place) of \(numbers.count)")
            numbers[place] = newValue
        }
    }
}

/// What outputs mean, as the loss tells.
public enum LearningTask: Sendable {
    /// One of so many classes; outputs are their logits.
    case classification(classes: Int)
    /// So many answers of yes or no; outputs are their logits.
    case binary(outputs: Int)
    /// So many numbers.
    case regression(outputs: Int)

    init(_ task: Metrics.LearningTask) {
        self =
            switch task {
            case .classification(let classes): .classification(classes: classes)
            case .binary(let outputs): .binary(outputs: outputs)
            case .regression(let outputs): .regression(outputs: outputs)
            }
    }
}

/// A metric of a program's own, as training calls it.
struct OwnMetric<Own: Metric>: AddedMetric {
    static var kind: String { Own.kind }

    let statisticsCount: Int
    private let own: Own

    init(options: Settings, task: Metrics.LearningTask) throws {
        own = try forDtrain {
            try Own(options: Options(options), task: LearningTask(task))
        } else: {
            options.failure($0)
        }
        statisticsCount = own.sumCount
        guard (1...1 << 20).contains(statisticsCount) else {
            throw options.failure("\(Own.self).sumCount: expected 1 to \(1 << 20), found \(statisticsCount)")
        }
    }

    var higherIsBetter: Bool { own.higherIsBetter }

    func accumulate(outputs: MatrixView, targets: TargetView, into statistics: UnsafeMutableBufferPointer<Double>) {
        let rows = Rows(outputs)
        let sums = Sums(numbers: statistics)
        for row in 0..<rows.count { own.add(rows[row], target: targets.target(row), to: sums) }
    }

    func value(_ statistics: UnsafeBufferPointer<Double>, rows: Double) -> Double { own.value(Array(statistics), count: rows) }
}
