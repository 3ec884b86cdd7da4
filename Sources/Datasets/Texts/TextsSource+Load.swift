import Diagnostics
import Storage

extension TextsSource {
    private var trainingFile: TableFile { TableFile(path: train, format: format, options: .section("data.train")) }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        if let stored {
            let read = try stored.readTexts(trainingFile, try schema(of: stored), isLabelled: true)
            let rows = try data.split(count: read.dataset.count, name: train)
            return try splits(data, read.dataset, rows, stored, notes: read.notes)
        }
        let table = try CSVTable(trainingFile)
        let textIndex = try table.index(of: text, option: "data.train.text")
        let targetIndices = try target.map { try table.index(of: $0, option: "data.train.target") }
        let weightIndex = try weight.map { try table.index(of: $0, option: "data.train.weight") }
        try requireDistinct([textIndex] + targetIndices + (weightIndex.map { [$0] } ?? []), table)
        let reading = CodedTargets.reading(rule, columnCount: targetIndices.count)
        let content = try table.read(
            targetIndices.map { CSVTable.Column(index: $0, reading: reading, mayBeMissing: false, isTarget: true) }
                + (weightIndex.map { [.weight(at: $0)] } ?? []))
        let weights = try weightIndex.map { try content.weights(in: table.file, column: table.label($0)) }
        let coded = try CodedTargets(
            .init(table: table, content: content, columns: 0..<targetIndices.count, indices: targetIndices), rule)
        let rows = try data.split(count: content.lines.count, name: train)
        let trainRows = rows?.train ?? Array(0..<Int32(content.lines.count))
        var encoder = TextEncoder(self.rule, index: TokenIndex(), most: length ?? TextsSchema.mostTokens, path: train)
        try table.addTexts(ofColumn: textIndex, to: &encoder, self.rule)
        let length = try sampleLength(encoder.fullLengths, trainRows, table, content, textIndex)
        let (vocabulary, sequences) = encoder.learning(from: trainRows, vocabularyCount: vocabularyCount, length: length)
        let schema = TextsSchema(
            rule: self.rule, vocabulary: vocabulary, length: length,
            table: TableSchema(
                format: format, columnCount: table.columnCount,
                features: [.init(name: table.label(textIndex), index: textIndex)],
                targets: targetIndices.map { .init(name: table.label($0), index: $0) },
                weight: weightIndex.map { .init(name: table.label($0), index: $0) },
                hasTargetFile: false, fillsMissing: false, targetsAreNames: coded.areNames))
        let preprocessing = Preprocessing(
            inputShape: Shape([length]), targetKind: coded.kind, classNames: coded.classNames, normalization: .none,
            texts: schema)
        let all = Dataset(
            inputs: .sequences(sequences), inputShape: preprocessing.inputShape, targets: coded.targets,
            targetKind: coded.kind, classNames: coded.classNames, weights: weights)
        return try splits(data, all, rows, preprocessing, notes: coded.notes)
    }

    private func splits(
        _ data: DataConfiguration, _ all: Dataset, _ rows: (train: [Int32], validation: [Int32])?,
        _ preprocessing: Preprocessing, notes: [String]
    ) throws -> DataSplits {
        try DataSplits(all, rows, preprocessing, path: train, notes: notes) {
            try validation.map { other in
                let schema = try schema(of: preprocessing)
                let file = TableFile(path: other.path, format: other.format, options: .section("data.validation"))
                return (other.path, try preprocessing.readTexts(file, schema, isLabelled: true))
            }
        }
    }

    /// That of the configuration, or of the longest training text.
    private func sampleLength(
        _ lengths: [Int32], _ rows: [Int32], _ table: CSVTable, _ content: CSVTable.Content, _ column: Int
    ) throws -> Int {
        if let length { return length }
        let longest = rows.max { lengths[Int($0)] < lengths[Int($1)] }.map { Int($0) } ?? 0
        guard lengths[longest] <= TextsSchema.mostTokens else {
            throw table.file.failure(
                line: content.lines[longest], column: table.label(column),
                "a text of \(lengths[longest]) \(rule.kind.rawValue), but a sample has at most \(TextsSchema.mostTokens); "
                    + "set data.length, and longer texts are cut at their ends")
        }
        return Int(lengths[longest])
    }

    /// What a checkpoint keeps of its texts, which has to be what the configuration asks for.
    private func schema(of stored: Preprocessing) throws -> TextsSchema {
        guard let schema = stored.texts else {
            throw Failure(
                .badConfiguration,
                "data.format: texts, but the checkpoint was trained on samples of shape \(stored.inputShape), not on texts")
        }
        guard schema.rule == rule, schema.length == length ?? schema.length, schema.vocabulary.count <= vocabularyCount else {
            throw Failure(
                .badConfiguration,
                "data.tokens, lowercase, length or vocabulary: the checkpoint was trained with tokens: "
                    + "\(schema.rule.kind.rawValue), lowercase: \(schema.rule.lowercases), length: \(schema.length) and "
                    + "a vocabulary of \(schema.vocabulary.count); it can be used with nothing else")
        }
        return schema
    }

    private func requireDistinct(_ indices: [Int], _ table: CSVTable) throws {
        var seen: Set<Int> = []
        for index in indices where !seen.insert(index).inserted {
            throw Failure(
                .badConfiguration,
                "data.train: column \"\(shortened(table.label(index)))\" is named twice; text, target and weight are columns "
                    + "of their own")
        }
    }
}

extension CSVTable {
    /// Adds the texts of a column, none of which may be without a token.
    func addTexts(ofColumn column: Int, to encoder: inout TextEncoder, _ rule: TokenRule) throws {
        try forEachRow { cells, scanner in
            guard let text = scanner.text(of: cells[column]) else {
                throw file.failure(
                    line: scanner.rowLine, column: label(column), "a text that isn't UTF-8; save the file in UTF-8")
            }
            guard try encoder.add(text) > 0 else {
                throw file.failure(line: scanner.rowLine, column: label(column), rule.emptyText(text))
            }
        }
    }
}

extension TokenRule {
    /// What is wrong with a text without tokens.
    func emptyText(_ text: String) -> String {
        "expected a text of one \(unit) or more, found \"\(shortened(text))\"; fill it in, or leave the row out"
    }
}
