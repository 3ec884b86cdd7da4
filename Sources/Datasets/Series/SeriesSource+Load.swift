import Diagnostics
import Storage

extension SeriesSource {
    private var trainingFile: TableFile { TableFile(path: train, format: format, options: .section("data.train")) }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let known = try stored.map(schema)
        let table = try CSVTable(trainingFile)
        var schema = try known ?? newSchema(table)
        let rows = try SeriesRows(
            table, try schema.places(in: table, withTargets: true), form: known?.time?.form, step: known?.time?.step)
        let cuts = try rows.series.map { try cut($0, of: rows, fraction: data.validationFraction) }
        if known == nil {
            if let form = rows.form { schema.time?.form = form }
            schema.time?.step = rows.step
            if data.standardizes { try schema.standardize(rows, zip(rows.series, cuts).map { $0.rows.lowerBound..<$1 }) }
        }
        let preprocessing =
            stored
            ?? Preprocessing(
                inputShape: schema.inputShape, targetKind: schema.targetKind, classNames: nil, normalization: .none,
                series: schema)
        let values = try schema.normalized(rows)
        func dataset(_ parts: [(rows: Range<Int>, isHeld: Bool)]) throws -> Dataset {
            try schema.dataset(
                values, rows, parts.map(\.rows), looksBack: parts.contains { $0.isHeld }, stride: stride, season: season)
        }
        let learned = try dataset(zip(rows.series, cuts).map { ($0.rows.lowerBound..<$1, false) })
        var held: Dataset?
        if data.validationFraction != nil {
            held = try dataset(zip(rows.series, cuts).map { ($1..<$0.rows.upperBound, true) })
        } else if let validation {
            let file = TableFile(path: validation.path, format: validation.format, options: .section("data.validation"))
            held = try schema.read(file, isLabelled: true, season: season)
        }
        return DataSplits(train: learned, validation: held, preprocessing: preprocessing)
    }

    /// The end of the training rows of a series.
    private func cut(_ series: SeriesRows.Series, of rows: SeriesRows, fraction: Double?) throws -> Int {
        let count = series.rows.count
        let held = fraction.map { min(max(Int(($0 * Double(count)).rounded()), 1), count) } ?? 0
        let needed = window + horizon
        func failure(_ text: String) -> Failure {
            rows.table.file.failure(line: rows.lines[series.rows.lowerBound], text)
        }
        let name = "the series\(rows.name(series)) that begins here has \(count) row\(count == 1 ? "" : "s")"
        guard count - held >= needed else {
            throw failure(
                "\(name)\(fraction == nil ? "" : ", of which \(count - held) are for training"), but a sample takes \(needed) "
                    + "(data.window: \(window), data.horizon: \(horizon)); use smaller ones, or leave the series out")
        }
        guard fraction == nil || held >= horizon else {
            throw failure(
                "\(name), of which \(held) \(held == 1 ? "is" : "are") for validation, but a sample foresees \(horizon) "
                    + "(data.horizon); use a larger data.validation_fraction, or leave the series out")
        }
        return series.rows.upperBound - held
    }

    /// What a table of the configuration's columns is, before anything was learnt from it.
    private func newSchema(_ table: CSVTable) throws -> SeriesSchema {
        let targetIndices = try target.map { try table.index(of: $0, option: "data.train.target") }
        let inputIndices = try inputs.map { try table.index(of: $0, option: "data.train.inputs") }
        let timeIndex = try time.map { try table.index(of: $0, option: "data.train.time") }
        let keyIndex = try key.map { try table.index(of: $0, option: "data.train.key") }
        for (option, indices) in [("target", targetIndices), ("inputs", inputIndices)] {
            var seen: Set<Int> = []
            for index in indices where !seen.insert(index).inserted {
                throw Failure(
                    .badConfiguration, "data.train.\(option): column \"\(shortened(table.label(index)))\" is named twice")
            }
        }
        for (option, index) in [("time", timeIndex), ("key", keyIndex)] {
            guard let index else { continue }
            let other = option == "time" ? keyIndex : timeIndex
            guard !inputIndices.contains(index), !targetIndices.contains(index), index != other else {
                throw Failure(
                    .badConfiguration,
                    "data.train.\(option): column \"\(shortened(table.label(index)))\" is named for something else too; time and key "
                        + "are columns of their own")
            }
        }
        let indices = inputIndices + targetIndices.filter { !inputIndices.contains($0) }
        func named(_ index: Int) -> TableSchema.Target { TableSchema.Target(name: table.label(index), index: index) }
        return SeriesSchema(
            format: format, columns: indices.map { SeriesSchema.Column(name: table.label($0), index: $0) },
            inputCount: inputIndices.count, targets: targetIndices.compactMap { indices.firstIndex(of: $0) },
            time: timeIndex.map { .init(name: table.label($0), index: $0, form: TimeForm(kind: .number)) },
            key: keyIndex.map(named), window: window, horizon: horizon, stride: stride)
    }

    /// What a checkpoint keeps of its series, which has to be what the configuration asks for.
    private func schema(of stored: Preprocessing) throws -> SeriesSchema {
        guard let schema = stored.series else {
            throw Failure(
                .badConfiguration,
                "data.format: series, but the checkpoint was trained on samples of shape \(stored.inputShape), not on series")
        }
        guard schema.window == window, schema.horizon == horizon, (schema.time == nil) == (time == nil),
            (schema.key == nil) == (key == nil), schema.inputCount == inputs.count, schema.targets.count == target.count
        else {
            throw Failure(
                .badConfiguration,
                "data.window, horizon, time, key, inputs or target: the checkpoint was trained with window: \(schema.window), horizon: "
                    + "\(schema.horizon), time: \(schema.time?.name ?? "none"), key: \(schema.key?.name ?? "none"), "
                    + "\(schema.inputCount) inputs and \(schema.targets.count) targets; it can be used with nothing else")
        }
        return schema
    }
}

