import Diagnostics
import Storage

/// How the rows of a table with series become samples: kept in the checkpoint, so that other files are read the same way.
package struct SeriesSchema: Hashable, Codable, Sendable {
    /// A column of numbers; an input or target is (number − mean) / std.
    struct Column: Hashable, Codable, Sendable {
        var name: String
        /// Its place in the training file.
        var index: Int
        var mean = 0.0
        var std = 1.0

        func normalized(_ number: Double) -> Double { (number - mean) / std }
        func undone(_ value: Double) -> Double { value * std + mean }
    }

    /// The column of times.
    struct Time: Hashable, Codable, Sendable {
        var name: String
        var index: Int
        var form: TimeForm
        /// Nil where no series of the training file has two rows.
        var step: SeriesStep?
    }

    var format: CSVFormat
    /// The inputs in their order, and behind them the targets that are no inputs.
    var columns: [Column]
    var inputCount: Int
    /// The places of the targets in `columns`, in their order.
    var targets: [Int]
    var time: Time?
    /// The column that says which series a row is of.
    var key: TableSchema.Target?
    /// Rows of a sample.
    package let window: Int
    /// Rows behind them that are foreseen.
    package let horizon: Int
    /// Rows between the beginnings of two samples of training and validation.
    let stride: Int

    /// More rows of a sample, or rows to be foreseen, are refused.
    static let mostRows = 1 << 20

    /// What doesn't fit together in a schema from a file; nil if all does.
    var problem: String? {
        guard (1...Self.mostRows).contains(window), (1...Self.mostRows).contains(horizon), (1...Int(Int32.max)).contains(stride)
        else { return "series: windows of \(window) rows, \(horizon) ahead, \(stride) apart" }
        guard (1...CSVScanner.mostCells).contains(columns.count), (1...columns.count).contains(inputCount), !targets.isEmpty,
            Set(targets).count == targets.count, targets.allSatisfy(columns.indices.contains),
            (inputCount..<columns.count).allSatisfy(targets.contains)
        else { return "series: columns that are neither input nor target" }
        let others = (time.map { [($0.name, $0.index)] } ?? []) + (key.map { [($0.name, $0.index)] } ?? [])
        let names = columns.map(\.name) + others.map(\.0)
        let indices = columns.map(\.index) + others.map(\.1)
        guard Set(names).count == names.count, Set(indices).count == indices.count,
            indices.allSatisfy({ (0..<CSVScanner.mostCells).contains($0) })
        else { return "series: one column in two places" }
        guard columns.allSatisfy({ $0.mean.isFinite && $0.std.isFinite && $0.std > 0 }) else {
            return "series: expected finite numbers, and deviations greater than 0"
        }
        return time.flatMap { time in time.form.problem ?? time.step?.problem(time.form) }
    }

    /// What the columns to be foreseen are called, in the order of the outputs of a step.
    package var targetNames: [String] { targets.map { columns[$0].name } }

    /// What the columns of a forecast are called: the key, the time or else the number of the step, and the targets.
    package var forecastColumns: [String] { (key.map { [$0.name] } ?? []) + [time?.name ?? "step"] + targetNames }

    var inputShape: Shape { Shape([window, inputCount]) }

    /// Steps 1 to `horizon`, each of them all targets.
    var targetKind: TargetKind { .values(count: horizon * targets.count) }

    /// Whether numbers of columns are another unit than inputs and targets.
    package var isStandardized: Bool { columns.contains { $0.mean != 0 || $0.std != 1 } }

    /// The number of the file that an output stands for, `target` counted within a step.
    package func undone(_ output: Float, target: Int) -> Double { columns[targets[target]].undone(Double(output)) }

    /// The columns of a table in which rows of this kind are read; targets that are no inputs only where they are wanted.
    func places(in table: CSVTable, withTargets: Bool) throws -> SeriesPlaces {
        if let names = table.names, !columns.contains(where: { names.contains($0.name) }) {
            throw table.file.failure(
                line: table.firstLine,
                "expected the header of the training data (\(CSVTable.list(columns.map(\.name)))), found \(CSVTable.list(names)); "
                    + "put that line in front of the data\(table.delimiterAdvice)")
        }
        func place(_ name: String, _ index: Int) throws -> Int { try Preprocessing.place(of: name, index, in: table) }
        return SeriesPlaces(
            columns: try (withTargets ? columns[...] : columns[..<inputCount]).map { try place($0.name, $0.index) },
            time: try time.map { try place($0.name, $0.index) }, key: try key.map { try place($0.name, $0.index) })
    }
}

/// Where the columns of series are in a table.
struct SeriesPlaces {
    let columns: [Int]
    let time: Int?
    let key: Int?
}
