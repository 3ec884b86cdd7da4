import Diagnostics

/// A CSV file whose first row is known: which columns it has. `read` delivers those that are wanted.
struct CSVTable {
    let file: TableFile
    /// The names in the header; nil without one.
    let names: [String]?
    let columnCount: Int
    /// The line of the header, or of the first row without one.
    let firstLine: Int
    /// Stands in front of the first row of data.
    let rows: CSVScanner

    var path: String { file.path }

    /// Reads the file and its header.
    init(_ file: TableFile) throws { try self.init(file, bytes: SourceFile(path: file.path).readText()) }

    /// The table that `bytes`, the content of the file, hold.
    init(_ file: TableFile, bytes: [UInt8]) throws {
        let scanner = try CSVScanner(path: file.path, bytes: bytes, format: file.format)
        var ahead = scanner
        var cells: [CSVScanner.Cell] = []
        guard try ahead.next(&cells) else { throw Failure(.badData, "\(file.path): an empty set: no rows of data") }
        self.file = file
        columnCount = cells.count
        firstLine = ahead.rowLine
        guard file.format.header else {
            names = nil
            rows = scanner
            return
        }
        names = try Self.names(in: cells, ahead, file)
        rows = ahead
    }

    private static func names(in cells: [CSVScanner.Cell], _ scanner: CSVScanner, _ file: TableFile) throws -> [String] {
        let names = try cells.map { cell in
            guard let name = scanner.text(of: cell) else {
                throw file.failure(line: scanner.rowLine, "the header isn't text in UTF-8; save the file in UTF-8")
            }
            return name
        }
        let numbers = cells.map { file.format.numbers.parse(scanner.bytes, $0.range) }
        let counted =
            numbers.enumerated().allSatisfy { $1 == Double($0) }
            || numbers.enumerated().allSatisfy { $1 == Double($0 + 1) }
        guard counted || !numbers.allSatisfy({ $0 != nil }) else {
            let advice =
                switch file.options {
                case .section: "where the file has no header, \(file.setting("header", "false"))"
                // What the columns of the training data are called is part of the model.
                case .commandLine: "put the header of the training data in front of them"
                }
            throw file.failure(line: scanner.rowLine, "expected the names of the columns, found only numbers; \(advice)")
        }
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw file.failure(
                line: scanner.rowLine,
                "two columns are called \"\(shortened(name))\"; every column needs "
                    + "its own name")
        }
        return names
    }

    // MARK: - Columns

    /// The column that `selector` names, or numbers from 0 (−1 is the last). `option` stands in the message.
    func index(of selector: String, option: String) throws -> Int {
        if let index = names?.firstIndex(of: selector) { return index }
        if let number = Int(selector) {
            let index = number < 0 ? number &+ columnCount : number
            guard (0..<columnCount).contains(index) else {
                throw Failure(
                    .badConfiguration,
                    "\(option): no column \(number) in \(path), which has \(columnCount) "
                        + "columns; expected 0 to \(columnCount - 1), or -1 for the last\(delimiterAdvice)")
            }
            return index
        }
        guard let names else {
            throw Failure(
                .badConfiguration,
                "\(option): no column \"\(shortened(selector))\": \(path) is read without a "
                    + "header; expected a number from 0 to \(columnCount - 1), or -1 for the last")
        }
        throw Failure(
            .badConfiguration,
            "\(option): no column \"\(shortened(selector))\" in \(path)"
                + "\(suggestion(for: selector, among: names)); its columns: \(Self.list(names))\(delimiterAdvice)")
    }

    /// What comes to mind where a file has a single column.
    var delimiterAdvice: String {
        columnCount > 1
            ? ""
            : "; is its delimiter \"\(file.format.delimiter.name)\", and the first line its header? "
                + "(\(file.setting("delimiter", "…")) or skip_lines)"
    }

    /// What messages call a column: its name, or its number.
    func label(_ index: Int) -> String { names?[index] ?? String(index) }

    /// A few names in a row.
    static func list(_ names: [String]) -> String {
        names.prefix(12).map(shortened).joined(separator: ", ")
            + (names.count > 12 ? ", … (\(names.count) in all)" : "")
    }
}