extension SeriesSchema {
    /// Learns mean and deviation of each column from rows; a column that never changes keeps its deviation of 1.
    mutating func standardize(_ rows: SeriesRows, _ parts: [Range<Int>]) throws {
        let width = columns.count
        let found = Normalization(standardizing: width, rows: parts.flatMap { $0.map { Int32($0) } }) { row, numbers in
            for column in 0..<width { numbers[column] = rows.cells[row * width + column] }
        }
        guard found.problem(width: width, prefix: "") == nil else {
            throw Failure(.badData, "the training data are too large to be standardized; scale them down")
        }
        for column in columns.indices {
            columns[column].mean = found.mean[column]
            columns[column].std = found.std[column]
        }
    }

    /// The numbers of rows as they are stored.
    func normalized(_ rows: SeriesRows) throws -> [Float] {
        let width = rows.width
        var values: [Float] = []
        values.reserveCapacity(rows.cells.count)
        for row in rows.lines.indices {
            for column in 0..<width {
                let value = Float(columns[column].normalized(rows.cells[row * width + column]))
                guard value.isFinite else {
                    throw rows.failure(
                        row: row, column: rows.places.columns[column],
                        "\(rows.cells[row * width + column]) is too large for Float32")
                }
                values.append(value)
            }
        }
        return values
    }

    /// The samples whose targets lie in `parts`, one part of each series.
    ///
    /// - Parameter looksBack: whether their inputs may lie before.
    func dataset(
        _ values: [Float], _ rows: SeriesRows, _ parts: [Range<Int>], looksBack: Bool, stride: Int, season: Int?
    ) throws -> Dataset {
        var starts: [Int32] = []
        for (series, part) in zip(rows.series, parts) {
            let first = looksBack ? max(series.rows.lowerBound, part.lowerBound - window) : part.lowerBound
            guard part.upperBound - horizon - window >= first else { continue }
            for start in Swift.stride(from: first, through: part.upperBound - horizon - window, by: stride) {
                starts.append(Int32(start))
            }
        }
        return dataset(values, rows, parts, starts, season: season, isLabelled: true)
    }

    private func dataset(
        _ values: [Float], _ rows: SeriesRows, _ parts: [Range<Int>], _ starts: [Int32], season: Int?, isLabelled: Bool
    ) -> Dataset {
        let described = zip(rows.series, parts).map { series, part in
            SeriesWindows.Part(
                key: series.key, rows: part, seriesStart: series.rows.lowerBound,
                span: rows.times.isEmpty ? nil : (rows.times[part.lowerBound], rows.times[part.upperBound - 1]),
                anchor: rows.anchor(series))
        }
        return Dataset(
            inputs: .series(
                SeriesWindows(
                    self, values: values, width: rows.width, starts: starts, parts: described, season: season,
                    hasTargets: isLabelled)),
            inputShape: inputShape, targets: isLabelled ? .rowsBehind : nil, targetKind: targetKind, classNames: nil)
    }

    /// The samples of a file of its own: with targets all windows that have them, without the last window of each series.
    func read(_ file: TableFile, isLabelled: Bool, season: Int? = nil) throws -> Dataset {
        let table = try CSVTable(file)
        let rows = try SeriesRows(
            table, try places(in: table, withTargets: isLabelled), form: time?.form, step: time?.step)
        let needed = window + (isLabelled ? horizon : 0)
        for series in rows.series where series.rows.count < needed {
            throw file.failure(
                line: rows.lines[series.rows.lowerBound],
                "the series\(rows.name(series)) that begins here has \(series.rows.count) row\(series.rows.count == 1 ? "" : "s"), but "
                    + (isLabelled
                        ? "a sample takes \(needed) (data.window: \(window), data.horizon: \(horizon)); put more in, or leave the series out"
                        : "a forecast takes \(needed) (data.window); put more in, or leave the series out"))
        }
        let values = try normalized(rows)
        let parts = rows.series.map(\.rows)
        guard isLabelled else {
            return dataset(values, rows, parts, parts.map { Int32($0.upperBound - window) }, season: nil, isLabelled: false)
        }
        return try dataset(values, rows, parts, looksBack: false, stride: stride, season: season)
    }
}

extension SeriesSource {
    /// Whatever is in a file, to a network that was trained on series it is series.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { preprocessing.series != nil }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.series else { preconditionFailure("series for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(
                .badConfiguration, "--targets: the targets of series are columns of their table; leave it out")
        }
        let file = TableFile(path: new.path, format: new.options?.format ?? schema.format, options: .commandLine)
        return .init(dataset: try schema.read(file, isLabelled: new.isLabelled))
    }
}

extension Dataset {
    /// What predictions from the last windows of series are told apart by.
    package struct Forecast: Sendable {
        /// The name of the series; nil where the file is one.
        package let key: String?
        /// The times of the steps, as the file writes them; without a column of times their numbers, from 1.
        package let times: [String]
    }

    /// The series of a sample, and the steps that are foreseen of it; nil where samples are no windows of series, one of each.
    package func forecast(of sample: Int32, _ preprocessing: Preprocessing) -> Forecast? {
        guard case .series(let windows) = inputs, targets == nil, let schema = preprocessing.series else { return nil }
        let part = windows.parts[Int(sample)]
        return Forecast(
            key: part.key,
            times: (1...schema.horizon).map { count in
                guard let time = schema.time, let last = part.span?.last else { return String(count) }
                return time.step?.advance(last, by: count, anchor: part.anchor).map { time.form.text($0) } ?? ""
            })
    }
}
