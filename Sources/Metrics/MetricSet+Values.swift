import Kernels

extension MetricSet {
    /// The values of all metrics, in the order of the configuration: the scalars under their `names`, precision, recall
    /// and F1 followed by one number per class (`precision_per_class`, …), the confusion matrix as rows.
    ///
    /// `scores` are the pairs of all rows in any order, for ROC AUC.
    package func values(_ statistics: [Double], scores: [ScoredLabel]? = nil) -> [MetricValue] {
        statistics.withUnsafeBufferPointer { values($0, scores: scores) }
    }

    /// The same from memory that somebody else owns.
    package func values(_ statistics: UnsafeBufferPointer<Double>, scores: [ScoredLabel]? = nil) -> [MetricValue] {
        metrics.flatMap { metric -> [MetricValue] in
            switch metric {
            case .confusionMatrix:
                return [MetricValue(metric.name, .matrix(confusionMatrix(statistics)))]
            case .rocAUC:
                return [MetricValue(metric.name, .scalar(scores.flatMap(areaUnderROCCurve)))]
            default:
                let number = scalar(metric, statistics)
                let value = MetricValue(metric.name, .scalar(number.isNaN ? nil : number))
                guard [.precision, .recall, .f1].contains(metric), classCount > 1 else { return [value] }
                let list = (0..<classCount).map { perClass(metric, $0, statistics) }
                return [value, MetricValue(metric.name + "_per_class", .list(list))]
            }
        }
    }

    /// Writes the scalar metrics, in the order of `names`, without allocating: for the line of a step. NaN where one
    /// isn't defined, and for ROC AUC, which no sum gives.
    package func scalarValues(
        _ statistics: UnsafeBufferPointer<Double>,
        into values: UnsafeMutableBufferPointer<Double>
    ) {
        precondition(values.count == scalars.count, "room for \(values.count) of \(scalars.count) metrics")
        var index = 0
        for metric in metrics where metric.isScalar {
            values[index] = scalar(metric, statistics)
            index += 1
        }
    }

    /// For how many classes precision, recall and F1 are counted; 1 with one yes/no output: the positive class.
    private var classCount: Int { task.outputs }

    private func scalar(_ metric: Metric, _ statistics: UnsafeBufferPointer<Double>) -> Double {
        precondition(
            statistics.count == statisticsCount,
            "\(statistics.count) statistics for metrics that have \(statisticsCount)")
        let rows = statistics[0]
        guard rows > 0 else { return .nan }
        switch metric {
        case .accuracy:
            let judged = if case .binary(let outputs) = task { rows * Double(outputs) } else { rows }
            return layout.correct.map { statistics[$0] / judged } ?? .nan
        case .topK(let k):
            for entry in layout.topK where entry.k == k { return statistics[entry.start] / rows }
            return .nan
        case .precision, .recall, .f1: return macroAverage(metric, statistics)
        case .meanSquaredError: return meanError(RegressionSum.squaredError, statistics)
        case .meanAbsoluteError: return meanError(RegressionSum.absoluteError, statistics)
        case .rSquared: return rSquared(statistics)
        case .perplexity:
            let mean = meanCrossEntropy(statistics, per: LikelihoodSum.rows)
            return mean.isNaN ? mean : exponential(mean)
        case .bitsPerByte: return meanCrossEntropy(statistics, per: LikelihoodSum.bytes) / logarithm(2)
        case .added(let index, _, _):
            return added[index].value(UnsafeBufferPointer(rebasing: statistics[layout.added[index]]), rows: rows)
        case .confusionMatrix, .rocAUC: return .nan
        }
    }

    /// The sum of the cross entropies over how many rows, or bytes, there were.
    private func meanCrossEntropy(_ statistics: UnsafeBufferPointer<Double>, per count: Int) -> Double {
        guard let at = layout.likelihood, statistics[at + count] > 0 else { return .nan }
        return statistics[at + LikelihoodSum.crossEntropy] / statistics[at + count]
    }

