/// How a table is written that nobody has described: what stands between its cells, what stands in front of them, and whether its
/// first line names the columns.
struct TableForm {
    var format: CSVFormat
    /// What scikit-learn's own tables say in front about the classes; nil elsewhere.
    var classNames: [String]?
    /// How many cells a row has.
    let columnCount: Int

    /// Rows that are looked at.
    private static let mostRows = 200
    /// Lines in front of a table that may be something else.
    private static let mostLeadingRows = 5

    /// The form of a text; nil where its lines are no rows of equally many cells, two or more.
    ///
    /// - Parameter mayBeOneColumn: whether a single cell in each line will do.
    init?(_ bytes: [UInt8], path: String, mayBeOneColumn: Bool) {
        // A comma may stand within numbers or texts of a table that has another delimiter, hardly ever the other way round.
        var found: (format: CSVFormat, columns: Int)?
        for delimiter in [CSVDelimiter.tab, .semicolon, .character("|"), .comma, .blanks] {
            for quotes in [true, false] where found == nil {
                var format = CSVFormat()
                format.delimiter = delimiter
                format.quotes = quotes
                if let columns = Self.rows(bytes, path, &format), columns > 1 { found = (format, columns) }
            }
        }
        if found == nil, mayBeOneColumn {
            var format = CSVFormat()
            if Self.rows(bytes, path, &format) == 1 { found = (format, 1) }
        }
        guard let found else { return nil }
        format = found.format
        columnCount = found.columns
        if let names = Self.summary(bytes, path, found.format, columns: found.columns) {
            classNames = names
            format.skipLines = 1
            format.header = false
            return
        }
        guard let sample = Self.sample(bytes, path, format) else { return nil }
        format.numbers = Self.style(sample, format)
        format.header = Self.hasHeader(sample, format)
    }

    /// How many cells rows have, where all but some in front have as many; these are skipped.
    private static func rows(_ bytes: [UInt8], _ path: String, _ format: inout CSVFormat) -> Int? {
        guard var scanner = try? CSVScanner(path: path, bytes: bytes, format: format) else { return nil }
        var cells: [CSVScanner.Cell] = []
        var rows: [(line: Int, cells: Int)] = []
        do {
            while rows.count < mostRows, try scanner.next(&cells) { rows.append((scanner.rowLine, cells.count)) }
        } catch {
            return nil
        }
        guard let last = rows.last, let start = rows.lastIndex(where: { $0.cells != last.cells }).map({ $0 + 1 }) ?? .some(0),
            start <= mostLeadingRows, rows.count - start >= 2
        else { return nil }
        format.skipLines = start == 0 ? 0 : rows[start].line - 1
        return last.cells
    }

    /// The names of the classes where the first line is a summary as scikit-learn's tables have it: how many rows follow, how many
    /// inputs, the names.
    private static func summary(_ bytes: [UInt8], _ path: String, _ format: CSVFormat, columns: Int) -> [String]? {
        var plain = format
        plain.skipLines = 0
        guard var scanner = try? CSVScanner(path: path, bytes: bytes, format: plain) else { return nil }
        var cells: [CSVScanner.Cell] = []
        guard (try? scanner.next(&cells)) == true, cells.count > 3 else { return nil }
        let texts = cells.map { scanner.text(of: $0) ?? "" }
        guard let rows = Int(texts[0]), Int(texts[1]) == columns - 1 else { return nil }
        var count = 0
        while (try? scanner.next(&cells)) == true { count += 1 }
        let names = Array(texts.dropFirst(2))
        return count == rows && Set(names).count == names.count && !names.contains("") ? names : nil
    }

    /// The cells of the first rows, as texts; nil stands for a missing one.
    private static func sample(_ bytes: [UInt8], _ path: String, _ format: CSVFormat) -> [[String?]]? {
        guard var scanner = try? CSVScanner(path: path, bytes: bytes, format: format) else { return nil }
        var cells: [CSVScanner.Cell] = []
        var rows: [[String?]] = []
        while rows.count < mostRows, (try? scanner.next(&cells)) == true {
            rows.append(cells.map { format.isMissing($0, in: scanner) ? nil : scanner.text(of: $0) ?? "" })
        }
        return rows
    }

    /// Which decimal mark makes more numbers.
    private static func style(_ rows: [[String?]], _ format: CSVFormat) -> NumberStyle {
        let comma = NumberStyle(decimal: ",", thousands: "")
        guard format.delimiter != .comma else { return .plain }
        func count(_ style: NumberStyle) -> Int {
            rows.reduce(0) { $0 + $1.reduce(0) { $0 + ($1.flatMap(style.parse) == nil ? 0 : 1) } }
        }
        return count(comma) > count(.plain) ? comma : .plain
    }

    /// Whether the first row names the columns: a text above numbers; or, where all is text, one that comes up in no row below.
    private static func hasHeader(_ rows: [[String?]], _ format: CSVFormat) -> Bool {
        guard let first = rows.first else { return false }
        let rest = rows.dropFirst()
        func isNumber(_ text: String?) -> Bool { text.flatMap(format.numbers.parse) != nil }
        let standsAboveNumbers = first.indices.contains { column in
            guard let text = first[column], !isNumber(text) else { return false }
            let below = rest.compactMap { $0.count > column ? $0[column] : nil }
            return !below.isEmpty && below.count { isNumber($0) } * 10 >= below.count * 9
        }
        let names = first.map { $0 ?? "" }
        guard Set(names).count == names.count else { return false }
        if standsAboveNumbers { return true }
        guard !first.contains(where: isNumber), !first.contains(where: { $0 == nil }) else { return false }
        return first.indices.allSatisfy { column in !rest.contains { $0.count > column && $0[column] == first[column] } }
    }
}
