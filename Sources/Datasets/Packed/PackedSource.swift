import Diagnostics
import Settings
import Storage

/// `format: packed`: files that `dtrain pack` has written.
///
///     data:
///       format: packed
///       train: {path: train.packed}
///       validation: {path: validation.packed}
struct PackedSource: DataFormat {
    static let kind = "packed"

    private let train: String
    private let validation: String?
    private let usesInputs: Bool

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try DataConfiguration.section(settings, "train").string("path")
        validation = try settings.optionalSection("validation").map { try $0.string("path") }
        self.usesInputs = usesInputs
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let file = try PackedFile(path: train)
        try file.requireFinite()
        let description = file.description
        var kind = usesInputs ? TargetKind.inputs(count: file.shape.count) : description.target
        switch kind {
        case .classes(let count):
            guard rule.wantsClasses != false, rule.classCount ?? count == count else {
                throw Failure(
                    .badConfiguration,
                    "data: each target in \(train) is \(kind); leave out target_kind, classes and class_names, or give as many")
            }
        case .values:
            guard rule.wantsClasses != true else {
                throw Failure(
                    .badConfiguration,
                    "data.target_kind: each target in \(train) is \(kind); expected value, or pack it with "
                        + "classes")
            }
        case .inputs:
            guard usesInputs else {
                throw Failure(.badConfiguration, "data.target_kind: \(train) has no targets; expected input")
            }
        case .positions: kind = description.target
        }
        let coded = CodedLabels(
            targets: usesInputs ? nil : file.targets, kind: kind, labels: usesInputs ? nil : description.labels,
            names: usesInputs ? nil : description.classNames)
        var splits = try data.splits(
            file.samples, inputShape: file.shape, coded, rows: try data.split(count: file.samples.count, name: train), stored,
            fallback: .none, name: train, images: description.images)
        if let validation { splits.validation = try splits.preprocessing.dataset(of: PackedFile(path: validation), true) }
        return splits
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        try preprocessing.takesArrays && PackedFile.recognizes(path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        .init(dataset: try preprocessing.dataset(of: PackedFile(path: new.path), new.isLabelled))
    }
}

extension Preprocessing {
    /// The samples of a packed file, normalised as the training data were.
    fileprivate func dataset(of file: PackedFile, _ isLabelled: Bool) throws -> Dataset {
        let inputs = try dataset(of: file, targets: nil)
        guard isLabelled, !targetKind.areInputs else { return inputs }
        guard file.description.target == targetKind, file.description.classNames ?? classNames == classNames else {
            let names = file.description.classNames.map { " (\(CSVTable.list($0)))" } ?? ""
            throw Failure(
                .badData,
                "\(file.path): each target is \(file.description.target)\(names); expected \(targetKind)"
                    + (classNames.map { " (\(CSVTable.list($0)))" } ?? ""))
        }
        return Dataset(
            inputs: inputs.inputs, inputShape: inputShape, targets: file.targets, targetKind: targetKind, classNames: classNames
        )
    }
}
