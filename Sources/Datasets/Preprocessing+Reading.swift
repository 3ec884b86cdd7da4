import Diagnostics
import Storage

extension Preprocessing {
    /// Samples that were read, and what people should know of how.
    struct Reading {
        let dataset: Dataset
        var notes: [String] = []
    }

    /// The inputs in a file, CSV or IDX by its content, for predictions. Target columns may stand in a CSV file or not;
    /// they are not looked at.
    ///
    /// Where the training data were no table, a CSV file holds one sample per row, all its numbers in order.
    ///
    /// - Parameters:
    ///   - options: how the file is written, where that isn't how the training data were.
    ///   - note: told, line by line, what was decided from what the file looks like.
    package func inputs(
        from path: String, options: TableOptions? = nil,
        note: (String) -> Void = { _ in }
    ) throws -> Dataset {
        if let text {
            let reading = try readText(path, text, isLabelled: false)
            reading.notes.forEach(note)
            return reading.dataset
        }
        if try IDXFile.recognizes(path) { return try dataset(of: try IDXFile(path: path), targets: nil) }
        let reading = try table(at: path, targets: nil, isLabelled: false, options)
        reading.notes.forEach(note)
        return reading.dataset
    }

    /// The samples in a file with their targets, for `eval`: CSV or IDX by its content; `targets` is the file of
    /// targets where they are one (always for IDX).
    ///
    /// Where the training data were no table, a CSV file holds one sample per row, all its numbers in order, its target
    /// last.
    package func samples(
        from path: String, targets: String? = nil, options: TableOptions? = nil,
        note: (String) -> Void = { _ in }
    ) throws -> Dataset {
        if let text {
            guard targets == nil else {
                throw Failure(.badConfiguration, "--targets: the targets of text are the characters that follow; leave it out")
            }
            return try readText(path, text, isLabelled: true).dataset
        }
        guard !targetKind.areInputs || targets == nil else {
            throw Failure(
                .badConfiguration,
                "\(path): the network was trained to give back its input, so there is no file of "
                    + "targets; leave out --targets")
        }
        if try IDXFile.recognizes(path) {
            if targetKind.areInputs { return try dataset(of: try IDXFile(path: path), targets: nil) }
            guard let targets else {
                throw Failure(.badConfiguration, "\(path): inputs in IDX need a file of targets beside them (--targets FILE)")
            }
            return try dataset(of: try IDXFile(path: path), targets: try IDXFile(path: targets))
        }
        let reading = try table(at: path, targets: targets, isLabelled: true, options)
        reading.notes.forEach(note)
        try reading.dataset.requireWeight("samples", path: path)
        return reading.dataset
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

    /// The samples of an IDX file, normalised as the training data were.
    func dataset(of file: IDXFile, targets: IDXFile?) throws -> Dataset {
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

/// How a table is written, as a configuration says it, for a file that it doesn't name.
package struct TableOptions: Sendable {
    let format: CSVFormat
}
