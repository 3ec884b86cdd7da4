import Foundation
import TestSupport
import Testing

/// `data.train.weight`: what each sample counts in the loss.
@Suite("Weights of samples")
struct SampleWeightTests {
    private struct Row {
        let a: Double, b: Double, weight: Int
        var y: Double { a * 2 - b }
    }

    private static let rows: [Row] = (0..<40).map { (row: Int) -> Row in
        let a = Double(row * 37 % 41)
        let b = Double(row * 23 % 29)
        return Row(a: a / 20 - 1, b: b / 14 - 1, weight: row % 4)
    }

    private static func line(_ index: Int) -> String {
        let row = rows[index]
        return "\(row.a),\(row.b),\(row.y),\(row.a > row.b ? "up" : "down")"
    }

    private static var weighted: String {
        "a,b,y,k,w\n" + rows.indices.map { "\(line($0)),\(rows[$0].weight)\n" }.joined()
    }
    private static var repeated: String {
        "a,b,y,k\n" + rows.indices.map { String(repeating: line($0) + "\n", count: rows[$0].weight) }.joined()
    }

    private static func configuration(_ train: String, loss: String, units: Int, batch: Int) -> String {
        """
        data: {format: csv, train: {features: [a, b], \(train)}}
        model: {layers: [dense: {units: 5}, tanh, dense: {units: \(units)}]}
        loss: \(loss)
        optimizer: {sgd: {learning_rate: 0.1}}
        training: {max_steps: 20, global_batch_size: \(batch), micro_batch_size: 7, log_every: 1, shuffle: false}

        """
    }

    @Test(
        "in full batches whole weights are what repeated rows are",
        arguments: [
            ("mean_squared_error", "y", 1), ("{huber: {delta: 0.5}}", "y", 1), ("mean_absolute_error", "[y, a2]", 2),
            ("cross_entropy", "k", 2), ("{cross_entropy: {class_weights: [1, 3], label_smoothing: 0.1}}", "k", 2),
            ("{binary_cross_entropy: {pos_weight: 2}}", "k", 1)
        ])
    func repeatedRows(loss: String, target: String, units: Int) throws {
        try withWorkbench { bench in
            // A second target that is no feature: b once more.
            func withSecondTarget(_ table: String) -> String {
                table.split(separator: "\n").map { line in
                    let cells = line.split(separator: ",")
                    return line + "," + (cells[0] == "a" ? "a2" : cells[1])
                }.joined(separator: "\n") + "\n"
            }
            try bench.write("weighted.csv", withSecondTarget(Self.weighted))
            try bench.write("repeated.csv", withSecondTarget(Self.repeated))
            let count = Self.rows.reduce(0) { $0 + $1.weight }
            for (name, weight, batch) in [("weighted", ", weight: w", 40), ("repeated", "", count)] {
                try bench.write(
                    "\(name).yaml",
                    Self.configuration(
                        "path: \(name).csv, target: \(target)\(weight)", loss: loss,
                        units: units, batch: batch))
                expectSuccess(try bench.dtrain("train", "\(name).yaml", "--run", name))
            }
            let losses = try ["weighted", "repeated"].map { try bench.files($0).log("step").compactMap { $0.numbers["loss"] } }
            try #require(losses[0].count == 20 && losses[1].count == 20)
            // Each step may bring as many roundings of a gradient as it has samples, of losses about 1.
            for (step, (one, other)) in zip(losses[0], losses[1]).enumerated() {
                let tolerance = Double((step + 1) * count) * 0x1p-24 * max(1, other)
                #expect(abs(one - other) <= tolerance, "step \(step + 1): \(one), \(other)")
            }
            #expect(losses[0][19] < losses[0][0])
        }
    }

    @Test("eval takes the weighted mean of losses and the plain one of metrics; predict needs no weights")
    func evaluation() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Self.weighted)
            let plainText = Self.configuration(
                "path: t.csv, target: y, weight: w", loss: "mean_squared_error", units: 1, batch: 10)
            try bench.write(
                "c.yaml",
                plainText
                    .replacing("loss:", with: "metrics: [mean_squared_error]\nvalidation: {every_steps: 5}\nloss:")
                    .replacing("}}\nmodel", with: "}, validation: {path: t.csv}}\nmodel"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--set", "training.on_nonfinite=skip"))
            try bench.write("new.csv", "a,b\n" + Self.rows.map { "\($0.a),\($0.b)\n" }.joined())
            let predicted = try bench.dtrain("predict", "run", "new.csv")
            expectSuccess(predicted)
            let predictions = predicted.outputLines.dropFirst().compactMap { Double($0) }
            try #require(predictions.count == 40)
            var sum = 0.0
            var weightedSum = 0.0
            var total = 0.0
            for (prediction, row) in zip(predictions, Self.rows) {
                let square = (prediction - row.y) * (prediction - row.y)
                let weight = Double(row.weight)
                (sum, weightedSum, total) = (sum + square, weightedSum + weight * square, total + weight)
            }
            let weighted = weightedSum / total
            let plain = sum / 40
            for command in [["eval", "run"], ["eval", "run", "--split", "train"], ["eval", "run", "--data", "t.csv"]] {
                let outcome = try bench.dtrain(command + ["--json"])
                expectSuccess(outcome)
                let line = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
                // Predictions and targets are Float32.
                #expect(abs(try #require(line["loss"] as? Double) - weighted) < 8 * 0x1p-24 * max(1, weighted), "\(line)")
                #expect(
                    abs(try #require(line["mean_squared_error"] as? Double) - plain) < 8 * 0x1p-24 * max(1, plain), "\(line)")
            }
            #expect(abs(weighted - plain) > 1e-4)
            let last = try #require(try bench.files("run").log("validation").last?.numbers["loss"])
            #expect(abs(last - weighted) < 8 * 0x1p-24 * max(1, weighted))
        }
    }

    @Test("a step whose samples all weigh 0 has no mean: it is skipped, or stops the run")
    func nothingCounts() throws {
        try withWorkbench { bench in
            let lines = Self.rows.indices.map { "\($0 % 3),\($0 % 5),\($0).5,\($0 < 10 ? 0 : 1)\n" }
            try bench.write("t.csv", "a,b,y,w\n" + lines.joined())
            try bench.write(
                "c.yaml",
                Self.configuration(
                    "path: t.csv, target: y, weight: w", loss: "mean_squared_error", units: 1,
                    batch: 10))
            let stopped = try bench.dtrain("train", "c.yaml", "--run", "stop")
            #expect(stopped.status == 65 && stopped.errors.contains("step 1: "), "\(stopped)")
            let skipped = try bench.dtrain(
                "train", "c.yaml", "--run", "skip", "--set", "training.on_nonfinite=skip",
                "--set", "optimizer.sgd.learning_rate=0.0001")
            expectSuccess(skipped)
            for step in 1...8 { #expect(skipped.errors.contains("step \(step): ") == (step % 4 == 1), "\(skipped)") }
        }
    }
}
