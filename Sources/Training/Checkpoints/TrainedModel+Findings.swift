import Collectives
import Datasets
import Diagnostics
import Metrics
import Network
import Storage

/// What a model does with the samples of a split, one by one: what `dtrain report` shows of it.
package struct SampleFindings: Sendable {
    /// A sample that the model gets wrong.
    package struct Example: Sendable {
        /// Its number in the split, from 0.
        package let sample: Int
        /// Its own loss; of a sequence the mean of its positions.
        package let loss: Double
        /// What is right, and what the model says; nil of samples with a target at each position, and of inputs to give back.
        package let truth: String?
        package let answer: String?
        package let content: SampleDescription
    }

    /// `validation`, or `train` where the run has no other split.
    package let split: String
    package let sampleCount: Int
    /// How often each class (row) was taken for each (column); nil where samples have no single class, or too many.
    package let confusion: [[Int]]?
    package let classNames: [String]
    /// The logit of yes and the truth of each sample, where there are two classes.
    package let scores: [ScoredLabel]?
    /// The samples of the largest losses, the worst first.
    package let worst: [Example]

    /// More classes make no matrix that anybody reads.
    package static let mostClasses = 100
}

extension TrainedModel {
    /// Runs all samples of the validation split, or without one of the training split.
    ///
    /// - Parameter worst: how many of the samples with the largest losses are wanted.
    /// - Throws: what `evaluate` throws where data can't be read.
    package func findings(worst wanted: Int) throws -> SampleFindings {
        let splits = try configuration.data.load(with: state.preprocessing)
        let dataset = splits.validation ?? splits.train.withFixedWindows
        try targets.check(dataset, loss: configuration.loss)
        let codec = try state.preprocessing.text.map { try TextCodec($0, tokenizer: configuration.data.tokenizerPath) }
        let seen = Judged(task: targets.positions == 1 ? targets.task : nil, wanted: wanted)
        let rows = max(1, min(dataset.count, 512))
        let microBatchSize = configuration.training.microBatchSize
        let runner = RowRunner(
            JudgedNetwork(
                network: network, loss: configuration.loss, metrics: metrics, targets: targets,
                hasWeights: dataset.hasWeights, hasLengths: dataset.hasLengths), workspace: workspace,
            rows: max(microBatchSize, rows / microBatchSize * microBatchSize), microBatchSize: microBatchSize, training: false)
        let samples = (0..<Int32(dataset.count)).map { $0 }
        for first in stride(from: 0, to: samples.count, by: runner.rowCapacity) {
            let chunk = samples[first..<min(first + runner.rowCapacity, samples.count)]
            runner.forward(dataset, chunk, weights: currentWeights)
            seen.begin()
            runner.judge(dataset, chunk, weights: currentWeights) { seen.add($0, $1) }
            try dataset.checkGathered()
            let losses = runner.losses(rows: chunk.count)
            let positions = targets.positions
            for row in 0..<chunk.count {
                let own = losses[row * positions..<(row + 1) * positions].reduce(0, +) / Double(positions)
                seen.rank(sample: first + row, row: row, loss: own)
            }
        }
        let givesBack = state.preprocessing.targetKind.areInputs
        return SampleFindings(
            split: splits.validation == nil ? "train" : "validation", sampleCount: dataset.count, confusion: seen.confusion,
            classNames: (0..<(seen.classCount ?? 0)).map(className), scores: seen.hasScores ? seen.scores : nil,
            worst: seen.worst.map { example in
                SampleFindings.Example(
                    sample: example.sample, loss: example.loss,
                    truth: givesBack ? nil : example.answers.map { text($0.truth) },
                    answer: givesBack ? nil : example.answers.map { text($0.answer) },
                    content: dataset.description(of: Int32(example.sample), state.preprocessing, codec: codec))
            })
    }

