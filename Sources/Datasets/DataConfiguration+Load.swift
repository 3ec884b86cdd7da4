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
            throw Failure(
                .badConfiguration,
                rule.wantsInputs
                    ? "data.target_kind: found input, but in the checkpoint each target is \(stored.targetKind)"
                    : "data.target_kind: expected input, since in the checkpoint each target is \(stored.targetKind)")
        }
        return try source.load(self, rule, stored: stored)
    }

    /// The splits of samples that stay as their file has them.
    func splits(
        _ samples: EncodedSamples, inputShape: Shape, _ coded: CodedLabels,
        rows: (train: [Int32], validation: [Int32])?, _ stored: Preprocessing?,
        fallback: Normalization, name: String, images: ImageSchema? = nil
    ) throws -> DataSplits {
        let found = Preprocessing(
            inputShape: inputShape, targetKind: coded.kind, classNames: coded.classNames ?? rule.classNames,
            labels: coded.labels,
            normalization: try stored?.normalization
                ?? normalization(
                    inputShape, rows: rows?.train ?? Array(0..<Int32(samples.count)), fallback: fallback,
                    fetch: { samples.numbers(sample: $0, into: &$1) }),
            images: images)
        let preprocessing = try stored.map { try Self.require($0, toFit: found, name: name) } ?? found
        func dataset(_ rows: [Int32]?) -> Dataset {
            Dataset(
                inputs: .encoded(samples, Rescaling(preprocessing.normalization, width: inputShape.count)),
                inputShape: inputShape, targets: coded.targets, targetKind: coded.kind,
                classNames: preprocessing.classNames, rows: rows)
        }
        return DataSplits(
            train: dataset(rows?.train), validation: rows.map { dataset($0.validation) },
            preprocessing: preprocessing, notes: coded.notes)
    }

    func split(count: Int, name: String) throws -> (train: [Int32], validation: [Int32])? {
        try validationFraction.map { try Split.draw(count: count, fraction: $0, seed: splitSeed, name: name) }
    }

    /// The configured normalisation, the one that the training rows ask for, or `fallback`.
    func normalization(
        _ shape: Shape, rows: [Int32], untouched: Set<Int> = [], fallback: Normalization,
        fetch: (Int, inout [Double]) -> Void
    ) throws -> Normalization {
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
    static func require(
        _ stored: Preprocessing, toFit found: Preprocessing,
        name: String
    ) throws -> Preprocessing {
        let areSeries = stored.series != nil || stored.ucr != nil
        guard stored.table == nil, stored.tokenKinds == nil, !areSeries, stored.inputDimensions == found.inputDimensions else {
            let numbers = stored.tokenKinds == nil ? "samples of shape \(stored.inputShape)" : "text"
            let others = stored.table == nil ? (areSeries ? "series" : numbers) : "a table"
            throw Failure(
                .badConfiguration,
                "\(name): samples of shape \(found.inputShape), but the checkpoint was trained on \(others)")
        }
        guard stored.targetKind == found.targetKind else {
            throw Failure(
                .badConfiguration,
                "\(name): each target is \(found.targetKind), but the checkpoint was "
                    + "trained on \(stored.targetKind)")
        }
        return stored
    }
}

extension Dataset {
    /// Some of the samples; `rows` are places in memory.
    func part(_ rows: [Int32]) -> Dataset {
        Dataset(
            inputs: inputs, inputShape: inputShape, targets: targets, targetKind: targetKind,
            classNames: classNames, weights: weights, rows: rows)
    }
}
