import Diagnostics
import Storage

extension DataConfiguration {
    /// Reads the splits. `preference` is what the loss asks of targets that could be classes or numbers. With `stored`
    /// (of a checkpoint) the training data must fit what is stored, and its numbers, columns and classes are used instead
    /// of being found anew.
    ///
    /// Errors: 66 for a missing file, 65 for what is wrong in one, 71 where memory doesn't suffice, 78 where
    /// configuration and data don't fit, 74 where reading fails.
    package func load(with stored: Preprocessing? = nil, preference: TargetPreference? = nil) throws -> DataSplits {
        var rule = rule
        rule.preference = preference
        if let stored, stored.targetKind.areInputs != rule.wantsInputs {
            throw Failure(.badConfiguration, rule.wantsInputs
                ? "data.target_kind: found input, but in the checkpoint each target is \(stored.targetKind)"
                : "data.target_kind: expected input, since in the checkpoint each target is \(stored.targetKind)")
        }
        return switch source {
        case .digits: try loadDigits(rule, stored)
        case .idx(let train, let validation): try loadIDX(train, validation, stored.map(TargetRule.init) ?? rule, stored)
        case .csv(let csv): try loadCSV(csv, rule, stored)
        case .text(let text): try loadText(text, stored)
        }
    }

    private func loadDigits(_ rule: TargetRule, _ stored: Preprocessing?) throws -> DataSplits {
        let (samples, labels) = try Digits.load()
        let rows = Digits.split
        let coded = rule.wantsInputs ? CodedLabels(targets: nil, kind: .inputs(count: Digits.pixelCount))
            : CodedLabels(targets: .classes(labels), kind: .classes(count: Digits.classCount))
        return try splits(samples, inputShape: Shape([Digits.pixelCount]), coded, rows: (rows.train, rows.validation), stored,
                          fallback: Digits.normalization, name: "digits")
    }

    private func loadIDX(_ train: IDXPaths, _ validation: IDXPaths?, _ rule: TargetRule,
                         _ stored: Preprocessing?) throws -> DataSplits {
        let inputs = try IDXFile(path: train.inputs)
        try inputs.requireFinite()
        let coded = try train.targets.map {
            try IDXFile(path: $0).targets(following: rule, sampleCount: inputs.samples.count, inputs: inputs.path,
                                          isTraining: stored == nil)
        } ?? CodedLabels(targets: nil, kind: .inputs(count: inputs.shape.count))
        let rows = try validationFraction.map {
            try Split.draw(count: inputs.samples.count, fraction: $0, seed: splitSeed, name: inputs.path)
        }
        var splits = try splits(inputs.samples, inputShape: inputs.shape, coded, rows: rows.map { ($0, $1) }, stored,
                                fallback: .none, name: inputs.path)
        guard let validation else { return splits }
        let held = try IDXFile(path: validation.inputs)
        let answers = try validation.targets.map { try IDXFile(path: $0) }
        splits.validation = try splits.preprocessing.dataset(of: held, targets: answers)
        return splits
    }

    /// The splits of samples that stay as their file has them.
    private func splits(_ samples: EncodedSamples, inputShape: Shape, _ coded: CodedLabels,
                        rows: (train: [Int32], validation: [Int32])?, _ stored: Preprocessing?,
                        fallback: Normalization, name: String) throws -> DataSplits {
        let found = Preprocessing(
            inputShape: inputShape, targetKind: coded.kind, classNames: coded.classNames ?? rule.classNames,
            labels: coded.labels,
            normalization: try stored?.normalization ?? normalization(
                inputShape, rows: rows?.train ?? Array(0..<Int32(samples.count)), fallback: fallback,
                fetch: { samples.numbers(sample: $0, into: &$1) }))
        let preprocessing = try stored.map { try Self.require($0, toFit: found, name: name) } ?? found
        func dataset(_ rows: [Int32]?) -> Dataset {
            Dataset(inputs: .encoded(samples, Rescaling(preprocessing.normalization, width: inputShape.count)),
                    inputShape: inputShape, targets: coded.targets, targetKind: coded.kind,
                    classNames: preprocessing.classNames, rows: rows)
        }
        return DataSplits(train: dataset(rows?.train), validation: rows.map { dataset($0.validation) },
                          preprocessing: preprocessing, notes: coded.notes)
    }

