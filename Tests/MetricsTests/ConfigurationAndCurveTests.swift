import Diagnostics
import Metrics
import Settings
import Storage
import Testing

@Suite("Metrics in the configuration")
struct MetricConfigurationTests {
    @Test("what is monitored has a name and a direction")
    func directions() throws {
        #expect(try metricSet(nil, .classification(classes: 10)).names == ["accuracy"])
        let scalars = try metricSet(nil, .regression(outputs: 1)).scalars
        #expect(scalars.map(\.name) == ["mean_absolute_error", "r2"])
        #expect(scalars.map(\.higherIsBetter) == [false, true])
        #expect(try metricSet("[top_k]", .classification(classes: 3)).names == ["top_3_accuracy"])
        #expect(try metricSet("[top_k]", .classification(classes: 30)).names == ["top_5_accuracy"])
    }

    @Test(
        "a metric that doesn't fit the task, is unknown or stands twice is refused",
        arguments: [
            ("[r2]", LearningTask.classification(classes: 3), "doesn't fit classification with 3 outputs"),
            ("[roc_auc]", .classification(classes: 3), "expected accuracy, top_k, precision, recall, f1, confusion_matrix"),
            ("[accuracy]", .regression(outputs: 1), "expected mean_squared_error, mean_absolute_error, r2"),
            ("[top_k]", .binary(outputs: 1), "doesn't fit yes/no answers with 1 output"),
            ("[confusion_matrix]", .binary(outputs: 2), "doesn't fit yes/no answers with 2 outputs"),
            ("[acuracy]", .classification(classes: 3), "unknown metric \"acuracy\" (did you mean \"accuracy\"?)"),
            ("[mse, mean_squared_error]", .regression(outputs: 1), "mean_squared_error is listed twice"),
            ("[{top_k: {k: 4}}]", .classification(classes: 3), "expected a whole number, 1 to 3, found 4"),
            ("[{accuracy: {k: 4}}]", .classification(classes: 3), "unknown key \"k\""),
            ("[confusion_matrix]", .classification(classes: 1025), "larger than the 1024 that are kept")
        ])
    func refused(yaml: String, task: LearningTask, message: String) throws {
        let failure = #expect(throws: Failure.self) { try metricSet(yaml, task) }
        #expect(failure?.code == .badConfiguration)
        #expect(failure?.message.contains(message) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.hasPrefix("test.yaml:1: ") == true, "\(failure?.message ?? "")")
    }

    @Test("only ROC AUC needs the scores")
    func needsScores() throws {
        #expect(try metricSet("[accuracy, roc_auc]", .binary(outputs: 1)).needsScores)
        #expect(try !metricSet("[accuracy, f1]", .binary(outputs: 1)).needsScores)
    }
}

@Suite("The area under the ROC curve")
struct ROCTests {
    private func pairs(_ scores: [Double], _ labels: [Int]) -> [ScoredLabel] {
        zip(scores, labels).map { ScoredLabel(score: $0, isPositive: $1 == 1) }
    }

    @Test("the textbook example gives 0.75")
    func textbook() {
        #expect(areaUnderROCCurve(pairs([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])) == 0.75)
    }

    @Test("ties count half, and the order of the pairs doesn't matter")
    func ties() {
        let scores = [1.0, 1, 2, 2, 2, 3, -0.0, 0.0]
        let labels = [0, 1, 0, 1, 1, 1, 0, 1]
        // Every (positive, negative) pair by hand: 1 for above, 1/2 for equal.
        var expected = 0.0
        for (a, x) in zip(scores, labels) where x == 1 {
            for (b, y) in zip(scores, labels) where y == 0 { expected += a > b ? 1 : (a == b ? 0.5 : 0) }
        }
        expected /= 15
        var all = pairs(scores, labels)
        for _ in 0..<20 {
            #expect(areaUnderROCCurve(all) == expected)
            all.shuffle()
        }
    }

    @Test("one class alone, NaN or nothing has none")
    func undefined() {
        #expect(areaUnderROCCurve(pairs([1, 2], [1, 1])) == nil)
        #expect(areaUnderROCCurve(pairs([1, 2], [0, 0])) == nil)
        #expect(areaUnderROCCurve(pairs([.nan, 2], [0, 1])) == nil)
        #expect(areaUnderROCCurve([]) == nil)
    }

    @Test("infinite scores are ordered like others")
    func infinite() {
        #expect(areaUnderROCCurve(pairs([-.infinity, 0, .infinity], [0, 0, 1])) == 1)
    }

    @Test("scores are the logit, or with two classes the difference of the logits")
    func scores() throws {
        let outputs: [Float] = [1, 4, 2, -1]
        for (task, targets, expected) in [
            (LearningTask.classification(classes: 2), Targets.classes([1, 0]), [3.0, -3.0]),
            (.binary(outputs: 1), .values([1, 0, 1, 0]), [1, 4, 2, -1])
        ] {
            let set = try metricSet("[roc_auc]", task)
            var scores: [ScoredLabel] = []
            let rows = outputs.count / task.outputs
            outputs.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                withView(of: targets, rows: rows) {
                    set.appendScores(
                        outputs: MatrixView(base: base, rows: rows, columns: task.outputs), targets: $0,
                        into: &scores)
                }
            }
            #expect(scores.map(\.score) == expected)
            #expect(scores.map(\.isPositive) == (0..<rows).map { $0 % 2 == 0 })
            let values = set.values([Double](repeating: 0, count: set.statisticsCount), scores: scores)
            #expect(values == [MetricValue("roc_auc", .scalar(areaUnderROCCurve(scores)))])
        }
    }

    @Test("without scores there is no ROC AUC")
    func withoutScores() throws {
        let set = try metricSet("[roc_auc]", .binary(outputs: 1))
        #expect(set.values([3]) == [MetricValue("roc_auc", .scalar(nil))])
    }
}
