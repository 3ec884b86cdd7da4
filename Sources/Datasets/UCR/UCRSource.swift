import Diagnostics
import Settings
import Storage

/// `format: ucr`: classified series, in files of the UCR archive (`*.tsv`) or the UEA archive (`*.ts`), .gz or plain.
///
///     data:
///       format: ucr
///       train: {path: FILE}
///       validation: {path: FILE}       # or validation_fraction
///       length: 128                    # steps of a sample; default: those of the longest series
///
/// A sample is [steps, dimensions]. Where series differ in length, shorter ones are padded at their ends and lengths honoured; longer ones
/// are cut there. Classes are called as the file spells them.
struct UCRSource: DataFormat {
    static let kind = "ucr"

    let train: String
    let validation: String?
    /// Nil for that of the longest series.
    let length: Int?

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try DataConfiguration.section(settings, "train").string("path")
        validation = try settings.optionalSection("validation").map { try $0.string("path") }
        length = try settings.optionalInt("length", in: 1...UCRSchema.mostSteps)
        try DataConfiguration.refuseClasses(in: settings, format: Self.kind, "the files name the classes")
        guard !settings.has("normalize") else {
            throw settings.failure(
                "normalize", "each dimension has a size of its own; set standardize: true instead with format: ucr")
        }
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let file = try UCRFile(path: train, isLabelled: true)
        let other = try validation.map { try UCRFile(path: $0, isLabelled: true) }
        let rows = try data.split(count: file.lines.count, name: train)
        let preprocessing = try stored.map(require) ?? learned(data, file, other, rows?.train)
        let all = try preprocessing.reading(file, isLabelled: true)
        let held = try other.map { try preprocessing.reading($0, isLabelled: true) }
        return DataSplits(
            train: rows.map { all.dataset.part($0.train) } ?? all.dataset,
            validation: rows.map { all.dataset.part($0.validation) } ?? held?.dataset, preprocessing: preprocessing,
            notes: all.notes + (held?.notes ?? []))
    }

    /// What the training series say of how others are read.
    private func learned(_ data: DataConfiguration, _ file: UCRFile, _ other: UCRFile?, _ rows: [Int32]?) throws
        -> Preprocessing
    {
        let names = file.listed ?? Self.inOrder(Set(file.classes))
        try TargetRule.requireTwoClasses(Set(file.classes).count, name: file.classes.first ?? "", place: train)
        let longest = max(file.longest, other?.longest ?? 0)
        let length = self.length ?? longest
        let areEqual =
            file.areEqual && (other?.areEqual ?? true) && file.longest == longest && (other?.longest ?? longest) == longest
        var schema = UCRSchema(
            length: length, dimensions: file.dimensions, hasLengths: !areEqual || length != longest,
            means: Array(repeating: 0, count: file.dimensions), deviations: Array(repeating: 1, count: file.dimensions))
        if data.standardizes {
            // Steps are the rows of which means are taken, those that no sample has room for left out.
            let steps = (rows ?? Array(0..<Int32(file.lines.count))).flatMap { series -> [Int32] in
                let start = file.starts[Int(series)]
                return (start..<start + min(file.length(of: Int(series)), length)).map { Int32(clamping: $0) }
            }
            let found = Normalization(standardizing: file.dimensions, rows: steps) { step, numbers in
                for dimension in numbers.indices { numbers[dimension] = file.values[step * file.dimensions + dimension] }
            }
            guard found.problem(width: file.dimensions, prefix: "") == nil else {
                throw Failure(.badData, "the training data are too large to be standardized; scale them down")
            }
            schema.means = found.mean
            schema.deviations = found.std
        }
        return Preprocessing(
            inputShape: schema.inputShape, targetKind: .classes(count: names.count), classNames: names, normalization: .none,
            ucr: schema)
    }

    /// Numbers by their size, others by code points.
    private static func inOrder(_ names: Set<String>) -> [String] {
        let numbers = names.map { (name: $0, number: NumberStyle.plain.parse($0)) }
        guard numbers.allSatisfy({ $0.number?.isFinite ?? false }) else { return names.sorted() }
        return numbers.sorted { ($0.number ?? 0, $0.name) < ($1.number ?? 0, $1.name) }.map(\.name)
    }

    /// What a checkpoint keeps of its series, which has to be what the configuration asks for.
    private func require(_ stored: Preprocessing) throws -> Preprocessing {
        guard let schema = stored.ucr else {
            throw Failure(
                .badConfiguration,
                "data.format: ucr, but the checkpoint was trained on samples of shape \(stored.inputShape), not on classified series"
            )
        }
        guard schema.length == length ?? schema.length else {
            throw Failure(
                .badConfiguration,
                "data.length: \(length ?? 0), but the checkpoint was trained on samples of \(schema.length) steps; leave it out"
            )
        }
        return stored
    }

    /// Whatever is in a file, to a network that was trained on classified series it is some.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { preprocessing.ucr != nil }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.ucr else { preconditionFailure("series for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(.badConfiguration, "--targets: the classes of series are in their file; leave it out")
        }
        let file = try UCRFile(
            path: new.path, isLabelled: new.isLabelled, unlabelledLength: schema.hasLengths ? nil : schema.length)
        return try preprocessing.reading(file, isLabelled: new.isLabelled)
    }
}

extension Preprocessing {
    /// The samples of a file of classified series.
    fileprivate func reading(_ file: UCRFile, isLabelled: Bool) throws -> Reading {
        guard let schema = ucr, let names = classNames else {
            preconditionFailure("series for a network that was trained on none")
        }
        let (steps, cutCount) = try schema.sequences(file)
        var targets: StoredTargets?
        if isLabelled {
            let known = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
            targets = .classes(
                try zip(file.classes, file.lines).map { name, line in
                    guard let place = known[name] else {
                        throw file.failure(
                            line,
                            "\"\(shortened(name))\" is not one of the classes of the training data"
                                + "\(suggestion(for: name, among: names)); known: \(CSVTable.list(names))")
                    }
                    return place
                })
        }
        return Reading(
            dataset: Dataset(
                inputs: .steps(steps), inputShape: inputShape, targets: targets, targetKind: targetKind, classNames: names),
            notes: file.notes
                + (cutCount == 0
                    ? [] : ["\(file.path): \(cutCount) series longer than \(schema.length) steps; cut at their ends"]))
    }
}
