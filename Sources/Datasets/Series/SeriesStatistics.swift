/// What the series of a split are like.
package struct SeriesStatistics: Sendable {
    /// A simple forecast, to compare others with.
    package struct Baseline: Sendable {
        package let name: String
        /// Samples for which it can be made.
        package let sampleCount: Int
        /// Means over samples, steps and targets, in the unit of the loss.
        package let squaredError: Double, absoluteError: Double
    }

    package let seriesCount: Int
    /// Rows of the split's own; windows of a validation may look back into rows of the training.
    package let rowCount: Int
    package let windowCount: Int
    /// The earliest and the latest time, as the file writes them, and how far rows are apart; nil without a column of times.
    package let span: (first: String, last: String, step: String)?
    /// The numbers of the file in these rows, column by column.
    package let columns: [(name: String, numbers: RunningStatistics)]
    package let baselines: [Baseline]
}

extension Dataset {
    /// Looks at all rows and targets; nil where the samples are no windows of series.
    package func seriesStatistics(_ preprocessing: Preprocessing) -> SeriesStatistics? {
        guard case .series(let windows) = inputs, let schema = preprocessing.series else { return nil }
        var numbers = [RunningStatistics](repeating: RunningStatistics(), count: schema.columns.count)
        for part in windows.parts {
            for row in part.rows {
                for (column, name) in schema.columns.enumerated() {
                    numbers[column].add(name.undone(Double(windows.value(row: row, column: column))))
                }
            }
        }
        var span: (first: String, last: String, step: String)?
        if let time = schema.time, var (first, last) = windows.parts.first?.span {
            for other in windows.parts.compactMap(\.span) {
                if other.first.isEarlier(than: first) { first = other.first }
                if last.isEarlier(than: other.last) { last = other.last }
            }
            span = (time.form.text(first), time.form.text(last), time.step?.text ?? "")
        }
        return SeriesStatistics(
            seriesCount: windows.parts.count, rowCount: windows.parts.reduce(0) { $0 + $1.rows.count },
            windowCount: windows.count, span: span, columns: Array(zip(schema.columns.map(\.name), numbers)),
            baselines: targets == nil ? [] : windows.baselines(schema.targets))
    }
}

extension SeriesWindows {
    /// The last value, and the one a season before where there is a season, as forecasts of the targets.
    ///
    /// - Parameter targets: their places in a row.
    fileprivate func baselines(_ targets: [Int]) -> [SeriesStatistics.Baseline] {
        var found = [baseline("last value", targets) { last, _ in last }].compactMap { $0 }
        if let season,
            let seasonal = baseline(
                "value a season (\(season) rows) before", targets,
                from: { last, step in
                    // The same place in the latest season that is known.
                    last + step - (step + season - 1) / season * season
                })
        {
            found.append(seasonal)
        }
        return found
    }

    /// - Parameter row: which row the forecast is taken from, of the last row of a sample and the step to be foreseen, 1 to `horizon`.
    private func baseline(_ name: String, _ targets: [Int], from row: (_ last: Int, _ step: Int) -> Int) -> SeriesStatistics
        .Baseline?
    {
        var squares = 0.0
        var distances = 0.0
        var count = 0
        var index = 0
        for start in starts {
            let last = Int(start) + window - 1
            while index + 1 < parts.count, parts[index].rows.upperBound <= last + 1 { index += 1 }
            guard (1...horizon).allSatisfy({ row(last, $0) >= parts[index].seriesStart }) else { continue }
            count += 1
            for step in 1...horizon {
                for column in targets {
                    let error =
                        Double(value(row: last + step, column: column)) - Double(value(row: row(last, step), column: column))
                    squares += error * error
                    distances += abs(error)
                }
            }
        }
        guard count > 0 else { return nil }
        let total = Double(count) * Double(horizon * targets.count)
        return .init(name: name, sampleCount: count, squaredError: squares / total, absoluteError: distances / total)
    }
}
