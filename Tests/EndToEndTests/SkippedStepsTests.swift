import Checkpointing
import Foundation
import Testing

/// `training.on_nonfinite: skip` beside PyTorch, whose optimizers count only the steps that they took: the numbers of
/// `Tests/References/skipped.json`, which `skipped.py` there made.
@Suite("Skipped steps")
struct SkippedStepsTests {
    private struct Case {
        let name: String
        let optimizer: String
        let skipped: [Int]
        /// Two inputs and the target of each step.
        let rows: [[Double]]
        /// Two weights and the bias after each step.
        let weights: [[Double]]

        /// What the step's sample costs before its update; the first step begins with zeros.
        func loss(_ step: Int) -> Double {
            let w = step == 1 ? [0, 0, 0] : weights[step - 2]
            let row = rows[step - 1]
            let error = w[0] * row[0] + w[1] * row[1] + w[2] - row[2]
            return error * error
        }
    }

    private static func cases() throws -> [Case] {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("References/skipped.json")
        let table = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [[String: Any]])
        return try table.map { row in
            // JSON is YAML.
            let optimizer = try JSONSerialization.data(withJSONObject: #require(row["optimizer"]))
            return Case(
                name: try #require(row["name"] as? String), optimizer: String(decoding: optimizer, as: UTF8.self),
                skipped: try #require(row["skipped"] as? [Int]), rows: try #require(row["rows"] as? [[Double]]),
                weights: try #require(row["weights"] as? [[Double]]))
        }
    }

    @Test(
        "every optimizer counts the steps that it took, as PyTorch's do",
        arguments: ["owner", "allreduce", "{local: {workers: 1, steps: 1}}"])
    func follow(_ strategy: String) throws {
        let cases = try Self.cases()
        #expect(cases.contains { $0.skipped.first == 1 } && cases.contains { $0.skipped.count > 2 })
        for example in cases {
            try withWorkbench { bench in
                let lines = ["a,b,y"] + example.rows.map { row in row.map { "\(Float($0))" }.joined(separator: ",") }
                try bench.write("data.csv", lines.joined(separator: "\n") + "\n")
                try bench.write(
                    "c.yaml",
                    """
                    data: {format: csv, train: {path: data.csv, target: y}}
                    model: {layers: [dense: {units: 1, initializer: zeros}]}
                    loss: mean_squared_error
                    optimizer: \(example.optimizer)
                    training: {epochs: 1, global_batch_size: 1, micro_batch_size: 1, shuffle: false, on_nonfinite: skip, \
                    log_every: 1, synchronization: \(strategy)}
                    """)
                let outcome = try bench.dtrain("train", "c.yaml", "--run", "run")
                expectSuccess(outcome)
                #expect(outcome.errorLines.filter { $0.contains("the step is skipped") }.count == example.skipped.count)
                let steps = try bench.files("run").log("step")
                #expect(steps.count == example.rows.count)
                for (index, step) in steps.enumerated() where !example.skipped.contains(index + 1) {
                    let loss = step.numbers["loss"] ?? .nan
                    let expected = example.loss(index + 1)
                    #expect(
                        abs(loss - expected) <= 1e-4 * max(1, expected),
                        "\(example.name), step \(index + 1): loss \(loss), PyTorch has \(expected)")
                }
                let model = try SafetensorsFile(path: bench.path("run/checkpoints/step-00000012/model.safetensors"))
                let own = try (model.floats("0.weight") + model.floats("0.bias")).map { Double($0) }
                let expected = try #require(example.weights.last)
                let distance = zip(own, expected).map { abs($0 - $1) }.max() ?? .infinity
                #expect(own.count == 3 && distance <= 2e-5, "\(example.name): \(own), PyTorch has \(expected)")
            }
        }
    }
}
