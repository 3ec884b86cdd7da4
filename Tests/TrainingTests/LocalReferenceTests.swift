import Checkpointing
import Collectives
import Foundation
import Reporting
import Settings
import TestSupport
import Testing
import Training

/// Workers with weights of their own beside a plain rendering in Double of what the papers say: a linear model with SGD.
@Suite("Workers that meet, against a plain run in Double")
struct LocalReferenceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let workers: Int, steps: Int
        var startStep = 0
        let outer: OuterStep
        /// Whether samples have weights, which may be 0 for all that a worker has in a step.
        var isWeighted = false
        var testDescription: String { setting + (isWeighted ? ", weighted" : "") }

        var setting: String {
            let name =
                switch outer {
                case .average: "average"
                case .momentum(let rule):
                    "{\(rule.isNesterov ? "nesterov" : "momentum"): "
                        + "{learning_rate: \(rule.learningRate), momentum: \(rule.momentum)}}"
                }
            return "{local: {workers: \(workers), steps: \(steps), start_step: \(startStep), outer: \(name)}}"
        }
    }

    /// Three numbers, the target and a weight, in 22 rows: batches of 10, 10 and 2, leaves of 2. Eighths, so that Float has them exactly.
    private static let rows: [[Double]] = (0..<22).map { row in
        let x = (0..<3).map { Double((row * (7 + 4 * $0) + 3 * $0) % 17 - 8) / 8 }
        return x + [(x[0] - 2 * x[1] + Double(row % 5)) / 8, row % 5 < 3 ? 0 : Double(row % 5)]
    }

    @Test(
        "every step's weights, of the run and of each worker, are those of the formulas",
        arguments: [
            Case(workers: 1, steps: 1, outer: .average),
            Case(workers: 3, steps: 2, outer: .average),
            Case(workers: 5, steps: 3, startStep: 4, outer: .average),
            Case(workers: 3, steps: 2, outer: .momentum(.init(learningRate: 0.7, momentum: 0.9, isNesterov: true))),
            Case(
                workers: 4, steps: 3, startStep: 2, outer: .momentum(.init(learningRate: 1, momentum: 0.5, isNesterov: false))),
            Case(workers: 5, steps: 2, outer: .average, isWeighted: true)
        ])
    func reference(_ example: Case) throws {
        try withTemporaryFolder { folder in
            let rows = Self.rows.map { $0.prefix(example.isWeighted ? 5 : 4).map { "\($0)" }.joined(separator: ",") + "\n" }
            let table = (example.isWeighted ? "a,b,c,y,w\n" : "a,b,c,y\n") + rows.joined()
            try Data(table.utf8).write(to: URL(fileURLWithPath: folder + "/t.csv"))
            let text = """
                data: {format: csv, train: {path: \(folder)/t.csv, target: y\(example.isWeighted ? ", weight: w" : "")}}
                model: {layers: [dense: {units: 1}]}
                loss: mean_squared_error
                optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
                training:
                  max_steps: 11
                  global_batch_size: 10
                  micro_batch_size: 2
                  log_every: 1
                  drop_last: \(example.isWeighted)
                  synchronization: \(example.setting)
                checkpoint: {every_steps: 1, keep: 100}
                """
            let agreed = try AgreedExperiment(over: SoloCommunicator()) {
                try Experiment(try TrainingConfiguration(try SettingsDocument(text: text, name: "local"), name: "local"))
            }
            let trainer = try quietTrainer(agreed, in: RunPlace(path: folder + "/run"))
            try trainer.begin()
            #expect(try trainer.run() == .finished)
            trainer.close()

            func numbers(_ step: Int, _ prefix: String, _ file: KeyPath<LoadedCheckpoint, SafetensorsFile>) throws -> [Double] {
                let checkpoint = try LoadedCheckpoint(
                    path: "\(folder)/run/checkpoints/step-\(String(format: "%08d", step))")
                let file = checkpoint[keyPath: file]
                return try (file.floats(prefix + "0.weight") + file.floats(prefix + "0.bias")).map { Double($0) }
            }
            func expectNear(_ own: [Double], _ expected: [Double], _ what: String) {
                let distance = zip(own, expected).map { abs($0 - $1) }.max() ?? .infinity
                // Eleven steps, each with a few rounding errors of 2^-24 of numbers below 4.
                #expect(own.count == expected.count && distance <= 11 * 16 * 4 * 0x1p-24, "\(what): \(own), not \(expected)")
            }
            var plain = PlainRun(example, try numbers(0, "", \.model))
            let sampler = agreed.experiment.sampler
            let norms = try MetricsLog.lines(path: folder + "/run/metrics.jsonl").filter { $0.event == "step" }
                .map { $0.numbers["gradient_norm"] ?? .nan }
            for step in 1...11 {
                let batch = sampler.batch(completedSteps: step - 1)
                let order = sampler.order(epoch: batch.epoch)
                let norm = plain.step(order[batch.positions].map { Self.rows[Int($0)] }, number: step)
                expectNear(try numbers(step, "", \.model), plain.outer, "step \(step)")
                for worker in 0..<example.workers {
                    expectNear(
                        try numbers(step, "worker.\(worker).", \.optimizer), plain.workers[worker].weights,
                        "step \(step), worker \(worker)")
                }
                #expect(abs(norms[step - 1] - norm) <= 1e-4 * norm, "step \(step): norm \(norms[step - 1]), not \(norm)")
            }
            #expect(plain.idle > 0 || !example.isWeighted)
            #expect(example.workers == 1 || plain.workers[0].weights != plain.workers[1].weights || 11 % example.steps == 0)
        }
    }
}

