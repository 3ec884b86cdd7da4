import Diagnostics
import Files

extension CSVTable {
    /// How the cells of a column are read.
    enum Reading {
        /// As numbers if all that aren't missing are, else as texts.
        case inferred
        case numbers
        case texts
        /// As the place of one of these texts.
        case known([String: Int], Vocabulary)
    }

    /// What the known texts of a column are.
    enum Vocabulary: String { case classes, categories }

    struct Column {
        let index: Int
        var reading: Reading
        /// Whether a cell may be missing (then it is NaN).
        let mayBeMissing: Bool
        /// Whether it is to be predicted.
        var isTarget = false
    }

    /// The wanted columns of all rows.
    struct Content {
        /// One row behind the other, a number per wanted column; for texts the place in `texts`.
        var cells: [Double] = []
        /// The line of each row.
        var lines: [Int] = []
        /// The texts of each column; nil for columns of numbers.
        var texts: [TextColumn?]
        /// Of each column of numbers, whether all were written as shortest whole numbers.
        var arePlain: [Bool]
        let width: Int
        /// What people should know of how the cells were read.
        var notes: [String] = []

        func cell(_ row: Int, _ column: Int) -> Double { cells[row * width + column] }
    }

    /// Reads the columns of every row. Errors name line and column.
    func read(_ columns: [Column]) throws -> Content {
        var (content, mixed) = try pass(columns)
        if !mixed.isEmpty {
            let again = try pass(
                mixed.map { place in
                    var column = columns[place]
                    column.reading = .texts
                    return column
                }
            ).content
            for (index, place) in mixed.enumerated() {
                content.texts[place] = again.texts[index]
                for row in content.lines.indices {
                    content.cells[row * content.width + place] = again.cell(row, index)
                }
            }
        }
        for (place, column) in columns.enumerated() {
            guard case .inferred = column.reading, let doubt = content.texts[place]?.doubt(file.format.numbers) else {
                continue
            }
            if !file.format.header, case .numbers(firstLine, let text, let numbers, let cells, _) = doubt, numbers + 1 == cells
            {
                throw file.failure(
                    line: firstLine, column: label(column.index),
                    "expected a number, as on all other lines, "
                        + "found \"\(shortened(text))\"; if the line names the columns, \(file.setting("header", "true"))")
            }
            throw file.failure(doubt, column: label(column.index), isTarget: column.isTarget)
        }
        return content
    }

    /// Reads the columns once; `mixed` are the places of those that began as numbers and hold texts as well.
    private func pass(_ columns: [Column]) throws -> (content: Content, mixed: [Int]) {
        var content = Content(texts: [], arePlain: [], width: columns.count)
        var readers = columns.map { CSVColumnReader($0, label: label($0.index), file: file) }
        try forEachRow { cells, scanner in
            for i in readers.indices {
                content.cells.append(try readers[i].number(for: cells[readers[i].index], scanner))
            }
            content.lines.append(scanner.rowLine)
            if content.lines.count & (1 << 20 - 1) == 0 { try requireMemory(content) }
        }
        content.texts = readers.map(\.collected)
        content.arePlain = readers.map(\.isWrittenPlainly)
        content.notes = zip(columns, readers).compactMap { column, reader in
            reader.unknown.map { unknown in
                "\(path): column \"\(shortened(label(column.index)))\": \(unknown.count) "
                    + "cell\(unknown.count == 1 ? "" : "s") with a category that the training data don't have, read as all "
                    + "zeros; the first is \"\(shortened(unknown.text))\" on line \(unknown.line)"
            }
        }
        return (content, readers.indices.filter { readers[$0].isMixed })
    }

    /// Calls `body` with the cells of every row of data, of which there has to be one.
    func forEachRow(_ body: (_ cells: [CSVScanner.Cell], _ scanner: CSVScanner) throws -> Void) throws {
        var scanner = rows
        var cells: [CSVScanner.Cell] = []
        var count = 0
        while try scanner.next(&cells) {
            guard cells.count == columnCount else {
                let advice = "; a cell that holds the delimiter (\(file.format.delimiter.name)) is put in quotation marks"
                throw file.failure(
                    line: scanner.rowLine,
                    "expected \(columnCount) cells, found \(cells.count)" + (cells.count > columnCount ? advice : ""))
            }
            count += 1
            guard count <= Int(Int32.max) else {
                throw Failure(.badData, "\(path): more than \(Int32.max) rows; use a part of the table")
            }
            try body(cells, scanner)
        }
        guard count > 0 else { throw Failure(.badData, "\(path): an empty set: no rows of data") }
    }

    /// Asks now and then whether there is memory for as much again as was read so far: lists grow by doubling.
    private func requireMemory(_ content: Content) throws {
        let taken = content.cells.count * MemoryLayout<Double>.stride + content.lines.count * MemoryLayout<Int>.stride
        guard let free = SystemMemory.availableByteCount(), free < 2 * taken else { return }
        throw Failure(
            .systemRefused,
            "\(path): after \(content.lines.count) rows only \(free >> 20) MiB of memory are left; "
                + "use a part of the table, or more memory")
    }

    /// Whether the first row of data can be read as `columns`.
    func firstRowReads(_ columns: [Column]) -> Bool {
        var scanner = rows
        var cells: [CSVScanner.Cell] = []
        guard (try? scanner.next(&cells)) == true, cells.count == columnCount else { return false }
        return columns.allSatisfy { column in
            var reader = CSVColumnReader(column, label: "", file: file)
            return (try? reader.number(for: cells[column.index], scanner)) != nil
        }
    }
}

extension CSVFormat {
    /// The format of a file that nobody has described: the first of `,`, `;` and tab that its first line holds, else
    /// blanks; a header unless the first row is all numbers.
    init(detecting bytes: [UInt8], path: String) throws {
        self.init()
        let line = bytes.prefix(1 << 16).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        let delimiters = [CSVDelimiter.comma, .semicolon, .tab]
        delimiter = delimiters.first { line.contains($0.text.utf8.first ?? 0) } ?? .blanks
        var scanner = try CSVScanner(path: path, bytes: bytes, format: self)
        var cells: [CSVScanner.Cell] = []
        if try scanner.next(&cells) {
            header = !cells.allSatisfy { DecimalNumber.parse(scanner.bytes, $0.range) != nil }
        }
    }
}
