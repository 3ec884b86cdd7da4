import Datasets
import Diagnostics
import Foundation
import Reporting
import Settings

/// `dtrain data`: what the data of a configuration are like, and a picture of samples as the network gets them.
package struct DataReport {
    private let splits: DataSplits
    private let sampler: Sampler

    package init(_ configuration: TrainingConfiguration) throws {
        let training = configuration.training
        splits = try configuration.loadSplits()
        sampler = Sampler(
            sampleCount: splits.train.count, globalBatchSize: training.globalBatchSize,
            microBatchSize: training.microBatchSize, seed: training.seed, shuffles: training.shuffle,
            computesOrder: splits.train.movesWindows)
    }

    /// What was decided from what the data look like.
    package var notes: [String] { splits.notes }

    /// A table for each split.
    package func lines() -> [String] {
        var lines: [String] = []
        for (name, split) in [("train", splits.train), ("validation", splits.validation)] {
            guard let split else { continue }
            if !lines.isEmpty { lines.append("") }
            lines += describe(split, name)
        }
        return lines
    }

    private func describe(_ split: Dataset, _ name: String) -> [String] {
        let statistics = split.statistics(splits.preprocessing)
        let type = statistics.elementType.map { " of \($0)" } ?? ""
        var lines = [
            "\(name): \(HumanText.count(split.count)) samples of shape \(split.inputShape)\(type), target: \(split.targetKind)"
        ]
        if let counts = statistics.classCounts {
            // Of thousands of classes nobody reads a list.
            for (index, count) in counts.enumerated().prefix(100) {
                lines.append("  \(split.className(index)): \(HumanText.count(count))")
            }
            if counts.count > 100 {
                lines.append(
                    indent + "and \(HumanText.count(counts.count - 100)) more, \(HumanText.count(counts.min() ?? 0)) to "
                        + "\(HumanText.count(counts.max() ?? 0)) samples each")
            }
        }
        if let count = split.tokenCount {
            lines.append(
                indent + "\(HumanText.count(count)) tokens"
                    + (split.movesWindows ? "; samples begin elsewhere in each epoch" : ""))
        }
        lines += describeSequences(split, isTraining: name == "train")
        lines += describeSeries(split)
        lines += describeSteps(split)
        for (part, numbers) in statistics.parts {
            lines.append(indent + "\(part): \(Self.text(numbers))")
        }
        if name == "train", statistics.elementType == "unsigned8", statistics.parts.allSatisfy({ $0.numbers.deviation > 0 }) {
            func list(_ number: (RunningStatistics) -> Double) -> String {
                let texts = statistics.parts.map { String(format: "%.4f", number($0.numbers) / 255) }
                return texts.count == 1 ? texts[0] : "[" + texts.joined(separator: ", ") + "]"
            }
            lines.append(indent + "normalize: {scale: 255, mean: \(list(\.mean)), std: \(list(\.deviation))}")
        }
        return lines
    }

    /// Lengths and vocabulary of texts; nothing for other samples.
    private func describeSequences(_ split: Dataset, isTraining: Bool) -> [String] {
        guard let texts = splits.preprocessing.texts, let statistics = split.sequenceStatistics else { return [] }
        let unit = texts.rule.kind.rawValue
        let cut = statistics.cutCount == 0 ? "none is cut" : "cut to \(texts.length): \(statistics.cutCount)"
        var lines = [
            indent + "lengths: \(statistics.shortest) to \(statistics.longest) \(unit), median \(statistics.median); \(cut)"
        ]
        guard texts.rule.kind != .bytes else { return lines }
        if isTraining { lines.append(indent + "vocabulary: \(texts.vocabulary.count) \(unit)") }
        lines.append(indent + "not in the vocabulary: " + String(format: "%.2f %%", statistics.unknownShare * 100))
        return lines
    }

    /// Rows, times, columns and simple forecasts of series; nothing for other samples.
    private func describeSeries(_ split: Dataset) -> [String] {
        guard let series = splits.preprocessing.series, let statistics = split.seriesStatistics(splits.preprocessing) else {
            return []
        }
        func counted(_ count: Int, _ one: String, _ many: String) -> String {
            "\(HumanText.count(count)) \(count == 1 ? one : many)"
        }
        var lines = [
            indent + counted(statistics.seriesCount, "series", "series") + ", " + counted(statistics.rowCount, "row", "rows")
                + (statistics.span.map { ": \($0.first) to \($0.last)" + ($0.step.isEmpty ? "" : ", \($0.step) apart") }
                    ?? "")
        ]
        for (column, numbers) in statistics.columns { lines.append(indent + "\(column): \(Self.text(numbers))") }
        let unit = series.isStandardized ? " (of standardized targets)" : ""
        for baseline in statistics.baselines {
            let part =
                baseline.sampleCount == split.count
                ? "" : ", of the \(HumanText.count(baseline.sampleCount)) samples that have one"
            lines.append(
                indent + "forecast by the \(baseline.name): squared error \(Self.text(baseline.squaredError)), absolute error "
                    + "\(Self.text(baseline.absoluteError))\(unit)\(part)")
        }
        return lines
    }

    /// Lengths and numbers of classified series; nothing for other samples.
    private func describeSteps(_ split: Dataset) -> [String] {
        guard let schema = splits.preprocessing.ucr, let statistics = split.stepStatistics(splits.preprocessing) else {
            return []
        }
        var lines: [String] = []
        if schema.hasLengths {
            let cut = statistics.cutCount == 0 ? "none is cut" : "cut to \(schema.length): \(statistics.cutCount)"
            lines.append(
                indent + "lengths: \(statistics.shortest) to \(statistics.longest) steps, median \(statistics.median); \(cut)")
        }
        // Of hundreds of dimensions nobody reads a list.
        for (dimension, numbers) in statistics.dimensions.enumerated().prefix(50) {
            lines.append(indent + "dimension \(dimension): \(Self.text(numbers))")
        }
        return lines
    }

    private static func text(_ numbers: RunningStatistics) -> String {
        "\(text(numbers.least)) to \(text(numbers.largest)), mean \(text(numbers.mean)), deviation \(text(numbers.deviation))"
    }

    private let indent = "  "

    private static func text(_ number: Double) -> String { String(format: "%.6g", number) }

    /// The first samples of the first epoch, as training gets them: a picture as PNG, and what is in it.
    package func sheet(samples: Int) throws -> (png: [UInt8], text: String) {
        let order = EpochOrder(sampler, epoch: 0)
        let shown = order.prefix(samples)[...]
        let steps = (shown.count + sampler.globalBatchSize - 1) / sampler.globalBatchSize
        let picture = try splits.train.sheet(
            of: shown, splits.preprocessing.normalization,
            in: (0..<steps).map { order.drawn(sampler.batch(completedSteps: $0)) })
        return (picture.png, "the first \(HumanText.count(shown.count)) samples of epoch 1 as training gets them")
    }
}