    private func text(_ answer: Answer) -> String {
        switch answer {
        case .classIndex(let index): index < 0 ? "not a number" : className(index)
        case .numbers(let numbers):
            numbers.prefix(4).map { "\($0)" }.joined(separator: ", ") + (numbers.count > 4 ? ", …" : "")
        }
    }
}

/// What is right for a sample, or what the model says.
private enum Answer {
    /// −1 where the outputs aren't numbers.
    case classIndex(Int)
    case numbers([Float])
}

/// Collects what rows of outputs and targets say, chunk by chunk. Used by one thread.
private final class Judged {
    struct Ranked {
        let sample: Int
        let loss: Double
        let answers: (truth: Answer, answer: Answer)?
    }

    /// Nil where samples have several answers, of which nothing is kept.
    private let task: LearningTask?
    private let wanted: Int
    private(set) var worst: [Ranked] = []
    private(set) var scores: [ScoredLabel] = []
    private var counts: [[Int]]?
    /// Those of the chunk at hand.
    private var answers: [(truth: Answer, answer: Answer)] = []

    init(task: LearningTask?, wanted: Int) {
        self.task = task
        self.wanted = wanted
        if let count = classCount, count <= SampleFindings.mostClasses {
            counts = Array(repeating: Array(repeating: 0, count: count), count: count)
        }
    }

    /// How many classes there are; nil where the answer is none.
    var classCount: Int? {
        switch task {
        case .classification(let classes): classes
        case .binary(1): 2
        default: nil
        }
    }

    var confusion: [[Int]]? { counts }
    var hasScores: Bool { classCount == 2 && !scores.isEmpty }

    func begin() { answers.removeAll(keepingCapacity: true) }

    /// Rows of the chunk, in their order.
    func add(_ outputs: MatrixView, _ targets: TargetView) {
        guard let task else { return }
        for row in 0..<outputs.rows {
            let output = outputs.row(row)
            var truth: Answer
            switch targets {
            case .classes(let classes): truth = .classIndex(Int(classes[row]))
            case .values(let values): truth = .numbers(Array(values.row(row)))
            }
            var answer = Answer.numbers(Array(output))
            switch task {
            case .classification(let classes):
                if case .numbers(let shares) = truth { truth = .classIndex(max(0, Self.largest(shares))) }
                answer = .classIndex(Self.largest(Array(output)))
                if classes == 2 { addScore(Double(output[1]) - Double(output[0]), truth) }
            case .binary(1):
                if case .numbers(let numbers) = truth { truth = .classIndex(numbers[0] > 0.5 ? 1 : 0) }
                answer = .classIndex(output[0].isNaN ? -1 : output[0] > 0 ? 1 : 0)
                addScore(Double(output[0]), truth)
            case .binary, .regression: break
            }
            if case .classIndex(let actual) = truth, case .classIndex(let predicted) = answer, predicted >= 0 {
                counts?[actual][predicted] += 1
            }
            answers.append((truth, answer))
        }
    }

    private func addScore(_ score: Double, _ truth: Answer) {
        guard case .classIndex(let actual) = truth else { return }
        scores.append(ScoredLabel(score: score, isPositive: actual == 1))
    }

    /// Keeps a sample where its loss is among the largest; what isn't a number is worst.
    func rank(sample: Int, row: Int, loss: Double) {
        func size(_ loss: Double) -> Double { loss.isNaN ? .infinity : loss }
        if worst.count == wanted, let last = worst.last, size(loss) <= size(last.loss) { return }
        let place = worst.firstIndex { size($0.loss) < size(loss) } ?? worst.count
        let own = answers.indices.contains(row) ? answers[row] : nil
        worst.insert(Ranked(sample: sample, loss: loss, answers: own), at: place)
        if worst.count > wanted { worst.removeLast() }
    }

    /// The place of the largest number, the first of equals; −1 where one isn't a number.
    private static func largest(_ numbers: [Float]) -> Int {
        guard !numbers.contains(where: \.isNaN) else { return -1 }
        return numbers.indices.reduce(0) { numbers[$1] > numbers[$0] ? $1 : $0 }
    }
}
