import Diagnostics

/// Turns the cells of one column into numbers, in the order of the rows.
struct CSVColumnReader {
    let index: Int
    private let label: String
    private let file: TableFile
    private let mayBeMissing: Bool
    private let reading: CSVTable.Reading
    private var kind: Kind
    /// The texts that occurred, where they are collected.
    private(set) var texts = TextColumn()
    /// Whether every number so far was written as its shortest whole number.
    private(set) var isWrittenPlainly = true
    /// How many cells held a category that isn't known, and where the first stood.
    private(set) var unknown: (count: Int, line: Int, text: String)?
    /// Known texts that are numbers, by their value; nil for a value that two of them have.
    private let knownNumbers: [Double: Int?]

    /// What the cells have turned out to be.
    enum Kind {
        case undecided, numbers, texts
        /// Numbers first and then a text: what it is only all cells together tell.
        case mixed
    }

    init(_ column: CSVTable.Column, label: String, file: TableFile) {
        index = column.index
        reading = column.reading
        mayBeMissing = column.mayBeMissing
        self.label = label
        self.file = file
        kind =
            switch column.reading {
            case .inferred: .undecided
            case .numbers: .numbers
            case .texts, .known: .texts
            }
        var numbers: [Double: Int?] = [:]
        if case .known(let known, _) = column.reading {
            for (text, place) in known {
                guard let number = file.format.numbers.parse(text) else { continue }
                numbers[number] = numbers.keys.contains(number) ? .some(nil) : place
            }
        }
        knownNumbers = numbers
    }

    /// Whether the column has to be read once more, as texts.
    var isMixed: Bool { kind == .mixed }

    /// The texts that occurred, in the order of their first lines; nil for numbers and known texts.
    var collected: TextColumn? {
        if case .known = reading { return nil }
        return kind == .texts ? texts : nil
    }

    /// The number of a cell, or the place of its text; NaN where it is missing and may be, and for a category that isn't
    /// known and may be.
    mutating func number(for cell: CSVScanner.Cell, _ scanner: CSVScanner) throws -> Double {
        switch kind {
        case .numbers:
            // Markers may be numbers, such as -999.
            if file.format.missingValues != nil, isMissing(cell, scanner) { return try missing(scanner) }
            if let number = parse(cell, scanner) { return try finite(number, cell, scanner) }
            if isMissing(cell, scanner) { return try missing(scanner) }
            guard case .inferred = reading else { throw notANumber(cell, scanner) }
            kind = .mixed
            return .nan
        case .mixed:
            return .nan
        case .undecided:
            if isMissing(cell, scanner) { return try missing(scanner) }
            kind = parse(cell, scanner) == nil ? .texts : .numbers
            return try number(for: cell, scanner)
        case .texts:
            if isMissing(cell, scanner) { return try missing(scanner) }
            guard let text = scanner.text(of: cell) else {
                throw failure(scanner, "a text that isn't UTF-8; save the file in UTF-8")
            }
            if case .known(let known, let vocabulary) = reading { return try place(of: text, known, vocabulary, scanner) }
            guard texts.texts.count < TextColumn.mostTexts else { throw tooManyTexts(scanner) }
            return Double(texts.add(text, line: scanner.rowLine))
        }
    }

    private mutating func place(
        of text: String, _ known: [String: Int], _ vocabulary: CSVTable.Vocabulary,
        _ scanner: CSVScanner
    ) throws -> Double {
        if let place = known[text] { return Double(place) }
        // A number is the same however a file spells it: 1 in one, 1.0 in another.
        if let number = file.format.numbers.parse(text), let place = knownNumbers[number] ?? nil { return Double(place) }
        if vocabulary == .categories, file.format.ignoresUnknownCategories {
            unknown = (unknown.map { $0.count + 1 } ?? 1, unknown?.line ?? scanner.rowLine, unknown?.text ?? text)
            return .nan
        }
        let names = known.sorted { $0.value < $1.value }.map(\.key)
        let advice =
            vocabulary == .categories
            ? "; \(file.setting("unknown_category", "ignore")) to read it as all zeros" : ""
        throw failure(
            scanner,
            "\"\(shortened(text))\" is not one of the \(vocabulary.rawValue) of "
                + "the training data\(suggestion(for: text, among: names)); "
                + "known: \(CSVTable.list(names))\(advice)")
    }

    // MARK: - Numbers

    private mutating func parse(_ cell: CSVScanner.Cell, _ scanner: CSVScanner) -> Double? {
        if let number = file.format.numbers.parse(scanner.bytes, cell.range) {
            if isWrittenPlainly { isWrittenPlainly = Self.isPlain(scanner.bytes, cell.range) }
            return number
        }
        guard cell.isQuoted else { return nil }
        // Blanks inside of quotation marks belong to a text, but to no number.
        var range = cell.range
        while let first = range.first, scanner.bytes[first] == UInt8(ascii: " ") { range.removeFirst() }
        while let last = range.last, scanner.bytes[last] == UInt8(ascii: " ") { range.removeLast() }
        isWrittenPlainly = false
        return range.count < cell.range.count ? file.format.numbers.parse(scanner.bytes, range) : nil
    }

    /// Whether the bytes are a whole number as Swift writes it, of a size that Double holds exactly.
    private static func isPlain(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        let digits = bytes[range.lowerBound] == UInt8(ascii: "-") ? range.dropFirst() : range
        guard let first = digits.first, digits.count <= 15 else { return false }
        if bytes[first] == UInt8(ascii: "0") { return range.count == 1 }
        return digits.allSatisfy { bytes[$0] &- 48 < 10 }
    }

    private func finite(_ number: Double, _ cell: CSVScanner.Cell, _ scanner: CSVScanner) throws -> Double {
        guard number.isFinite else {
            throw failure(scanner, "expected a finite number, found \"\(shortened(scanner.text(of: cell) ?? ""))\"")
        }
        return number
    }

    // MARK: - Missing cells

    private func isMissing(_ cell: CSVScanner.Cell, _ scanner: CSVScanner) -> Bool {
        file.format.isMissing(cell, in: scanner)
    }

    private func missing(_ scanner: CSVScanner) throws -> Double {
        guard mayBeMissing else {
            throw failure(
                scanner,
                "the value is missing; fill it in or leave the row out (missing features: "
                    + "data.missing: mean puts the mean of the training data there)")
        }
        return .nan
    }

    // MARK: - Messages

    private func notANumber(_ cell: CSVScanner.Cell, _ scanner: CSVScanner) -> Failure {
        guard let text = scanner.text(of: cell) else {
            return failure(scanner, "expected a number, found a text that isn't UTF-8")
        }
        return file.failure(line: scanner.rowLine, column: label, notANumber: text)
    }

    private func tooManyTexts(_ scanner: CSVScanner) -> Failure {
        failure(scanner, "more than \(TextColumn.mostTexts) different texts; they can't be categories or classes")
    }

    private func failure(_ scanner: CSVScanner, _ text: String) -> Failure {
        file.failure(line: scanner.rowLine, column: label, text)
    }
}
