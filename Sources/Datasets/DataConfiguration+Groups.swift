import Diagnostics

extension DataConfiguration {
    /// More groups than these nobody compares.
    private static let mostGroups = 100

    /// Which samples of a table a column is asked of.
    package enum TableSplit: Sendable {
        case train, validation
        /// Another table.
        case file(String)
    }

    /// The cells of a column of the table that the samples of a split come from, in their order: whether it is a feature or not.
    ///
    /// - Parameters:
    ///   - column: its name, or its number from 0.
    ///   - count: how many samples the split has.
    /// - Throws: 64 where there is no such column, or no table; 65 where its cells are too many different ones.
    package func groups(_ column: String, of split: TableSplit, count: Int) throws -> [String] {
        guard let source = source as? CSVSource else {
            throw Failure(.usage, "--group \(column): only tables (data.format: csv) have columns; leave it out")
        }
        let file: TableFile
        var rows: [Int32]?
        switch split {
        case .file(let path): file = TableFile(path: path, format: source.train.format, options: .commandLine)
        case .train, .validation:
            let isTrain = if case .train = split { true } else { false }
            if !isTrain, let validation = source.validation {
                file = TableFile(path: validation.path, format: validation.format, options: .section("data.validation"))
            } else {
                file = source.trainingFile(source.train.path)
            }
            if source.validation == nil, let fraction = validationFraction {
                let all = try CSVTable(file).rowCount()
                let parts = try Split.draw(count: all, fraction: fraction, seed: splitSeed, name: file.path)
                rows = isTrain ? parts.train : parts.validation
            }
        }
        let table = try CSVTable(file)
        let index: Int
        do {
            index = try table.index(of: column, option: "--group")
        } catch let failure as Failure {
            throw Failure(.usage, failure.message)
        }
        let content = try table.read([CSVTable.Column(index: index, reading: .texts, mayBeMissing: true)])
        let texts = content.texts[0]?.texts ?? []
        guard texts.count <= Self.mostGroups else {
            throw Failure(
                .badData,
                "\(file.path): column \"\(shortened(table.label(index)))\" holds \(texts.count) different cells; --group takes a column of at "
                    + "most \(Self.mostGroups)")
        }
        let cells = content.cells.map { $0.isNaN ? "(missing)" : texts[Int($0)] }
        let own = rows.map { $0.map { cells[Int($0)] } } ?? cells
        guard own.count == count else {
            throw Failure(
                .badData, "\(file.path): \(own.count) rows, but \(count) samples; it has changed while it was read: try again")
        }
        return own
    }
}

extension CSVTable {
    /// How many rows there are.
    fileprivate func rowCount() throws -> Int {
        var count = 0
        try forEachRow { _, _ in count += 1 }
        return count
    }
}
