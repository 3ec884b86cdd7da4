import Diagnostics
import Storage

extension Preprocessing {
    /// Samples that were read, and what people should know of how.
    package struct Reading {
        package let dataset: Dataset
        package var notes: [String]

        package init(dataset: Dataset, notes: [String] = []) {
            self.dataset = dataset
            self.notes = notes
        }
    }

    /// The inputs in a file for predictions. Its format is found by its content, not by its name; targets that stand among
    /// the inputs are not looked at.
    ///
    /// - Parameters:
    ///   - options: how a table is written, where that isn't how the training data were.
    ///   - formats: what the file can be.
    ///   - note: told, line by line, what was decided from what the file looks like.
    package func inputs(
        from path: String, options: TableOptions? = nil, formats: DataFormatChoices = .standard,
        note: (String) -> Void = { _ in }
    ) throws -> Dataset {
        let reading = try read(NewSamples(path: path, targets: nil, isLabelled: false, options: options), formats)
        reading.notes.forEach(note)
        return reading.dataset
    }

    /// The samples in a file with their targets, for `eval`; `targets` is the file of targets where they are one.
    package func samples(
        from path: String, targets: String? = nil, options: TableOptions? = nil, formats: DataFormatChoices = .standard,
        note: (String) -> Void = { _ in }
    ) throws -> Dataset {
        guard !targetKind.areInputs || targets == nil else {
            throw Failure(
                .badConfiguration,
                "\(path): the network was trained to give back its input, so there is no file of "
                    + "targets; leave out --targets")
        }
        let reading = try read(NewSamples(path: path, targets: targets, isLabelled: true, options: options), formats)
        reading.notes.forEach(note)
        return reading.dataset
    }

    private func read(_ new: NewSamples, _ formats: DataFormatChoices) throws -> Reading {
        for format in formats.all where try format.recognizes(new.path, for: self) { return try format.read(new, for: self) }
        return try CSVSource.read(new, for: self)
    }

    /// Samples in a table; `CSVSource.read`.
    ///
    /// Where the training data were no table, it holds one sample per row, all its numbers in order, its target last.
    func readTable(_ new: NewSamples) throws -> Reading {
        let reading = try table(at: new.path, targets: new.targets, isLabelled: new.isLabelled, new.options)
        if new.isLabelled { try reading.dataset.requireWeight("samples", path: new.path) }
        return reading
    }

    private func table(at path: String, targets: String?, isLabelled: Bool, _ options: TableOptions?) throws -> Reading {
        if let table {
            let file = TableFile(path: path, format: options?.format ?? table.format, options: .commandLine)
            return try readTable(file, targetPath: targets, schema: table, isLabelled: isLabelled)
        }
        let bytes = try SourceFile(path: path).readText()
        let format = try CSVFormat(detecting: bytes, path: path)
        let file = TableFile(path: path, format: format, options: .commandLine)
        let schema = try plainSchema(try CSVTable(file, bytes: bytes), isLabelled: isLabelled)
        var reading = try readTable(file, bytes: bytes, targetPath: targets, schema: schema, isLabelled: isLabelled)
        reading.notes.append(
            "\(path): read as a table \(format.header ? "with" : "without") a header, delimiter "
                + "\"\(format.delimiter.name)\"")
        return reading
    }

    /// The samples of a file, normalised as the training data were.
    func dataset<Samples: EncodedFile>(of file: Samples, targets: Samples?) throws -> Dataset {
        guard file.shape == inputShape else {
            throw Failure(
                .badData,
                "\(file.path): samples of shape \(file.shape); expected \(inputShape), as the "
                    + "network was trained on")
        }
        try file.requireFinite()
        let answers = try targets?.targets(
            following: TargetRule(self), sampleCount: file.samples.count,
            inputs: file.path, isTraining: false)
        if let targets, let kind = answers?.kind, kind != targetKind {
            throw Failure(.badData, "\(targets.path): each target is \(kind); expected \(targetKind)")
        }
        return Dataset(
            inputs: .encoded(file.samples, Rescaling(normalization, width: inputShape.count)),
            inputShape: inputShape, targets: answers?.targets, targetKind: targetKind, classNames: classNames)
    }

    /// A schema for rows of nothing but numbers.
    private func plainSchema(_ found: CSVTable, isLabelled: Bool) throws -> TableSchema {
        let width = inputShape.count
        let targetCount: Int
        switch targetKind {
        case .classes, .positions: targetCount = 1
        case .values(let count): targetCount = count
        case .inputs: targetCount = 0
        }
        let (sum, overflows) = width.addingReportingOverflow(isLabelled ? targetCount : 0)
        guard !overflows, found.columnCount == sum else {
            throw Failure(
                .badData,
                "\(found.path): expected \(overflows ? Int.max : sum) numbers per row (samples of shape "
                    + "\(inputShape)\(isLabelled && targetCount > 0 ? ", then the target" : "")), found \(found.columnCount) "
                    + "column\(found.columnCount == 1 ? "" : "s")")
        }
        return TableSchema(
            format: found.file.format, columnCount: sum,
            features: (0..<width).map { TableSchema.Feature(name: found.label($0), index: $0) },
            targets: isLabelled ? (width..<sum).map { TableSchema.Target(name: found.label($0), index: $0) } : [],
            hasTargetFile: false, fillsMissing: false, targetsAreNames: labels != nil)
    }
}

/// A file of samples for a trained network, and what is wanted of it.
package struct NewSamples {
    package let path: String
    /// The file of targets, where they are one.
    package let targets: String?
    /// Whether targets are wanted.
    package let isLabelled: Bool
    /// How a table is written, where that isn't how the training data were.
    package let options: TableOptions?

    /// The same with this file of targets.
    func with(targets: String) -> NewSamples {
        NewSamples(path: path, targets: targets, isLabelled: isLabelled, options: options)
    }
}

/// How a table is written, as a configuration says it, for a file that it doesn't name.
package struct TableOptions: Sendable {
    let format: CSVFormat
}
