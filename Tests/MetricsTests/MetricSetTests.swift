import Diagnostics
import Metrics
import Settings
import Storage
import Testing

/// The metrics of a configuration text.
func metricSet(_ yaml: String?, _ task: LearningTask, _ likelihoods: Likelihoods? = nil) throws -> MetricSet {
    guard let yaml else { return try MetricSet(nil, task: task, likelihoods: likelihoods) }
    let root = try SettingsDocument(text: "metrics: \(yaml)", name: "test.yaml").root
    let set = try MetricSet(try root.optionalVariants("metrics"), task: task, likelihoods: likelihoods)
    try root.finish()
    return set
}

/// Targets as literals.
enum Targets {
    case classes([Int32])
    case values([Float])
}

/// The statistics of rows given flat, added to `statistics` in pieces of `piece` rows.
func accumulate(
    _ set: MetricSet, _ outputs: [Float], _ targets: Targets, piece: Int = .max,
    into statistics: inout [Double]
) {
    let columns = set.task.outputs
    let rows = outputs.count / columns
    outputs.withUnsafeBufferPointer { outputs in
        guard let base = outputs.baseAddress else { return }
        let matrix = MatrixView(base: base, rows: rows, columns: columns)
        withView(of: targets, rows: rows) { view in
            var start = 0
            while start < rows {
                let range = start..<(piece < rows - start ? start + piece : rows)
                statistics.withUnsafeMutableBufferPointer {
                    set.accumulate(outputs: matrix[rows: range], targets: view[rows: range], into: $0)
                }
                start = range.upperBound
            }
        }
    }
}

func withView(of targets: Targets, rows: Int, _ body: (TargetView) -> Void) {
    switch targets {
    case .classes(let classes):
        classes.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { body(.classes(ClassView(base: $0, count: rows))) }
        }
    case .values(let values):
        values.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { body(.values(MatrixView(base: $0, rows: rows, columns: values.count / rows))) }
        }
    }
}

/// All values of some rows, by name.
func evaluate(
    _ yaml: String?, _ task: LearningTask, _ outputs: [Float], _ targets: Targets,
    scores: [ScoredLabel]? = nil
) throws -> [String: MetricValue.Content] {
    let set = try metricSet(yaml, task)
    var statistics = [Double](repeating: 0, count: set.statisticsCount)
    accumulate(set, outputs, targets, into: &statistics)
    return Dictionary(uniqueKeysWithValues: set.values(statistics, scores: scores).map { ($0.name, $0.content) })
}

@Suite("Metrics of classes")
struct ClassificationTests {
    /// Six rows; predicted 0, 1, 1, 2, 0, 2 by their largest logit.
    static let logits: [Float] = [3, 1, 0] + [0, 2, 1] + [1, 5, 2] + [0, 1, 4] + [2, 1, 0] + [-3, -2, -1]
    static let classes: [Int32] = [0, 1, 0, 2, 1, 2]

    @Test("accuracy, top-k and the confusion matrix count what a hand counts")
    func counts() throws {
        let values = try evaluate(
            "[accuracy, {top_k: {k: 2}}, confusion_matrix]", .classification(classes: 3),
            Self.logits, .classes(Self.classes))
        #expect(values["accuracy"] == .scalar(4.0 / 6))
        // Row 2 has its class 0 last; row 4 has its class 1 second.
        #expect(values["top_2_accuracy"] == .scalar(5.0 / 6))
        #expect(values["confusion_matrix"] == .matrix([[1, 1, 0], [1, 1, 0], [0, 0, 2]]))
    }

    @Test("precision, recall and F1 come per class and as their mean")
    func perClass() throws {
        let values = try evaluate(
            "[precision, recall, f1]", .classification(classes: 3), Self.logits,
            .classes(Self.classes))
        #expect(values["precision_per_class"] == .list([0.5, 0.5, 1]))
        #expect(values["recall_per_class"] == .list([0.5, 0.5, 1]))
        #expect(values["f1_per_class"] == .list([0.5, 0.5, 1]))
        #expect(values["f1"] == .scalar(2.0 / 3))
    }

    @Test("precision and recall are told apart; no denominator gives 0; absent classes don't lower the mean")
    func zeroDivision() throws {
        // True 0, 0, 1, 1; predicted 0, 0, 0, 2; class 3 never occurs.
        let values = try evaluate(
            "[precision, recall, f1]", .classification(classes: 4),
            [9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 9, 0], .classes([0, 0, 1, 1]))
        #expect(values["precision_per_class"] == .list([2.0 / 3, 0, 0, 0]))
        #expect(values["recall_per_class"] == .list([1, 0, 0, 0]))
        #expect(values["f1_per_class"] == .list([0.8, 0, 0, 0]))
        #expect(values["precision"] == .scalar(2.0 / 9))
        #expect(values["recall"] == .scalar(1.0 / 3))
    }