/// The same in Double, as plainly as it goes.
private struct PlainRun {
    struct Worker {
        var weights: [Double]
        var momentum: [Double]
    }

    let example: LocalReferenceTests.Case
    var outer: [Double]
    var outerMomentum: [Double]
    var workers: [Worker]
    /// How often a worker's samples didn't count.
    var idle = 0

    init(_ example: LocalReferenceTests.Case, _ weights: [Double]) {
        self.example = example
        outer = weights
        outerMomentum = weights.map { _ in 0 }
        workers = (0..<example.workers).map { _ in Worker(weights: weights, momentum: weights.map { _ in 0 }) }
    }

    private func weight(of row: [Double]) -> Double { example.isWeighted ? row[4] : 1 }

    /// Returns the root of the mean of the squares of the workers' gradient norms.
    mutating func step(_ rows: [[Double]], number: Int) -> Double {
        let leaves = (rows.count + 1) / 2
        var squares: [Double] = []
        for index in workers.indices {
            let first = index * leaves / workers.count * 2
            let end = min((index + 1) * leaves / workers.count * 2, rows.count)
            guard first < end else { continue }
            let divisor = rows[first..<end].reduce(0) { $0 + weight(of: $1) }
            // A worker whose samples don't count leaves the step out.
            guard divisor > 0 else {
                squares.append(0)
                idle += 1
                continue
            }
            var gradient = [0.0, 0, 0, 0]
            for row in rows[first..<end] {
                let x = Array(row[0..<3]) + [1]
                let error = zip(workers[index].weights, x).map { $0 * $1 }.reduce(0, +) - row[3]
                for place in 0..<4 { gradient[place] += weight(of: row) * 2 * error * x[place] / divisor }
            }
            squares.append(gradient.map { $0 * $0 }.reduce(0, +))
            for place in 0..<4 {
                workers[index].momentum[place] = 0.9 * workers[index].momentum[place] + gradient[place]
                workers[index].weights[place] -= 0.05 * workers[index].momentum[place]
            }
        }
        if number <= example.startStep || number % example.steps == 0 { meet() }
        return (squares.reduce(0, +) / Double(squares.count)).squareRoot()
    }

    private mutating func meet() {
        for place in 0..<4 {
            let average = workers.map { $0.weights[place] }.reduce(0, +) / Double(workers.count)
            switch example.outer {
            case .average: outer[place] = average
            case .momentum(let rule):
                let gradient = outer[place] - average
                outerMomentum[place] = rule.momentum * outerMomentum[place] + gradient
                let direction = rule.isNesterov ? gradient + rule.momentum * outerMomentum[place] : outerMomentum[place]
                outer[place] -= rule.learningRate * direction
            }
            for index in workers.indices { workers[index].weights[place] = outer[place] }
        }
    }
}
