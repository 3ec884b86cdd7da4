import Diagnostics
import Storage

/// `format: csv`: the tables of a configuration and how they are to be understood.
struct CSVSource: DataFormat {
    static let kind = "csv"

    /// A table, and its targets where they are a file of their own.
    struct Files: Sendable {
        let path: String
        let targets: String?
        /// How both are written.
        let format: CSVFormat
    }

    let train: Files
    let validation: Files?
    /// Names or numbers of the columns to predict; nil where they are a file of their own.
    let target: [String]?
    /// Names or numbers of the columns to learn from; nil for all others.
    let features: [String]?
    /// Name or number of the column that says what a sample counts in the loss.
    let weight: String?
    /// Columns that are categories whatever their cells look like.
    let categorical: [String]
    let fillsMissing: Bool

    /// More categories than this, in a column that nobody has called categorical, are names or keys.
    static let mostCategories = 1000

    /// The training table, before anything was learnt from it.
    struct Parsed {
        var content: CSVTable.Content
        var schema: TableSchema
        let targets: CodedTargets
        let weights: [Float]?
        let notes: [String]
    }

    /// A file of the training split as `data.train` describes it.
    func trainingFile(_ path: String) -> TableFile {
        TableFile(path: path, format: train.format, options: .section("data.train"))
    }

    /// Reads the training files; which columns are categorical and what the targets are follows from them.
    func readTraining(_ rule: TargetRule) throws -> Parsed {
        let table = try CSVTable(trainingFile(train.path))
        let targetIndices = try (target ?? []).map { try table.index(of: $0, option: "data.train.target") }
        try requireDistinct(targetIndices, table, "data.train.target")
        let weightIndex = try weight.map { try table.index(of: $0, option: "data.train.weight") }
        let featureIndices =
            try features.map { names in
                try names.map { try table.index(of: $0, option: "data.train.features") }
            } ?? (0..<table.columnCount).filter { !targetIndices.contains($0) && $0 != weightIndex }
        try requireDistinct(featureIndices, table, "data.train.features")
        if let both = featureIndices.first(where: targetIndices.contains) {
            throw Failure(
                .badConfiguration,
                "data.train.features: column \"\(shortened(table.label(both)))\" is the target; "
                    + "a network would learn nothing but to copy it")
        }
        if let weightIndex, (featureIndices + targetIndices).contains(weightIndex) {
            let use = targetIndices.contains(weightIndex) ? "the target" : "named in data.train.features"
            throw Failure(
                .badConfiguration,
                "data.train.weight: column \"\(shortened(table.label(weightIndex)))\" is \(use) "
                    + "too; a column says how much a sample counts, or something about it")
        }
        guard !featureIndices.isEmpty else {
            throw Failure(
                .badConfiguration,
                "data.train: \(train.path) has no column to learn from beside the target"
                    + table.delimiterAdvice)
        }
        let forced = try Set(categorical.map { try table.index(of: $0, option: "data.train.categorical") })
        let targetReading = CodedTargets.reading(rule, columnCount: targetIndices.count)
        var content = try table.read(
            featureIndices.map {
                CSVTable.Column(index: $0, reading: forced.contains($0) ? .texts : .inferred, mayBeMissing: fillsMissing)
            }
                + targetIndices.map {
                    CSVTable.Column(
                        index: $0, reading: forced.contains($0) ? .texts : targetReading, mayBeMissing: false,
                        isTarget: true)
                } + (weightIndex.map { [.weight(at: $0)] } ?? []))
        let weights = try weightIndex.map { try content.weights(in: table.file, column: table.label($0)) }
        let coded: CodedTargets?
        let targets: [TableSchema.Target]
        if rule.wantsInputs {
            (coded, targets) = (nil, [])
        } else if let path = train.targets {
            let other = try CSVTable(trainingFile(path))
            let all = Array(0..<other.columnCount)
            let answers = try other.read(
                all.map {
                    CSVTable.Column(
                        index: $0, reading: CodedTargets.reading(rule, columnCount: all.count),
                        mayBeMissing: false, isTarget: true)
                })
            try requireEqualCounts(content, train.path, answers, path)
            coded = try CodedTargets(.init(table: other, content: answers, columns: 0..<all.count, indices: all), rule)
            targets = all.map { TableSchema.Target(name: other.label($0), index: $0) }
        } else {
            let places = featureIndices.count..<featureIndices.count + targetIndices.count
            coded = try CodedTargets(.init(table: table, content: content, columns: places, indices: targetIndices), rule)
            targets = targetIndices.map { TableSchema.Target(name: table.label($0), index: $0) }
        }
        let features = try featureIndices.enumerated().map { place, index in
            TableSchema.Feature(
                name: table.label(index), index: index,
                categories: try categories(
                    place, &content, label: table.label(index),
                    isForced: forced.contains(index)), mean: nil)
        }
        let schema = TableSchema(
            format: train.format, columnCount: table.columnCount, features: features, targets: targets,
            weight: weightIndex.map { TableSchema.Target(name: table.label($0), index: $0) },
            hasTargetFile: train.targets != nil, fillsMissing: fillsMissing, targetsAreNames: coded?.areNames ?? false)
        let guessed = features.filter { $0.categories != nil && !forced.contains($0.index) }
        let notes =
            guessed.isEmpty
            ? []
            : [
                "\(train.path): columns of text become one input per text: "
                    + CSVTable.list(guessed.map { "\(shortened($0.name)) (\($0.width))" })
            ]
        return Parsed(
            content: content, schema: schema, targets: coded ?? CodedTargets(inputs: schema.width), weights: weights,
            notes: notes + (coded?.notes ?? []))
    }

