import Diagnostics

/// Turns the cells of one column into numbers, in the order of the rows.
struct CSVColumnReader {
    let index: Int
    private let label: String
    private let mayBeMissing: Bool
    private var reading: CSVTable.Reading
    /// Whether the column became one of numbers by its first cell, on which line.
    private var firstNumberLine: Int?
    private var indices: [String: Int] = [:]
    private var order: [String] = []

    init(_ column: CSVTable.Column, label: String) {
        index = column.index
        reading = column.reading
        mayBeMissing = column.mayBeMissing
        self.label = label
    }

    /// The texts that occurred; nil for numbers.
    var texts: [String]? {
        if case .texts = reading { order } else { nil }
    }

    /// The number of a cell, or the index of its text; NaN where it is missing and may be.
    mutating func number(for cell: CSVScanner.Cell, _ scanner: CSVScanner) throws -> Double {
        if case .numbers = reading {
            if let number = DecimalNumber.parse(scanner.bytes, cell.range) { return try finite(number, scanner) }
            if isMissing(cell, scanner.bytes) { return try missing(scanner) }
            throw notANumber(cell, scanner)
        }
        if isMissing(cell, scanner.bytes) { return try missing(scanner) }
        if case .asTheyBegin = reading {
            if let number = DecimalNumber.parse(scanner.bytes, cell.range) {
                reading = .numbers
                firstNumberLine = scanner.rowLine
                return try finite(number, scanner)
            }
            reading = .texts
        }
        guard let text = scanner.text(of: cell) else {
            throw failure(scanner, "a text that isn't UTF-8; save the file in UTF-8")
        }
        guard case .known(let known, let what) = reading else { return Double(textIndex(text)) }
        if let index = known[text] { return Double(index) }
        // Classes that are numbers are kept as whole numbers, however the file spells them.
        if let number = DecimalNumber.parse(scanner.bytes, cell.range).flatMap(Int.init(exactly:)),
           let index = known[String(number)] { return Double(index) }
        let names = known.sorted { $0.value < $1.value }.map(\.key)
        throw failure(scanner, "\"\(text.prefix(60))\" is none of the \(what)\(suggestion(for: text, among: names)); "
            + "known: \(CSVTable.list(names))")
    }

    private mutating func textIndex(_ text: String) -> Int {
        if let index = indices[text] { return index }
        indices[text] = order.count
        order.append(text)
        return order.count - 1
    }

    /// Empty, or without quotation marks one of NA, N/A, NaN, null (in any case) and ?.
    private func isMissing(_ cell: CSVScanner.Cell, _ bytes: [UInt8]) -> Bool {
        if cell.range.isEmpty { return true }
        guard !cell.isQuoted, cell.range.count <= 4 else { return false }
        if cell.range.count == 1 { return bytes[cell.range.lowerBound] == UInt8(ascii: "?") }
        let word = String(decoding: bytes[cell.range], as: UTF8.self).lowercased()
        return ["na", "n/a", "nan", "null"].contains(word)
    }

    private func missing(_ scanner: CSVScanner) throws -> Double {
        guard mayBeMissing else {
            throw failure(scanner, "the value is missing; fill it in or leave the row out (missing features: "
                + "data.missing: mean puts the mean of the training data there)")
        }
        return .nan
    }

    private func finite(_ number: Double, _ scanner: CSVScanner) throws -> Double {
        guard number.isFinite else { throw failure(scanner, "expected a finite number, found \(number)") }
        return number
    }

    private func notANumber(_ cell: CSVScanner.Cell, _ scanner: CSVScanner) -> Failure {
        let found = scanner.text(of: cell).map { "\"\($0.prefix(60))\"" } ?? "a text that isn't UTF-8"
        let reason = firstNumberLine.map { " (the column begins with numbers, on line \($0))" } ?? ""
        let advice = firstNumberLine == nil ? "" : "; correct it, or set data.train.categorical: [\(label)]"
        return failure(scanner, "expected a number\(reason), found \(found)\(advice)")
    }

    private func failure(_ scanner: CSVScanner, _ text: String) -> Failure {
        Failure(.badData, "\(scanner.path):\(scanner.rowLine): column \"\(label)\": \(text)")
    }
}