    // MARK: - Classes

    /// Precision, recall or F1 of one class; 0 where its denominator is.
    private func perClass(_ metric: Metric, _ index: Int, _ statistics: UnsafeBufferPointer<Double>) -> Double {
        guard let start = layout.perClass else { return .nan }
        let at = start + 3 * index
        let (hits, predicted, actual) = (statistics[at], statistics[at + 1], statistics[at + 2])
        let (numerator, denominator) =
            switch metric {
            case .precision: (hits, predicted)
            case .recall: (hits, actual)
            default: (2 * hits, predicted + actual)
            }
        return denominator > 0 ? numerator / denominator : 0
    }

    /// The unweighted mean over the classes that occur among the true or the predicted ones, as scikit-learn's
    /// `average="macro"`, but for one that the loss ignores; over all outputs where they are yes/no answers.
    private func macroAverage(_ metric: Metric, _ statistics: UnsafeBufferPointer<Double>) -> Double {
        guard let start = layout.perClass else { return .nan }
        let skipsAbsent = if case .classification = task { true } else { false }
        var sum = 0.0
        var count = 0.0
        for index in 0..<classCount where index != likelihoods?.ignoredClass {
            let occurs = statistics[start + 3 * index + 1] + statistics[start + 3 * index + 2] > 0
            guard occurs || !skipsAbsent else { continue }
            sum += perClass(metric, index, statistics)
            count += 1
        }
        return count > 0 ? sum / count : 0
    }

    private func confusionMatrix(_ statistics: UnsafeBufferPointer<Double>) -> [[Double]] {
        guard let start = layout.confusion else { return [] }
        let classes = if case .binary = task { 2 } else { classCount }
        return (0..<classes).map { row in (0..<classes).map { statistics[start + classes * row + $0] } }
    }

    // MARK: - Numbers

    /// The mean over rows and outputs.
    private func meanError(_ sum: Int, _ statistics: UnsafeBufferPointer<Double>) -> Double {
        guard let start = layout.regression else { return .nan }
        var total = 0.0
        for output in 0..<task.outputs { total += statistics[start + RegressionSum.count * output + sum] }
        return total / (statistics[0] * Double(task.outputs))
    }

    /// 1 − Σ(y − ŷ)² / Σ(y − mean)², averaged over the outputs. As in scikit-learn, constant targets give 1 for a
    /// perfect prediction and else 0, and fewer than two rows nothing.
    ///
    /// Targets count as constant where their variation is below what its rounding can be, 64·2⁻⁵³·Σy² (see
    /// `RegressionSum`): a spread of less than a ten-millionth of their size, which is the resolution of Float32.
    private func rSquared(_ statistics: UnsafeBufferPointer<Double>) -> Double {
        let rows = statistics[0]
        guard let start = layout.regression, rows >= 2 else { return .nan }
        var sum = 0.0
        for output in 0..<task.outputs {
            let at = start + RegressionSum.count * output
            let residual = statistics[at + RegressionSum.squaredError]
            let target = statistics[at + RegressionSum.target]
            let targetRest = statistics[at + RegressionSum.targetRest]
            let squared = statistics[at + RegressionSum.squaredTarget]
            let squaredRest = statistics[at + RegressionSum.squaredTargetRest]
            // Σy² − (Σy)²/n, with what square and quotient round off put back (a fused product gives it exactly).
            let square = target * target
            let squareError = (-square).addingProduct(target, target)
            let quotient = square / rows
            let quotientError = (square.addingProduct(-quotient, rows) + squareError + 2 * target * targetRest) / rows
            let variation = (squared - quotient) + (squaredRest - quotientError)
            let isConstant = variation <= 64 * 0x1p-53 * squared
            sum += isConstant ? (residual == 0 ? 1 : (residual.isNaN ? .nan : 0)) : 1 - residual / variation
        }
        return sum / Double(task.outputs)
    }
}