    private func loadCSV(_ csv: CSVSource, _ rule: TargetRule, _ stored: Preprocessing?) throws -> DataSplits {
        if let stored { return try loadCSV(csv, with: stored) }
        let parsed = try csv.readTraining(rule)
        let rows = try split(count: parsed.content.lines.count, name: csv.train.path)
        let trainRows = rows?.train ?? Array(0..<Int32(parsed.content.lines.count))
        let schema = try parsed.schema.learningMeans(parsed.content, rows: trainRows, path: csv.train.path)
        let preprocessing = Preprocessing(
            inputShape: Shape([schema.width]), targetKind: parsed.targets.kind, classNames: parsed.targets.classNames,
            normalization: try normalization(Shape([schema.width]), rows: trainRows, untouched: schema.indicators,
                                             fallback: .none,
                                             fetch: { schema.encode($0, of: parsed.content, into: &$1) }),
            table: schema)
        let inputs = try schema.inputs(of: parsed.content, preprocessing.normalization, path: csv.train.path)
        let all = Dataset(inputs: .ready(inputs, count: parsed.content.lines.count),
                          inputShape: preprocessing.inputShape,
                          targets: parsed.targets.targets, targetKind: parsed.targets.kind,
                          classNames: parsed.targets.classNames, weights: parsed.weights)
        return try splits(all, rows, csv, preprocessing, notes: parsed.notes)
    }

    private func loadCSV(_ csv: CSVSource, with stored: Preprocessing) throws -> DataSplits {
        guard let schema = stored.table else {
            throw Failure(.badConfiguration, "data.format: csv, but the checkpoint was trained on samples of shape "
                + "\(stored.inputShape), not on a table")
        }
        let read = try stored.readTable(csv.trainingFile(csv.train.path), targetPath: csv.train.targets, schema: schema,
                                        isLabelled: true)
        return try splits(read.dataset, try split(count: read.dataset.count, name: csv.train.path), csv, stored,
                          notes: read.notes)
    }

    private func splits(_ all: Dataset, _ rows: (train: [Int32], validation: [Int32])?, _ csv: CSVSource,
                        _ preprocessing: Preprocessing, notes: [String]) throws -> DataSplits {
        if let rows {
            let train = all.part(rows.train), validation = all.part(rows.validation)
            try train.requireWeight("training samples", path: csv.train.path)
            try validation.requireWeight("validation samples", path: csv.train.path)
            return DataSplits(train: train, validation: validation, preprocessing: preprocessing, notes: notes)
        }
        try all.requireWeight("training samples", path: csv.train.path)
        let validation = try csv.validation.flatMap { files in
            try preprocessing.table.map {
                try preprocessing.readTable(TableFile(path: files.path, format: files.format,
                                                      options: .section("data.validation")),
                                            targetPath: files.targets, schema: $0, isLabelled: true)
            }
        }
        try validation?.dataset.requireWeight("validation samples", path: csv.validation?.path ?? "")
        return DataSplits(train: all, validation: validation?.dataset, preprocessing: preprocessing,
                          notes: notes + (validation?.notes ?? []))
    }

    private func split(count: Int, name: String) throws -> (train: [Int32], validation: [Int32])? {
        try validationFraction.map { try Split.draw(count: count, fraction: $0, seed: splitSeed, name: name) }
    }

    /// The configured normalisation, the one that the training rows ask for, or `fallback`.
    private func normalization(_ shape: Shape, rows: [Int32], untouched: Set<Int> = [], fallback: Normalization,
                               fetch: (Int, inout [Double]) -> Void) throws -> Normalization {
        let width = shape.count
        if standardizes {
            let found = Normalization(standardizing: width, rows: rows, untouched: untouched, fetch: fetch)
            guard found.problem(width: width, prefix: "") == nil else {
                throw Failure(.badData, "the training data are too large to be standardized; scale them down")
            }
            return found
        }
        guard let normalization = normalization?.expanded(perChannelOf: shape) else { return fallback }
        if let problem = normalization.problem(width: width, prefix: "data.normalize.") {
            throw Failure(.badConfiguration, problem)
        }
        return normalization
    }

    /// `stored`, which has to describe samples like those that were found.
    private static func require(_ stored: Preprocessing, toFit found: Preprocessing,
                                name: String) throws -> Preprocessing {
        guard stored.table == nil, stored.inputDimensions == found.inputDimensions else {
            throw Failure(.badConfiguration, "\(name): samples of shape \(found.inputShape), but the checkpoint was "
                + "trained on \(stored.table == nil ? "samples of shape \(stored.inputShape)" : "a table")")
        }
        guard stored.targetKind == found.targetKind else {
            throw Failure(.badConfiguration, "\(name): each target is \(found.targetKind), but the checkpoint was "
                + "trained on \(stored.targetKind)")
        }
        return stored
    }
}

extension Dataset {
    /// Some of the samples; `rows` are places in memory.
    func part(_ rows: [Int32]) -> Dataset {
        Dataset(inputs: inputs, inputShape: inputShape, targets: targets, targetKind: targetKind,
                classNames: classNames, weights: weights, rows: rows)
    }
}
