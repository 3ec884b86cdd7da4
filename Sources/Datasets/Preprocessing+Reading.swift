import Diagnostics
import Storage

extension Preprocessing {
    /// The inputs in a file, CSV or IDX by its content, for predictions. Target columns may stand in a CSV file or not;
    /// they are not looked at.
    ///
    /// Where the training data were no table, a CSV file holds one sample per row, all its numbers in order.
    package func inputs(from path: String) throws -> Dataset {
        if try IDXFile.recognizes(path) {
            let file = try IDXFile(path: path)
            return try dataset(of: file, targets: nil)
        }
        return try readTable(path, targetPath: nil, schema: try table ?? plainSchema(path, isLabelled: false),
                             isLabelled: false)
    }

    /// The samples in a file with their targets, for `eval`: CSV or IDX by its content; `targets` is the file of
    /// targets where they are one (always for IDX).
    ///
    /// Where the training data were no table, a CSV file holds one sample per row, all its numbers in order, its target
    /// last.
    package func samples(from path: String, targets: String? = nil) throws -> Dataset {
        if try IDXFile.recognizes(path) {
            guard let targets else {
                throw Failure(.badConfiguration, "\(path): inputs in IDX need a file of targets beside them")
            }
            let file = try IDXFile(path: path)
            return try dataset(of: file, targets: try IDXFile(path: targets))
        }
        return try readTable(path, targetPath: targets, schema: try table ?? plainSchema(path, isLabelled: true),
                             isLabelled: true)
    }

    /// The samples of an IDX file, normalised as the training data were.
    func dataset(of file: IDXFile, targets: IDXFile?) throws -> Dataset {
        guard file.shape == inputShape else {
            throw Failure(.badData, "\(file.path): samples of shape \(file.shape); expected \(inputShape), as the "
                + "network was trained with")
        }
        try file.requireFinite()
        let answers = try targets?.targets(following: TargetRule(self), sampleCount: file.samples.count,
                                           inputs: file.path)
        if let targets, let kind = answers?.1, kind != targetKind {
            throw Failure(.badData, "\(targets.path): each target is \(kind); expected \(targetKind)")
        }
        return Dataset(inputs: .encoded(file.samples, Rescaling(normalization, width: inputShape.count)),
                       inputShape: inputShape, targets: answers?.0, targetKind: targetKind, classNames: classNames)
    }

    /// A schema for rows of nothing but numbers.
    private func plainSchema(_ path: String, isLabelled: Bool) throws -> TableSchema {
        let format = try CSVFormat(detecting: path)
        let width = inputShape.count
        let found = try CSVTable(path: path, format: format)
        let targetCount: Int
        switch targetKind {
        case .classes: targetCount = 1
        case .values(let count): targetCount = count
        }
        let expected = isLabelled ? width + targetCount : width
        guard found.columnCount == expected else {
            throw Failure(.badData, "\(path): expected \(expected) numbers per row (samples of shape \(inputShape)"
                + "\(isLabelled ? ", then the target" : "")), found \(found.columnCount) columns")
        }
        return TableSchema(
            format: format, columnCount: expected,
            features: (0..<width).map { TableSchema.Feature(name: found.label($0), index: $0) },
            targets: isLabelled ? (width..<expected).map { TableSchema.Target(name: found.label($0), index: $0) } : [],
            hasTargetFile: false, fillsMissing: false, targetsAreNames: false)
    }
}