    /// The texts of a column, sorted, to which its cells are renumbered; nil for numbers.
    private func categories(
        _ column: Int, _ content: inout CSVTable.Content, label: String,
        isForced: Bool
    ) throws -> [String]? {
        guard let texts = content.texts[column]?.texts else { return nil }
        guard isForced || texts.count <= Self.mostCategories else {
            throw Failure(
                .badData,
                "\(train.path): column \"\(shortened(label))\" holds \(texts.count) different texts, more "
                    + "than the \(Self.mostCategories) that are taken for categories; leave it out by naming the others in "
                    + "data.train.features, or name it in data.train.categorical")
        }
        guard !texts.isEmpty else {
            throw Failure(
                .badData,
                "\(train.path): column \"\(shortened(label))\" has no value; leave it out by naming the "
                    + "others in data.train.features")
        }
        let sorted = texts.sorted()
        let ranks = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, $0) })
        let renumbered = texts.map { Double(ranks[$0] ?? 0) }
        for row in content.lines.indices {
            let cell = row * content.width + column
            if !content.cells[cell].isNaN { content.cells[cell] = renumbered[Int(content.cells[cell])] }
        }
        return sorted
    }

    private func requireDistinct(_ indices: [Int], _ table: CSVTable, _ option: String) throws {
        var seen: Set<Int> = []
        for index in indices where !seen.insert(index).inserted {
            throw Failure(.badConfiguration, "\(option): column \"\(shortened(table.label(index)))\" is named twice")
        }
    }
}

/// Refuses a file of targets with another number of rows than the table that it belongs to.
func requireEqualCounts(
    _ inputs: CSVTable.Content, _ inputPath: String, _ targets: CSVTable.Content,
    _ targetPath: String
) throws {
    guard inputs.lines.count == targets.lines.count else {
        throw Failure(
            .badData,
            "\(targetPath): \(targets.lines.count) rows of targets, but \(inputPath) has "
                + "\(inputs.lines.count) rows")
    }
}

extension TableSchema {
    /// The schema with the means of numeric columns over `rows`, where missing values are to be filled in.
    func learningMeans(_ content: CSVTable.Content, rows: [Int32], path: String) throws -> TableSchema {
        guard fillsMissing else { return self }
        var learnt = self
        for (column, feature) in features.enumerated() where feature.categories == nil {
            var sum = 0.0
            var count = 0
            for row in rows {
                let cell = content.cell(Int(row), column)
                if !cell.isNaN {
                    sum += cell
                    count += 1
                }
            }
            guard count > 0 else {
                throw Failure(
                    .badData,
                    "\(path): column \"\(shortened(feature.name))\" has no value in the training split; leave "
                        + "it out by naming the others in data.train.features")
            }
            learnt.features[column].mean = sum / Double(count)
        }
        return learnt
    }
}