    @Test("ties go to the lowest index, in accuracy and in top-k")
    func ties() throws {
        let values = try evaluate(
            "[accuracy, {top_k: {k: 2}}]", .classification(classes: 3),
            [1, 1, 1, 1, 1, 1, 1, 1, 1], .classes([0, 0, 2]))
        #expect(values["accuracy"] == .scalar(2.0 / 3))
        #expect(values["top_2_accuracy"] == .scalar(2.0 / 3))
    }

    @Test("a row with NaN is wrong, whichever class it has, and stands in no column of the confusion matrix")
    func notANumber() throws {
        let values = try evaluate(
            "[accuracy, {top_k: {k: 2}}, precision, confusion_matrix]",
            .classification(classes: 2), [.nan, 0, 0, .nan, 1, 0], .classes([0, 0, 0]))
        #expect(values["accuracy"] == .scalar(1.0 / 3))
        #expect(values["top_2_accuracy"] == .scalar(1.0 / 3))
        #expect(values["confusion_matrix"] == .matrix([[1, 0], [0, 0]]))
        #expect(values["precision_per_class"] == .list([1, 0]))
    }

    @Test("one-hot and soft targets count by their largest entry")
    func softTargets() throws {
        let values = try evaluate(
            nil, .classification(classes: 3), [0, 5, 1, 7, 0, 0],
            .values([0, 1, 0, 0.2, 0.5, 0.3]))
        #expect(values["accuracy"] == .scalar(0.5))
    }

    @Test("statistics of parts add up to those of the whole")
    func additive() throws {
        let set = try metricSet("[accuracy, top_k, f1, confusion_matrix]", .classification(classes: 3))
        var whole = [Double](repeating: 0, count: set.statisticsCount)
        accumulate(set, Self.logits, .classes(Self.classes), into: &whole)
        for piece in 1...5 {
            var parts = [Double](repeating: 0, count: set.statisticsCount)
            accumulate(set, Self.logits, .classes(Self.classes), piece: piece, into: &parts)
            #expect(parts == whole, "pieces of \(piece)")
        }
        #expect(whole[0] == 6)
    }

    @Test("scalar values come in the order of the names, without a number for what isn't defined")
    func scalarValues() throws {
        let set = try metricSet("[roc_auc, confusion_matrix, accuracy]", .classification(classes: 2))
        #expect(set.names == ["roc_auc", "accuracy"])
        var statistics = [Double](repeating: 0, count: set.statisticsCount)
        accumulate(set, [1, 0, 1, 0], .classes([0, 1]), into: &statistics)
        var scalars: [Double] = [5, 5]
        statistics.withUnsafeBufferPointer { statistics in
            scalars.withUnsafeMutableBufferPointer { set.scalarValues(statistics, into: $0) }
        }
        #expect(scalars[0].isNaN && scalars[1] == 0.5)
    }

    @Test("without rows nothing is defined")
    func empty() throws {
        let set = try metricSet("[accuracy, f1]", .classification(classes: 2))
        let values = set.values([Double](repeating: 0, count: set.statisticsCount))
        #expect(values.filter { $0.name == "accuracy" || $0.name == "f1" }.allSatisfy { $0.scalar == nil })
    }
}

@Suite("Metrics of yes/no answers")
struct BinaryTests {
    @Test("with one output, precision, recall and F1 are those of the positive class")
    func positiveClass() throws {
        // Says yes, yes, yes, no, no; true yes, no, yes, yes, no. A logit of 0 is a no.
        let logits: [Float] = [2, 0.5, 1, 0, -1]
        for targets in [Targets.values([1, 0, 1, 1, 0]), .classes([1, 0, 1, 1, 0])] {
            let values = try evaluate(
                "[accuracy, precision, recall, f1, confusion_matrix]", .binary(outputs: 1),
                logits, targets)
            #expect(values["accuracy"] == .scalar(0.6))
            #expect(values["precision"] == .scalar(2.0 / 3))
            #expect(values["recall"] == .scalar(2.0 / 3))
            #expect(values["f1"] == .scalar(2.0 / 3))
            #expect(values["confusion_matrix"] == .matrix([[1, 1], [1, 2]]))
            #expect(values["f1_per_class"] == nil)
        }
    }

