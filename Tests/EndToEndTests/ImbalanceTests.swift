import TestSupport
import Testing

/// Classes of very different sizes, as most tables have them.
@Suite("Imbalanced classes")
struct ImbalanceTests {
    /// One of "rare" to nine of "usual", told apart by x alone, with some noise.
    private static let table: String = (0..<400).reduce("x,k\n") { text, index in
        let isRare = index % 10 == 0
        return text + "\(Double((index * 37) % 101) / 50 - 1 + (isRare ? 0.6 : -0.2)),\(isRare ? "rare" : "usual")\n"
    }

    private static func configuration(_ loss: String, units: Int) -> String {
        """
        data: {format: csv, train: {path: t.csv, target: k}, validation_fraction: 0.25}
        model: {layers: [dense: {units: \(units)}]}
        loss: \(loss)
        optimizer: {adam: {learning_rate: 0.05}}
        metrics: [accuracy, recall]
        training: {epochs: 12, global_batch_size: 50, micro_batch_size: 10}

        """
    }

    @Test(
        "class_weights and pos_weight make the rare class be found",
        arguments: [
            ("cross_entropy", "{cross_entropy: {class_weights: [9, 1]}}", 2),
            ("binary_cross_entropy", "{binary_cross_entropy: {pos_weight: 0.1111}}", 1)
        ])
    func rareClass(plain: String, weighted: String, units: Int) throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Self.table)
            var rare: [Double] = []
            for (name, loss) in [("plain", plain), ("weighted", weighted)] {
                try bench.write("\(name).yaml", Self.configuration(loss, units: units))
                expectSuccess(try bench.dtrain("train", "\(name).yaml", "--run", name, "--quiet"))
                let outcome = try bench.dtrain("predict", name, "t.csv")
                expectSuccess(outcome)
                rare.append(Double(outcome.outputLines.count { $0.hasPrefix("rare,") }))
                expectSuccess(try bench.dtrain("eval", name))
            }
            #expect(rare[0] < 40 && rare[1] > 60, "predicted rare: \(rare)")
        }
    }

    @Test(
        "weights that don't fit the classes are refused with both numbers",
        arguments: [
            (
                "{cross_entropy: {class_weights: [1, 2, 3]}}",
                "loss.cross_entropy.class_weights: expected a weight for each of the 2 classes, found 3"
            ),
            ("{cross_entropy: {class_weights: [0, 0]}}", "class_weights: all are 0"),
            ("{cross_entropy: {class_weights: [1, -1]}}", "class_weights: expected a number of 0 or more"),
            ("{cross_entropy: {ignore_index: 2}}", "ignore_index: expected a class from 0 to 1, found 2")
        ])
    func misfits(loss: String, message: String) throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Self.table)
            try bench.write("c.yaml", Self.configuration(loss, units: 2))
            expectRefusal(try bench.dtrain("inspect", "c.yaml"), .badConfiguration, [message])
        }
    }

    @Test("a step whose samples are all ignored has no mean: it is skipped, or stops the run")
    func nothingCounts() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", "x,k\n" + (0..<20).map { "\($0).5,\($0 < 10 ? "a" : "b")\n" }.joined())
            let text = Self.configuration("{cross_entropy: {ignore_index: 0}}", units: 2)
                .replacing("validation_fraction: 0.25", with: "split_seed: 0")
                .replacing(
                    "epochs: 12, global_batch_size: 50, micro_batch_size: 10",
                    with: "max_steps: 4, global_batch_size: 10, "
                        + "micro_batch_size: 5, shuffle: false")
            try bench.write("c.yaml", text)
            let stopped = try bench.dtrain("train", "c.yaml", "--run", "stop")
            #expect(stopped.status == 65 && stopped.errors.contains("step 1: "), "\(stopped)")
            let skipped = try bench.dtrain("train", "c.yaml", "--run", "skip", "--set", "training.on_nonfinite=skip")
            expectSuccess(skipped)
            #expect(
                skipped.errors.contains("step 1: ") && skipped.errors.contains("step 3: ")
                    && !skipped.errors.contains("step 2: "), "\(skipped)")
        }
    }
}
