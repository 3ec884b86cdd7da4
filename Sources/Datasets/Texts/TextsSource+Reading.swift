import Diagnostics
import Storage

extension TextsSource {
    /// Whatever is in a file, to a network that was trained on texts it is texts.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { preprocessing.texts != nil }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.texts else { preconditionFailure("texts for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(
                .badConfiguration, "--targets: the targets of texts are a column of their table; leave it out")
        }
        guard TextLines.isName(new.path) else {
            let file = TableFile(path: new.path, format: new.options?.format ?? schema.table.format, options: .commandLine)
            let reading = try preprocessing.readTexts(file, schema, isLabelled: new.isLabelled)
            if new.isLabelled { try reading.dataset.requireWeight("samples", path: new.path) }
            return reading
        }
        guard !new.isLabelled else {
            throw Failure(
                .badData,
                "\(new.path): a text on each line has no target; expected a table with the columns of the training data")
        }
        var encoder = schema.encoder(path: new.path)
        try TextLines(path: new.path).forEach { text, line in
            guard try encoder.add(text) > 0 else {
                throw Failure(.badData, "\(new.path):\(line): \(schema.rule.emptyText(text))")
            }
        }
        return .init(
            dataset: preprocessing.dataset(of: schema.sequences(encoder)),
            notes: ["\(new.path): read as a text on each line; a table is called otherwise than *.txt"])
    }
}

extension Preprocessing {
    /// The texts of a table, with their targets and weights where these are wanted.
    func readTexts(_ file: TableFile, _ schema: TextsSchema, isLabelled: Bool) throws -> Reading {
        let bytes = try SourceFile(path: file.path).readText()
        let (table, places) = try open(file, bytes, schema.table, isLabelled: isLabelled) {
            $0.map { CSVTable.Column(index: $0, reading: .texts, mayBeMissing: false) }
        }
        var targets: StoredTargets?
        var weights: [Float]?
        if isLabelled {
            let answers = try labels(of: schema.table, in: table)
            targets = try stored(answers, from: 0, path: file.path, schema.table)
            weights = try schema.table.weight.map { try answers.weights(in: file, column: $0.name) }
        }
        var encoder = schema.encoder(path: file.path)
        try table.addTexts(ofColumn: places[0], to: &encoder, schema.rule)
        return Reading(dataset: dataset(of: schema.sequences(encoder), targets: targets, weights: weights))
    }

    fileprivate func dataset(
        of sequences: TokenSequences, targets: StoredTargets? = nil, weights: [Float]? = nil
    ) -> Dataset {
        Dataset(
            inputs: .sequences(sequences), inputShape: inputShape, targets: targets, targetKind: targetKind,
            classNames: classNames, weights: weights)
    }
}