    @Test("with several outputs, accuracy counts every answer and F1 is the mean over the outputs")
    func severalOutputs() throws {
        let values = try evaluate("[accuracy, recall]", .binary(outputs: 2), [1, -1, 1, -1], .values([1, 0, 0, 1]))
        #expect(values["accuracy"] == .scalar(0.5))
        #expect(values["recall"] == .scalar(0.5))
        #expect(values["recall_per_class"] == .list([1, 0]))
    }

    @Test("a NaN answer is wrong whatever the truth")
    func notANumber() throws {
        let values = try evaluate(nil, .binary(outputs: 1), [.nan, .nan, 1], .values([0, 1, 1]))
        #expect(values["accuracy"] == .scalar(1.0 / 3))
    }
}

@Suite("Metrics of numbers")
struct RegressionTests {
    @Test("errors and R² of one output agree with a hand")
    func oneOutput() throws {
        // Errors 0.5, -0.5, 0, -1; mean of y 2.875, variation 29.1875 (scikit-learn's example: R² 0.9486…).
        let values = try evaluate("[mse, mae, r2]", .regression(outputs: 1), [2.5, 0, 2, 8], .values([3, -0.5, 2, 7]))
        #expect(values["mean_squared_error"] == .scalar(0.375))
        #expect(values["mean_absolute_error"] == .scalar(0.5))
        #expect(values["r2"] == .scalar(1 - 1.5 / 29.1875))
    }

    @Test("several outputs are averaged")
    func severalOutputs() throws {
        // scikit-learn's example with its uniform average: outputs 0.9655… and 0.9082…
        let values = try evaluate(
            "[r2, mse]", .regression(outputs: 2), [0, 2, -1, 2, 8, -5],
            .values([0.5, 1, -1, 1, 7, -6]))
        let first = 1 - 1.25 / (50.25 - 6.5 * 6.5 / 3)
        let second = 1 - 3.0 / (38 - 16.0 / 3)
        guard case .scalar(let rSquared?)? = values["r2"] else {
            Issue.record("no R²")
            return
        }
        #expect((rSquared - (first + second) / 2).magnitude < 1e-15)
        #expect(values["mean_squared_error"] == .scalar(4.25 / 6))
    }

    @Test(
        "constant targets give 1 for a perfect prediction and else 0",
        arguments: [0.1, 3, 333_333.34, -1e-20, 0] as [Float])
    func constantTargets(value: Float) throws {
        let targets = [Float](repeating: value, count: 1001)
        let perfect = try evaluate("[r2]", .regression(outputs: 1), targets, .values(targets))
        #expect(perfect["r2"] == .scalar(1))
        let other = try evaluate("[r2]", .regression(outputs: 1), targets.map { $0 + 1 }, .values(targets))
        #expect(other["r2"] == .scalar(0))

        // Summed over pieces as ranks do, where the additions round.
        let set = try metricSet("[r2]", .regression(outputs: 1))
        var sum = [Double](repeating: 0, count: set.statisticsCount)
        for count in [1001, 3, 77, 500, 19] {
            var part = [Double](repeating: 0, count: set.statisticsCount)
            accumulate(set, targets.prefix(count).map { $0 + 1 }, .values(Array(targets.prefix(count))), into: &part)
            for index in sum.indices { sum[index] += part[index] }
        }
        #expect(set.values(sum).first?.scalar == 0)
    }

    @Test("R² keeps its digits where the targets are far from 0")
    func farFromZero() throws {
        // y alternates between 1e6 and 1e6 + 1, always 0.25 off: R² = 1 − 0.0625 / 0.25.
        let targets = (0..<10_000).map { Float(1_000_000 + $0 % 2) }
        let set = try metricSet(nil, .regression(outputs: 1))
        for piece in [7, 32, 10_000] {
            var statistics = [Double](repeating: 0, count: set.statisticsCount)
            accumulate(set, targets.map { $0 + 0.25 }, .values(targets), piece: piece, into: &statistics)
            let rSquared = try #require(set.values(statistics).last?.scalar)
            #expect((rSquared - 0.75).magnitude < 1e-7, "pieces of \(piece): \(rSquared)")
        }
    }

    @Test("one row has no R²")
    func oneRow() throws {
        let values = try evaluate("[r2, mae]", .regression(outputs: 1), [1], .values([3]))
        #expect(values["r2"] == .scalar(nil))
        #expect(values["mean_absolute_error"] == .scalar(2))
    }

    @Test("a NaN output leaves no error and no R²")
    func notANumber() throws {
        let values = try evaluate(nil, .regression(outputs: 1), [.nan, 1], .values([3, 4]))
        #expect(values["r2"] == .scalar(nil))
        #expect(values["mean_absolute_error"] == .scalar(nil))
    }
}
