import Collectives
import Datasets
import Kernels
import Metrics
import Network
import Storage

/// Loss and metrics of a data split, shared out over the ranks: exact, nothing padded, nothing dropped, and the same
/// numbers for every rank count, because losses and statistics are summed along the tree of micro-batches.
final class Evaluator {
    private let runner: RowRunner
    private let dataset: Dataset
    private let microBatchSize: Int
    private let communicator: any Communicator
    private let samples: [Int32]

    /// Rows that are run at once: enough to amortise the passes over the weights.
    private static let rowsAtOnce = 512

    init(
        _ judged: JudgedNetwork, dataset: Dataset, microBatchSize: Int, workspace: Workspace,
        communicator: any Communicator
    ) {
        self.microBatchSize = microBatchSize
        self.dataset = dataset
        self.communicator = communicator
        runner = RowRunner(
            judged, workspace: workspace, rows: Self.rows(dataset, microBatchSize),
            microBatchSize: microBatchSize, training: false)
        runner.pulse = communicator.pulse
        samples = (0..<Int32(dataset.count)).map { $0 }
    }

    private static func rows(_ dataset: Dataset, _ microBatchSize: Int) -> Int {
        min(dataset.count, max(microBatchSize, rowsAtOnce / microBatchSize * microBatchSize))
    }

    /// The bytes that `init` takes: for the rows that are run at once, and for the order of all samples.
    static func memory(_ judged: JudgedNetwork, dataset: Dataset, microBatchSize: Int) -> (rows: RowMemory, samples: Int) {
        (
            RowMemory(
                judged, rows: rows(dataset, microBatchSize), microBatchSize: microBatchSize, training: false,
                gathersAhead: false), dataset.count * MemoryLayout<Int32>.stride
        )
    }

    /// What an evaluation came to.
    struct Result {
        let loss: Double
        let metrics: [MetricValue]
        let sampleCount: Int

        /// Name and value of all that is one number, the loss first.
        var scalars: [(name: String, value: Double)] {
            [("loss", loss)] + metrics.compactMap { metric in metric.scalar.map { (metric.name, $0) } }
        }
    }

    /// Evaluates the whole split. Collective.
    func evaluate(weights: ParameterView) throws -> Result {
        let tree = SummationTree(leafCount: (dataset.count + microBatchSize - 1) / microBatchSize)
        let program = tree.program(rankCount: communicator.size)
        var scores: [ScoredLabel] = []
        var own: [Double] = []
        for index in program.subtrees(of: communicator.rank) {
            own += sums(over: program.subtrees[index], tree: tree, weights: weights, scores: &scores)
            try dataset.checkGathered()
        }
        let count = runner.metrics.statisticsCount + 2
        let all = try allGather(own)
        precondition(all.count == program.subtrees.count * count, "\(all.count) sums for \(program.subtrees.count) subtrees")
        let totals = (0..<count).map { index in
            program.combine { all[$0 * count + index] }
        }
        let everyScore = runner.metrics.needsScores ? try gather(scores) : nil
        return Result(
            loss: totals[0] / totals[count - 1],
            metrics: runner.metrics.values(Array(totals[1..<count - 1]), scores: everyScore),
            sampleCount: dataset.count)
    }

    /// The subtree over `leaves`: the loss, the statistics, and what the loss's mean is divided by.
    private func sums(
        over leaves: Range<Int>, tree: SummationTree, weights: ParameterView,
        scores: inout [ScoredLabel]
    ) -> [Double] {
        tree.inParts(leaves, thatFit: { rows(of: $0).count <= runner.rowCapacity }) { part, _ in
            sums(over: rows(of: part), weights: weights, scores: &scores)
        } add: { left, right in
            zip(left, right).map { $0 + $1 }
        }
    }

    private func rows(of leaves: Range<Int>) -> Range<Int> {
        leaves.lowerBound * microBatchSize..<min(leaves.upperBound * microBatchSize, dataset.count)
    }

    private func sums(over rows: Range<Int>, weights: ParameterView, scores: inout [ScoredLabel]) -> [Double] {
        runner.forward(dataset, samples[rows], weights: weights)
        runner.judge(dataset, samples[rows], weights: weights) { outputs, targets in
            if runner.metrics.needsScores { runner.metrics.appendScores(outputs: outputs, targets: targets, into: &scores) }
        }
        var sums = [Double](repeating: 0, count: runner.metrics.statisticsCount + 1)
        sums.withUnsafeMutableBufferPointer {
            runner.sumStatistics(rows: 0..<rows.count, into: $0)
        }
        return sums + [runner.divisor.sum(rows: rows.count) ?? runner.sumDivisor(dataset, samples[rows])]
    }

    private func allGather(_ numbers: [Double]) throws -> [Double] {
        try communicator.allGather(numbers.withUnsafeBytes { Array($0) }).flatMap { bytes in
            bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
        }
    }

    private func gather(_ scores: [ScoredLabel]) throws -> [ScoredLabel] {
        let flat = try allGather(scores.flatMap { [$0.score, $0.label] })
        return stride(from: 0, to: flat.count, by: 2).map { ScoredLabel(score: flat[$0], isPositive: flat[$0 + 1] == 1) }
    }
}
