import Diagnostics
import Settings

/// `format: series`: tables of numbers that follow each other in time, as windows and what comes behind them.
///
///     data:
///       format: series
///       train:
///         path: FILE                   # header, delimiter and so on as with csv
///         target: [a]                  # the columns to be foreseen, by name or number
///         inputs: [a, b]               # the columns to learn from; default: those of target
///         time: date                   # numbers or dates, equally far apart; default: rows are, as they stand
///         key: station                 # the column that says which series a row is of; default: the file is one series
///       validation: {path: FILE}       # or validation_fraction: the end of each series
///       window: 24                     # rows of a sample
///       horizon: 6                     # rows to be foreseen; default: 1
///       stride: 1                      # rows between the beginnings of two samples
///       season: 12                     # rows after which things come again: `dtrain data` compares with that
///       standardize: true              # inputs and targets, with mean and deviation of the training rows
///
/// A sample is `window` rows of a series, [window, inputs]; its targets are the target columns of the `horizon` rows behind, step by
/// step. With `validation_fraction` the last rows of each series are for validation: its targets lie in them, its inputs may lie before.
/// With `standardize` loss and metrics are in deviations of the targets, and predictions in the unit of the file.
struct SeriesSource: DataFormat {
    static let kind = "series"

    let train: String
    /// How the training table is written.
    let format: CSVFormat
    let validation: (path: String, format: CSVFormat)?
    /// Names or numbers of columns.
    let inputs: [String]
    let target: [String]
    let time: String?
    let key: String?
    let window: Int
    let horizon: Int
    let stride: Int
    let season: Int?

    init(_ settings: Settings, usesInputs: Bool) throws {
        let train = try DataConfiguration.section(settings, "train")
        self.train = try train.string("path")
        guard let target = try train.optionalStrings("target"), !target.isEmpty else {
            throw train.failure(
                "target", "missing; expected the name or number of the column to be foreseen, or a list of them")
        }
        self.target = target
        let inputs = try train.optionalStrings("inputs")
        guard inputs?.isEmpty != true else {
            throw train.failure("inputs", "an empty list; expected names or numbers of columns, or nothing for those of target")
        }
        self.inputs = inputs ?? target
        time = try train.optionalString("time")
        key = try train.optionalString("key")
        let format = try CSVFormat(train)
        self.format = format
        validation = try settings.optionalSection("validation").map {
            (try $0.string("path"), try CSVFormat($0, base: format))
        }
        window = try settings.int("window", in: 1...SeriesSchema.mostRows)
        horizon = try settings.int("horizon", default: 1, in: 1...SeriesSchema.mostRows)
        stride = try settings.int("stride", default: 1, in: 1...Int(Int32.max))
        season = try settings.optionalInt("season", in: 1...Int(Int32.max))
        try DataConfiguration.refuseClasses(in: settings, format: Self.kind, "numbers are to be foreseen")
        guard !settings.has("normalize") else {
            throw settings.failure(
                "normalize", "each column has a size of its own; set standardize: true instead with format: series")
        }
        guard try settings.int("split_seed", default: 0) == 0 else {
            throw settings.failure("split_seed", "series are split by time, never at random; leave it out with format: series")
        }
    }

    var tableOptions: TableOptions? { TableOptions(format: format) }
}

extension DataConfiguration {
    /// Refuses keys that say what classes are, where the format itself says what the targets are.
    static func refuseClasses(in settings: Settings, format: String, _ reason: String) throws {
        for key in ["target_kind", "classes", "class_names"] where settings.has(key) {
            throw settings.failure(key, "\(reason); leave it out with format: \(format)")
        }
    }
}
