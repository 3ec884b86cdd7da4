import Diagnostics

/// Reading another table the way the training table was read.
extension Preprocessing {
    /// The samples of a CSV file; `schema` is `table`, or one made up for the file. `bytes` are its content where that has
    /// been read already. `targetPath` is the file of targets. Without `isLabelled` the target columns may be missing and
    /// are not looked at.
    func readTable(
        _ file: TableFile, bytes: [UInt8]? = nil, targetPath: String?, schema: TableSchema,
        isLabelled: Bool
    ) throws -> Reading {
        let bytes = try bytes ?? SourceFile(path: file.path).readText()
        let (table, places) = try open(file, bytes, schema, isLabelled: isLabelled && !schema.hasTargetFile) {
            features(schema, $0)
        }
        var columns = features(schema, places)
        let featureCount = columns.count
        if isLabelled { columns += try labelColumns(of: schema, in: table) }
        let weight = isLabelled ? schema.weight : nil
        let content = try table.read(columns)
        var targets: StoredTargets?
        if isLabelled {
            if schema.hasTargetFile {
                guard let targetPath else {
                    throw Failure(
                        .badConfiguration,
                        "\(file.path): the targets are a file of their own; name it as "
                            + "\"targets\" (--targets FILE)")
                }
                let other = try CSVTable(TableFile(path: targetPath, format: file.format, options: file.options))
                let answers = try other.read(
                    try schema.targets.map {
                        targetColumn($0, at: try Self.place(of: $0.name, $0.index, in: other), schema)
                    })
                try requireEqualCounts(content, file.path, answers, targetPath)
                targets = try stored(answers, from: 0, path: targetPath, schema)
            } else {
                targets = try stored(content, from: featureCount, path: file.path, schema)
            }
        }
        let inputs = try schema.inputs(of: content, normalization, path: file.path)
        return Reading(
            dataset: Dataset(
                inputs: .ready(inputs, count: content.lines.count), inputShape: inputShape,
                targets: targets, targetKind: targetKind, classNames: classNames,
                weights: try weight.map { try content.weights(in: file, column: $0.name) }),
            notes: content.notes)
    }

    /// The table and where its features are. Lines that were skipped in the training file, such as one that counts the
    /// rows, may be absent from a file for predictions: they are skipped unless the first line reads as data.
    ///
    /// - Parameter columns: how features at these places are read.
    func open(
        _ file: TableFile, _ bytes: [UInt8], _ schema: TableSchema, isLabelled: Bool, columns: ([Int]) -> [CSVTable.Column]
    ) throws -> (CSVTable, [Int]) {
        if !isLabelled, file.format.skipLines > 0 {
            var format = file.format
            format.skipLines = 0
            if let table = try? CSVTable(TableFile(path: file.path, format: format, options: file.options), bytes: bytes),
                let places = try? Self.places(schema, in: table, isLabelled: false),
                table.firstRowReads(columns(places))
            {
                return (table, places)
            }
        }
        let table = try CSVTable(file, bytes: bytes)
        return (table, try Self.places(schema, in: table, isLabelled: isLabelled))
    }

    /// The columns of targets, where they are in the table, and behind them that of weights, where there is one.
    private func labelColumns(of schema: TableSchema, in table: CSVTable) throws -> [CSVTable.Column] {
        var columns: [CSVTable.Column] = []
        if !schema.hasTargetFile {
            columns += try schema.targets.map {
                targetColumn($0, at: try Self.place(of: $0.name, $0.index, in: table), schema)
            }
        }
        if let weight = schema.weight {
            columns.append(.weight(at: try Self.place(of: weight.name, weight.index, in: table)))
        }
        return columns
    }

    /// The targets of all rows, and behind them their weights, where there are any.
    func labels(of schema: TableSchema, in table: CSVTable) throws -> CSVTable.Content {
        try table.read(try labelColumns(of: schema, in: table))
    }

    private func features(_ schema: TableSchema, _ places: [Int]) -> [CSVTable.Column] {
        zip(schema.features, places).map { feature, place in
            let reading = feature.categories.map { categories in
                CSVTable.Reading.known(
                    Dictionary(uniqueKeysWithValues: categories.enumerated().map { ($1, $0) }),
                    .categories)
            }
            return CSVTable.Column(index: place, reading: reading ?? .numbers, mayBeMissing: schema.fillsMissing)
        }
    }

