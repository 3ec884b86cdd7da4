import Diagnostics
import Settings
import Storage

/// The metrics of a run, computed from additive statistics: Doubles (mostly counts) that are summed over micro-batches
/// and ranks in whatever fixed tree the caller has, and turned into values at the end. So a value doesn't depend on how
/// the rows were spread.
///
/// `MetricSet+Accumulation.swift` adds rows to the statistics, `MetricSet+Values.swift` makes values of them.
package struct MetricSet: Sendable {
    package let task: LearningTask
    /// How many Doubles the statistics are. They start at zero.
    package let statisticsCount: Int
    /// The metrics that are one number, in the order of the configuration.
    package let scalars: [ScalarMetric]

    let metrics: [Metric]
    let layout: Layout
    /// Nil where outputs are no logits of classes.
    let likelihoods: Likelihoods?
    /// The metrics that a program of one's own has added, in the order in which `Metric.added` counts them.
    let added: [any AddedMetric]

    /// Larger confusion matrices are refused: a matrix is summed per micro-batch and nobody reads it.
    static let largestConfusionMatrix = 1024

    enum Metric: Sendable, Equatable {
        case accuracy
        case topK(Int)
        case precision
        case recall
        case f1
        case confusionMatrix
        case rocAUC
        case meanSquaredError
        case meanAbsoluteError
        case rSquared
        case perplexity
        case bitsPerByte
        case added(Int, name: String, higherIsBetter: Bool)

        /// The name in `metrics.jsonl`.
        var name: String {
            switch self {
            case .accuracy: "accuracy"
            case .topK(let k): "top_\(k)_accuracy"
            case .precision: "precision"
            case .recall: "recall"
            case .f1: "f1"
            case .confusionMatrix: "confusion_matrix"
            case .rocAUC: "roc_auc"
            case .meanSquaredError: "mean_squared_error"
            case .meanAbsoluteError: "mean_absolute_error"
            case .rSquared: "r2"
            case .perplexity: "perplexity"
            case .bitsPerByte: "bits_per_byte"
            case .added(_, let name, _): name
            }
        }

        var isScalar: Bool { self != .confusionMatrix }
        var higherIsBetter: Bool {
            if case .added(_, _, let higherIsBetter) = self { return higherIsBetter }
            return ![.meanSquaredError, .meanAbsoluteError, .perplexity, .bitsPerByte].contains(self)
        }
    }

    /// Where each group of statistics begins; nil where no metric needs it. The row count is always at 0.
    struct Layout: Sendable {
        /// Classification: rows whose class is right. Yes/no: answers that are right.
        var correct: Int?
        /// Rows whose class is among the k largest outputs, for each top-k metric.
        var topK: [(k: Int, start: Int)] = []
        /// Three per class or yes/no output: true positives, predicted, actual.
        var perClass: Int?
        /// Row by row, the true class first. Yes/no: no before yes.
        var confusion: Int?
        /// Six per output; see `RegressionSum`.
        var regression: Int?
        /// Three; see `LikelihoodSum`.
        var likelihood: Int?
        /// Those of each added metric.
        var added: [Range<Int>] = []
        var count = 1
    }

    /// Reads `metrics: [accuracy, {top_k: {k: 5}}, …]`; without it `accuracy`, or for regression `mean_absolute_error`
    /// and `r2`. Throws 78 for a name that isn't known or doesn't fit the task.
    ///
    /// - Parameters:
    ///   - likelihoods: where rows have a cross entropy with the logits of classes, what its metrics need to know.
    ///   - choices: metrics beside dtrain's own.
    package init(
        _ variants: [Settings.Variant]?, task: LearningTask, likelihoods: Likelihoods? = nil, choices: MetricChoices = .none
    ) throws {
        precondition(task.outputs >= 1, "metrics of \(task.outputs) outputs")
        self.task = task
        self.likelihoods = likelihoods
        guard let variants else {
            switch task {
            case .classification, .binary: metrics = [.accuracy]
            case .regression: metrics = [.meanAbsoluteError, .rSquared]
            }
            added = []
            layout = Self.layout(of: metrics, added: added, task: task)
            statisticsCount = layout.count
            scalars = Self.scalars(of: metrics)
            return
        }
        var metrics: [Metric] = []
        var added: [any AddedMetric] = []
        for variant in variants {
            let metric: Metric
            if choices.names.contains(variant.name) {
                let new = try choices.choice(for: variant).init(options: variant.options, task: task)
                metric = .added(added.count, name: variant.name, higherIsBetter: new.higherIsBetter)
                added.append(new)
            } else {
                metric = try Self.metric(variant, task: task, likelihoods: likelihoods, others: choices.names)
            }
            guard !metrics.contains(where: { $0.name == metric.name }) else {
                throw variant.options.failure("the metric \(metric.name) is listed twice; remove one")
            }
            metrics.append(metric)
        }
        self.metrics = metrics
        self.added = added
        layout = Self.layout(of: metrics, added: added, task: task)
        statisticsCount = layout.count
        scalars = Self.scalars(of: metrics)
    }

    /// The names of `scalars`.
    package var names: [String] { scalars.map(\.name) }

    /// Whether `values` needs every (score, label) pair as well (ROC AUC).
    package var needsScores: Bool { metrics.contains(.rocAUC) }

    /// Whether `accumulate` needs the rows' cross entropies as well.
    package var needsCrossEntropies: Bool { layout.likelihood != nil }

    // MARK: - Configuration

    package static let allNames = [
        "accuracy", "top_k", "precision", "recall", "f1", "confusion_matrix", "roc_auc",
        "mean_squared_error", "mean_absolute_error", "r2", "perplexity", "bits_per_byte"
    ]

    /// The names that make sense for a task.
    private static func names(for task: LearningTask, _ likelihoods: Likelihoods?) -> [String] {
        switch task {
        case .classification(let classes):
            ["accuracy", "top_k", "precision", "recall", "f1", "confusion_matrix"] + (classes == 2 ? ["roc_auc"] : [])
                + (likelihoods == nil ? [] : ["perplexity"]) + (likelihoods?.byteCounts == nil ? [] : ["bits_per_byte"])
        case .binary(let outputs):
            ["accuracy", "precision", "recall", "f1"] + (outputs == 1 ? ["confusion_matrix", "roc_auc"] : [])
        case .regression:
            ["mean_squared_error", "mean_absolute_error", "r2"]
        }
    }

    private static func metric(
        _ variant: Settings.Variant, task: LearningTask, likelihoods: Likelihoods?, others: [String]
    ) throws -> Metric {
        let fitting = names(for: task, likelihoods)
        let name = ["mse": "mean_squared_error", "mae": "mean_absolute_error"][variant.name] ?? variant.name
        guard allNames.contains(name) else { throw variant.unknown("metric", known: fitting + others) }
        guard fitting.contains(name) else {
            if name == "bits_per_byte", likelihoods != nil {
                throw variant.options.failure(
                    "the metric bits_per_byte needs classes that are tokens of a text, and a tokenizer where they aren't characters or "
                        + "bytes (data.format: text, or data.tokenizer); use perplexity")
            }
            let count = "\(task.outputs) \(task.outputs == 1 ? "output" : "outputs")"
            throw variant.options.failure(
                "the metric \(variant.name) doesn't fit \(task.name) with \(count), which "
                    + "the loss asks for; expected \(fitting.joined(separator: ", "))")
        }
        switch name {
        case "accuracy": return .accuracy
        case "top_k": return .topK(try variant.options.int("k", default: min(5, task.outputs), in: 1...task.outputs))
        case "precision": return .precision
        case "recall": return .recall
        case "f1": return .f1
        case "confusion_matrix":
            guard task.outputs <= largestConfusionMatrix else {
                throw variant.options.failure(
                    "a confusion matrix of \(task.outputs) classes is larger than the "
                        + "\(largestConfusionMatrix) that are kept; use f1, which is also reported per class")
            }
            return .confusionMatrix
        case "roc_auc": return .rocAUC
        case "mean_squared_error": return .meanSquaredError
        case "mean_absolute_error": return .meanAbsoluteError
        case "perplexity": return .perplexity
        case "bits_per_byte": return .bitsPerByte
        default: return .rSquared
        }
    }

    private static func layout(of metrics: [Metric], added: [any AddedMetric], task: LearningTask) -> Layout {
        var layout = Layout()
        func reserve(_ count: Int) -> Int {
            defer { layout.count += count }
            return layout.count
        }
        if metrics.contains(.accuracy) { layout.correct = reserve(1) }
        for case .topK(let k) in metrics { layout.topK.append((k, reserve(1))) }
        if metrics.contains(where: { [.precision, .recall, .f1].contains($0) }) {
            layout.perClass = reserve(3 * task.outputs)
        }
        if metrics.contains(.confusionMatrix) {
            let classes = if case .binary = task { 2 } else { task.outputs }
            layout.confusion = reserve(classes * classes)
        }
        if case .regression(let outputs) = task { layout.regression = reserve(RegressionSum.count * outputs) }
        if metrics.contains(where: { [.perplexity, .bitsPerByte].contains($0) }) {
            layout.likelihood = reserve(LikelihoodSum.count)
        }
        for metric in added {
            let first = reserve(metric.statisticsCount)
            layout.added.append(first..<layout.count)
        }
        return layout
    }

    private static func scalars(of metrics: [Metric]) -> [ScalarMetric] {
        metrics.filter(\.isScalar).map { ScalarMetric(name: $0.name, higherIsBetter: $0.higherIsBetter) }
    }
}

/// The statistics of one regression output, in this order. ŷ is the output and y the target.
///
/// Σy and Σy² carry what their additions rounded off in a second Double (Knuth's two-sum), because R² subtracts them
/// from each other. What is left is the rounding of the caller's own additions: with sums over L levels of a tree, the
/// variation Σy² − (Σy)²/n has an error of at most (L + 4)·2⁻⁵³·Σy².
enum RegressionSum {
    static let squaredError = 0, absoluteError = 1
    static let target = 2, targetRest = 3
    static let squaredTarget = 4, squaredTargetRest = 5
    static let count = 6
}
