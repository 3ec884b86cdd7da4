import Diagnostics

/// How the lines of a table are to be understood.
struct CSVFormat: Codable, Hashable, Sendable {
    var delimiter = CSVDelimiter.comma
    /// Whether the first line that isn't skipped names the columns.
    var header = true
    /// How many lines in front are passed over.
    var skipLines = 0
}

/// A CSV file whose first row is known: which columns it has. `read` delivers those that are wanted.
struct CSVTable {
    let path: String
    /// The names in the header; nil without one.
    let names: [String]?
    let columnCount: Int
    /// Stands in front of the first row of data.
    private let rows: CSVScanner

    init(path: String, format: CSVFormat) throws {
        let bytes = try SourceFile(path: path).readToEnd()
        var scanner = try CSVScanner(path: path, bytes: bytes, delimiter: format.delimiter)
        scanner.skipLines(format.skipLines)
        var ahead = scanner, cells: [CSVScanner.Cell] = []
        guard try ahead.next(&cells) else { throw Failure(.badData, "\(path): an empty set: no rows of data") }
        self.path = path
        columnCount = cells.count
        guard format.header else {
            names = nil
            rows = scanner
            return
        }
        names = try Self.names(in: cells, ahead)
        rows = ahead
    }

    /// Whether every cell of the first row is a number: then it is data, not a header.
    static func startsWithNumbers(path: String, delimiter: CSVDelimiter) throws -> Bool {
        var scanner = try CSVScanner(path: path, bytes: SourceFile(path: path).readToEnd(), delimiter: delimiter)
        var cells: [CSVScanner.Cell] = []
        guard try scanner.next(&cells) else { return false }
        return cells.allSatisfy { DecimalNumber.parse(scanner.bytes, $0.range) != nil }
    }

    private static func names(in cells: [CSVScanner.Cell], _ scanner: CSVScanner) throws -> [String] {
        let place = "\(scanner.path):\(scanner.rowLine)"
        let names = try cells.map { cell in
            guard let name = scanner.text(of: cell) else {
                throw Failure(.badData, "\(place): the header isn't text in UTF-8; save the file in UTF-8")
            }
            return name
        }
        let numbers = cells.map { DecimalNumber.parse(scanner.bytes, $0.range) }
        let counted = numbers.enumerated().allSatisfy { $1 == Double($0) }
            || numbers.enumerated().allSatisfy { $1 == Double($0 + 1) }
        guard counted || !numbers.allSatisfy({ $0 != nil }) else {
            throw Failure(.badData, "\(place): expected the names of the columns, found only numbers; where the file "
                + "has no header, set data.train.header: false")
        }
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw Failure(.badData, "\(place): two columns are called \"\(name)\"; every column needs its own name")
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
                throw Failure(.badConfiguration, "\(option): no column \(number) in \(path), which has \(columnCount) "
                    + "columns; expected 0 to \(columnCount - 1), or -1 for the last")
            }
            return index
        }
        guard let names else {
            throw Failure(.badConfiguration, "\(option): no column \"\(selector)\": \(path) is read without a header; "
                + "expected a number from 0 to \(columnCount - 1), or -1 for the last")
        }
        throw Failure(.badConfiguration, "\(option): no column \"\(selector)\" in \(path)"
            + "\(suggestion(for: selector, among: names)); its columns: \(Self.list(names))")
    }

    /// What messages call a column: its name, or its number.
    func label(_ index: Int) -> String { names?[index] ?? String(index) }

    /// A few names in a row.
    static func list(_ names: [String]) -> String {
        names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", … (\(names.count) in all)" : "")
    }

    // MARK: - Cells

    /// How the cells of a column are read.
    enum Reading {
        /// As numbers if the first cell that isn't missing is one, else as texts.
        case asTheyBegin
        case numbers
        case texts
        /// As the index of one of these texts; any other is refused as not one of `what`.
        case known([String: Int], what: String)
    }

    struct Column {
        let index: Int
        var reading: Reading
        /// Whether a cell may be missing (then it is NaN).
        let mayBeMissing: Bool
    }

    /// The wanted columns of all rows.
    struct Content {
        /// One row behind the other, a number per wanted column; for texts the index into `texts`.
        var cells: [Double] = []
        /// The line of each row.
        var lines: [Int] = []
        /// The texts of each column in the order in which they first occur; nil for columns of numbers.
        var texts: [[String]?]
        let width: Int

        func cell(_ row: Int, _ column: Int) -> Double { cells[row * width + column] }
    }

    /// Reads the columns of every row. Errors name line and column.
    func read(_ columns: [Column]) throws -> Content {
        var scanner = rows, cells: [CSVScanner.Cell] = []
        var content = Content(texts: Array(repeating: nil, count: columns.count), width: columns.count)
        var readers = columns.map { CSVColumnReader($0, label: label($0.index)) }
        while try scanner.next(&cells) {
            guard cells.count == columnCount else {
                throw Failure(.badData, "\(path):\(scanner.rowLine): expected \(columnCount) cells, found "
                    + "\(cells.count)")
            }
            for i in readers.indices {
                content.cells.append(try readers[i].number(for: cells[readers[i].index], scanner))
            }
            content.lines.append(scanner.rowLine)
        }
        guard !content.lines.isEmpty else { throw Failure(.badData, "\(path): an empty set: no rows of data") }
        guard content.lines.count <= Int(Int32.max) else {
            throw Failure(.badData, "\(path): \(content.lines.count) rows; at most \(Int32.max) can be used")
        }
        for i in readers.indices { content.texts[i] = readers[i].texts }
        return content
    }
}

extension CSVFormat {
    /// The format of a file that nobody has described: the first of `,`, `;` and tab that its first line holds, else
    /// blanks; a header unless the first line is all numbers.
    init(detecting path: String) throws {
        let line = try SourceFile(path: path).readBytes(1 << 16).prefix { $0 != UInt8(ascii: "\n") }
        let delimiter = [CSVDelimiter.comma, .semicolon, .tab].first { line.contains($0.byte) } ?? .blanks
        self.init(delimiter: delimiter, header: try !CSVTable.startsWithNumbers(path: path, delimiter: delimiter))
    }
}

extension CSVTable {
    /// Whether the first row of data can be read as `columns`.
    func firstRowReads(_ columns: [Column]) -> Bool {
        var scanner = rows, cells: [CSVScanner.Cell] = []
        guard (try? scanner.next(&cells)) == true, cells.count == columnCount else { return false }
        return columns.allSatisfy { column in
            var reader = CSVColumnReader(column, label: "")
            return (try? reader.number(for: cells[column.index], scanner)) != nil
        }
    }
}