    private func targetColumn(_ target: TableSchema.Target, at place: Int, _ schema: TableSchema) -> CSVTable.Column {
        guard schema.targetsAreNames, let classNames else {
            return CSVTable.Column(index: place, reading: .numbers, mayBeMissing: false)
        }
        let known = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { ($1, $0) })
        return CSVTable.Column(index: place, reading: .known(known, .classes), mayBeMissing: false)
    }

    /// Where the features are: by name where there is a header, else by place, with or without the target columns.
    private static func places(_ schema: TableSchema, in table: CSVTable, isLabelled: Bool) throws -> [Int] {
        if let names = table.names {
            guard schema.features.contains(where: { names.contains($0.name) }) else {
                throw table.file.failure(
                    line: table.firstLine,
                    "expected the header of the training data ("
                        + "\(CSVTable.list(schema.features.map(\.name)))), found \(CSVTable.list(names)); put that line in front "
                        + "of the data\(table.delimiterAdvice)")
            }
            let found = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
            return try schema.features.map { feature in
                guard let place = found[feature.name] else { return try place(of: feature.name, feature.index, in: table) }
                return place
            }
        }
        if table.columnCount == schema.columnCount { return schema.features.map(\.index) }
        let targets = (schema.hasTargetFile ? [] : schema.targets.map(\.index)) + (schema.weight.map { [$0.index] } ?? [])
        let without = schema.columnCount - targets.count
        guard !isLabelled, table.columnCount == without else {
            let alternative = isLabelled || targets.isEmpty ? "" : " (or \(without) without the target)"
            throw table.file.failure(
                line: table.firstLine,
                "expected \(schema.columnCount) columns as in the training "
                    + "data\(alternative), found \(table.columnCount); lines in front of the data can be passed over: "
                    + table.file.setting("skip_lines", "N"))
        }
        return schema.features.map { feature in feature.index - targets.count { $0 < feature.index } }
    }

    /// The column called `name`, or without a header the one at `index`.
    static func place(of name: String, _ index: Int, in table: CSVTable) throws -> Int {
        guard let names = table.names else {
            guard index < table.columnCount else {
                throw Failure(
                    .badData,
                    "\(table.path): no column \(index) (counted from 0), which the training data have; "
                        + "the file has \(table.columnCount) columns")
            }
            return index
        }
        guard let place = names.firstIndex(of: name) else {
            throw Failure(
                .badData,
                "\(table.path): no column \"\(shortened(name))\", which the training data have"
                    + "\(suggestion(for: name, among: names)); its columns: \(CSVTable.list(names))\(table.delimiterAdvice)")
        }
        return place
    }

    /// The cells of the target columns, which begin at `first`, as targets.
    func stored(
        _ content: CSVTable.Content, from first: Int, path: String,
        _ schema: TableSchema
    ) throws -> StoredTargets? {
        switch targetKind {
        case .classes(let count):
            return .classes(
                try content.lines.indices.map { row in
                    let number = content.cell(row, first)
                    guard let label = Int32(exactly: number), label >= 0, label < count else {
                        throw Failure(
                            .badData,
                            "\(path):\(content.lines[row]): column \"\(shortened(schema.targets[0].name))\": "
                                + "label out of range: expected a class from 0 to \(count - 1), found "
                                + "\(Int(exactly: number).map(String.init) ?? "\(number)")")
                    }
                    return label
                })
        case .values(let count):
            var values: [Float] = []
            for row in content.lines.indices {
                for column in 0..<count {
                    let value = Float(content.cell(row, first + column))
                    guard value.isFinite else {
                        throw Failure(
                            .badData,
                            "\(path):\(content.lines[row]): column "
                                + "\"\(shortened(schema.targets[column].name))\": the target is too large for Float32")
                    }
                    values.append(value)
                }
            }
            return .values(values)
        case .positions: preconditionFailure("a table with targets at positions")
        case .inputs: return nil
        }
    }
}
