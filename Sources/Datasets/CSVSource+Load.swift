import Diagnostics
import Settings
import Storage

extension CSVSource {
    /// Reads the keys of `format: csv`; `usesInputs` where the inputs are the targets.
    init(_ settings: Settings, usesInputs: Bool) throws {
        let train = try DataConfiguration.section(settings, "train")
        let path = try train.string("path")
        let targets = try train.optionalString("targets")
        target = try train.optionalStrings("target")
        features = try train.optionalStrings("features")
        categorical = try train.optionalStrings("categorical") ?? []
        weight = try train.optionalString("weight")
        let format = try CSVFormat(train)
        self.train = Files(path: path, targets: targets, format: format)
        if usesInputs { try DataConfiguration.refuseTargets(in: train, "target", "targets") }
        guard usesInputs || target != nil || self.train.targets != nil else {
            throw train.failure(
                "target",
                "missing; expected the name or number of the column to predict, a list of "
                    + "them, or a file of targets (\"targets: FILE\")")
        }
        guard target == nil || self.train.targets == nil else {
            throw train.failure("target", "target names a column and targets a file; leave out one of the two")
        }
        guard target?.isEmpty != true else {
            throw train.failure("target", "an empty list; expected the name or number of a column")
        }
        guard features?.isEmpty != true else {
            throw train.failure(
                "features",
                "an empty list; expected names or numbers of columns, or nothing for all "
                    + "others")
        }
        let hasTargetFile = self.train.targets != nil
        validation = try settings.optionalSection("validation").map { section in
            let files = Files(
                path: try section.string("path"), targets: try section.optionalString("targets"),
                format: try CSVFormat(section, base: format))
            if usesInputs { try DataConfiguration.refuseTargets(in: section, "targets") }
            guard (files.targets != nil) == hasTargetFile else {
                throw section.failure(
                    "targets",
                    hasTargetFile
                        ? "missing; expected a file of targets, as in train"
                        : "the targets are a column of the table, as in train; leave this key out")
            }
            return files
        }
        fillsMissing = try settings.choice("missing", of: ["error", "mean"], default: "error") == "mean"
    }

    var tableOptions: TableOptions? { TableOptions(format: train.format) }

    /// Whatever no other format recognizes: a table has no mark of its own.
    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        try preprocessing.readTable(new)
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        if let stored { return try load(data, with: stored) }
        let parsed = try readTraining(rule)
        let rows = try data.split(count: parsed.content.lines.count, name: train.path)
        let trainRows = rows?.train ?? Array(0..<Int32(parsed.content.lines.count))
        let schema = try parsed.schema.learningMeans(parsed.content, rows: trainRows, path: train.path)
        let preprocessing = Preprocessing(
            inputShape: Shape([schema.width]), targetKind: parsed.targets.kind, classNames: parsed.targets.classNames,
            normalization: try data.normalization(
                Shape([schema.width]), rows: trainRows, untouched: schema.indicators,
                fallback: .none,
                fetch: { schema.encode($0, of: parsed.content, into: &$1) }),
            table: schema)
        let inputs = try schema.inputs(of: parsed.content, preprocessing.normalization, path: train.path)
        let all = Dataset(
            inputs: .ready(inputs, count: parsed.content.lines.count),
            inputShape: preprocessing.inputShape,
            targets: parsed.targets.targets, targetKind: parsed.targets.kind,
            classNames: parsed.targets.classNames, weights: parsed.weights)
        return try splits(all, rows, preprocessing, notes: parsed.notes)
    }

    private func load(_ data: DataConfiguration, with stored: Preprocessing) throws -> DataSplits {
        guard let schema = stored.table else {
            throw Failure(
                .badConfiguration,
                "data.format: csv, but the checkpoint was trained on samples of shape "
                    + "\(stored.inputShape), not on a table")
        }
        let read = try stored.readTable(
            trainingFile(train.path), targetPath: train.targets, schema: schema,
            isLabelled: true)
        return try splits(
            read.dataset, try data.split(count: read.dataset.count, name: train.path), stored,
            notes: read.notes)
    }

    private func splits(
        _ all: Dataset, _ rows: (train: [Int32], validation: [Int32])?,
        _ preprocessing: Preprocessing, notes: [String]
    ) throws -> DataSplits {
        try DataSplits(all, rows, preprocessing, path: train.path, notes: notes) {
            try validation.flatMap { files in
                try preprocessing.table.map {
                    let file = TableFile(path: files.path, format: files.format, options: .section("data.validation"))
                    return (
                        files.path, try preprocessing.readTable(file, targetPath: files.targets, schema: $0, isLabelled: true)
                    )
                }
            }
        }
    }
}

extension DataSplits {
    /// Those of a table: `rows` of it, or all of it and what `validation` reads, if anything, from a file of its own.
    ///
    /// - Throws: 65 where all samples of a split weigh 0.
    init(
        _ all: Dataset, _ rows: (train: [Int32], validation: [Int32])?, _ preprocessing: Preprocessing, path: String,
        notes: [String], validation: () throws -> (path: String, reading: Preprocessing.Reading)?
    ) throws {
        let learned = rows.map { all.part($0.train) } ?? all
        try learned.requireWeight("training samples", path: path)
        let other = try rows == nil ? validation() : nil
        let held = rows.map { all.part($0.validation) } ?? other?.reading.dataset
        try held?.requireWeight("validation samples", path: other?.path ?? path)
        self.init(
            train: learned, validation: held, preprocessing: preprocessing, notes: notes + (other?.reading.notes ?? []))
    }
}
