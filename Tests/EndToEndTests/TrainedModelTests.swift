import Foundation
import Testing

@Suite("eval and predict")
struct TrainedModelTests {
    /// A run on a table with names for classes, well trained.
    private func trees(_ bench: Workbench, sections: String = "", data: String = "standardize: true") throws {
        try bench.write("t.csv", Material.csv(Material.trees()))
        try bench.write(
            "c.yaml",
            Material.table(
                "t.csv", data: "\(data)\n  validation_fraction: 0.25", steps: 400,
                sections: "optimizer: {adam: {learning_rate: 0.05}}\n\(sections)"))
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
    }

    // MARK: - eval

    @Test(
        "eval of a split gives what training logged, for a run and for its last checkpoint",
        arguments: ["run", "run/checkpoints/step-00000400"])
    func evaluate(_ subject: String) throws {
        try withWorkbench { bench in
            try trees(bench, sections: "metrics: [accuracy, f1, precision, recall, confusion_matrix]")
            let outcome = try bench.dtrain("eval", subject, "--json")
            expectSuccess(outcome)
            let end = try #require(bench.files("run").log("end").first)
            for key in ["loss", "accuracy", "f1", "precision", "recall"] {
                let value = try #require(end.numbers["validation_" + key])
                let texts = ["\(value)", value == value.rounded() ? "\(Int(value))" : "\(value)"]
                #expect(
                    texts.contains { text in
                        [",", "}"].contains { outcome.output.contains("\"\(key)\":\(text)\($0)") }
                    }, "\(key) \(value) \(outcome)")
            }
            #expect(outcome.output.contains("\"samples\":15") && outcome.outputLines.count == 1)
            let plain = try bench.dtrain("eval", subject)
            expectSuccess(plain)
            #expect(plain.output.contains("15 samples") && plain.output.contains("confusion_matrix"))
        }
    }

    @Test("eval of the training split, of a labelled file, and of a split that lies elsewhere now")
    func otherData() throws {
        try withWorkbench { bench in
            try trees(bench)
            let split = try bench.dtrain("eval", "run", "--split", "train")
            expectSuccess(split)
            #expect(split.output.contains("45 samples"))
            // Columns in another order and one more: they are found by their names.
            try bench.write(
                "all.csv",
                Material.csv(
                    Material.trees().map { [$0[2], "7", $0[1], $0[0]] },
                    header: "kind,age,v,u"))
            let file = try bench.dtrain("eval", "run", "--data", "all.csv")
            expectSuccess(file)
            #expect(file.output.contains("60 samples"))
            try FileManager.default.moveItem(atPath: bench.path("t.csv"), toPath: bench.path("moved.csv"))
            expectRefusal(try bench.dtrain("eval", "run"), .missingInput, ["t.csv"])
            let moved = try bench.dtrain("eval", "run", "--split", "train", "--set", "data.train.path=moved.csv")
            expectSuccess(moved)
            #expect(moved.output == split.output)
        }
    }

    @Test("eval of IDX files: inputs and targets apart")
    func evaluateIDX() throws {
        try withWorkbench { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write("c.yaml", Material.pictures(data: "normalize: {scale: 255}", steps: 40))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run"))
            let split = try bench.dtrain("eval", "run", "--split", "train")
            expectSuccess(split)
            let files = try bench.dtrain("eval", "run", "--data", "x", "--targets", "y")
            expectSuccess(files)
            #expect(files.output == split.output && split.output.contains("\(Material.imageCount) samples"))
            expectRefusal(try bench.dtrain("eval", "run"), .usage, ["no validation split", "--split train"])
        }
    }

    @Test("kept statistics are applied: a standardized model judges raw files as in training")
    func standardizedFiles() throws {
        try withWorkbench { bench in
            try trees(bench)
            let split = try bench.dtrain("eval", "run", "--split", "train")
            // The training rows alone would have other statistics than the file with all of them.
            let whole = try bench.dtrain("eval", "run", "--data", "t.csv")
            expectSuccess(whole)
            let accuracy = whole.outputLines.last.flatMap { Double($0.split(separator: " ").last ?? "") } ?? 0
            #expect(accuracy >= 0.9, "\(whole)")
            #expect(split.output != whole.output)
        }
    }

    // MARK: - predict

    @Test("predict of a table: names of classes, probabilities that add up to 1, rows in their order")
    func predictTable() throws {
        try withWorkbench { bench in
            try trees(bench)
            let rows = Material.trees()
            try bench.write("new.csv", Material.csv(rows.map { Array($0[0..<2]) }, header: "u,v"))
            let outcome = try bench.dtrain("predict", "run", "new.csv")
            expectSuccess(outcome)
            let lines = outcome.outputLines
            #expect(lines.first == "prediction,probability_ash,probability_birch")
            #expect(lines.count == rows.count + 1)
            var right = 0
            for (line, row) in zip(lines.dropFirst(), rows) {
                let cells = line.split(separator: ",")
                let probabilities = cells.dropFirst().compactMap { Double($0) }
                try #require(probabilities.count == 2, "\(line)")
                #expect(abs(probabilities[0] + probabilities[1] - 1) < 1e-6)
                #expect(cells[0] == (probabilities[0] > probabilities[1] ? "ash" : "birch"))
                if cells[0] == row[2] { right += 1 }
            }
            #expect(right >= rows.count * 9 / 10, "\(right) of \(rows.count)")

            // The rows backwards give the lines backwards, bit for bit; --output writes the same to a file.
            try bench.write("back.csv", Material.csv(rows.reversed().map { Array($0[0..<2]) }, header: "u,v"))
            expectSuccess(try bench.dtrain("predict", "run", "back.csv", "--output", "back-out.csv"))
            let back = bench.text("back-out.csv").split(separator: "\n")
            #expect(Array(back.dropFirst()) == lines.dropFirst().reversed())
        }
    }

    @Test("predict of IDX, .gz or plain")
    func predictIDX() throws {
        try withWorkbench { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write(
                "c.yaml",
                Material.pictures(
                    data: "normalize: {scale: 255}\n  class_names: [top, middle, low]",
                    steps: 150))
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--set",
                    "optimizer.adam.learning_rate=0.02"))
            let outcome = try bench.dtrain("predict", "run", "x")
            expectSuccess(outcome)
            let lines = outcome.outputLines
            #expect(lines.first == "prediction,probability_top,probability_middle,probability_low")
            let expected = (0..<Material.imageCount).map { ["top", "middle", "low"][$0 % 3] }
            #expect(lines.dropFirst().map { String($0.prefix { $0 != "," }) } == expected)
            for line in lines.dropFirst() {
                let sum = line.split(separator: ",").dropFirst().reduce(0) { $0 + (Double($1) ?? .nan) }
                #expect(abs(sum - 1) < 1e-6, "\(line)")
            }
            try #require(try bench.run("/bin/sh", ["-c", "gzip -c x > x.gz"]).status == 0)
            #expect(try bench.dtrain("predict", "run", "x.gz").output == outcome.output)
        }
    }

    @Test("predict of numbers: one column per output")
    func predictNumbers() throws {
        try withWorkbench { bench in
            try bench.write(
                "t.csv",
                Material.csv(
                    Material.trees().map { [$0[0], $0[1], "\((Double($0[0]) ?? 0) * 2)"] },
                    header: "u,v,w"))
            try bench.write(
                "c.yaml",
                Material.table(
                    "t.csv", target: "w", units: 1, steps: 600,
                    sections: "loss: mean_squared_error\n"
                        + "optimizer: {adam: {learning_rate: 0.02}}"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let outcome = try bench.dtrain("predict", "run", "t.csv")
            expectSuccess(outcome)
            #expect(outcome.outputLines.first == "prediction")
            for (line, row) in zip(outcome.outputLines.dropFirst(), Material.trees()) {
                #expect(abs((Double(line) ?? .nan) - (Double(row[0]) ?? 0) * 2) < 0.1, "\(line) \(row)")
            }
        }
    }

    @Test("predictions and evaluations don't depend on the checkpoint's rank count or the current directory")
    func absolutePaths() throws {
        try withWorkbench { bench in
            try trees(bench)
            try FileManager.default.createDirectory(atPath: bench.path("elsewhere"), withIntermediateDirectories: false)
            let other = Workbench(folder: bench.path("elsewhere"))
            let here = try bench.dtrain("predict", "run", "t.csv")
            let there = try other.dtrain("predict", bench.path("run"), bench.path("t.csv"))
            expectSuccess(there)
            #expect(here.output == there.output)
        }
    }
}
