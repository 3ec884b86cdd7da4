import Diagnostics
import Files

/// The rows of a table, series behind series, each in the order of the file.
struct SeriesRows {
    /// One series: neighbouring rows, one step apart.
    struct Series {
        /// Nil where the file is one series.
        let key: String?
        let rows: Range<Int>
    }

    /// What messages and predictions say of it.
    let table: CSVTable
    let places: SeriesPlaces
    /// One row behind the other, a number for each column.
    private(set) var cells: [Double] = []
    private(set) var lines: [Int] = []
    /// Empty without a column of times.
    private(set) var times: [SeriesTime] = []
    private(set) var form: TimeForm?
    private(set) var step: SeriesStep?
    private(set) var series: [Series] = []

    var width: Int { places.columns.count }

    /// More series in a file are refused.
    static let mostSeries = 1 << 20

    /// Reads all rows.
    ///
    /// - Parameter form: that of the column of times in the training file; nil to find it.
    /// - Throws: 65 for numbers, times or keys that are missing or something else, for rows that aren't sorted by time, and for gaps.
    init(_ table: CSVTable, _ places: SeriesPlaces, form: TimeForm?, step: SeriesStep?) throws {
        self.table = table
        self.places = places
        self.form = form
        let seriesOfRows = try readRows()
        gather(seriesOfRows)
        try requireOrder()
        try findStep(step)
    }

    /// What messages call a series; nothing where there is one.
    func name(_ series: Series) -> String { series.key.map { " \"\(shortened($0))\"" } ?? "" }

    func failure(row: Int, column: Int, _ text: String) -> Failure {
        table.file.failure(line: lines[row], column: table.label(column), text)
    }

    // MARK: - Reading

    /// Reads the rows in the order of the file; which series each is of.
    private mutating func readRows() throws -> [Int32] {
        let table = table
        var readers = places.columns.map {
            CSVColumnReader(
                CSVTable.Column(index: $0, reading: .numbers, mayBeMissing: true), label: table.label($0), file: table.file)
        }
        var keys: [String: Int32] = [:]
        var names: [String] = []
        var seriesOfRows: [Int32] = []
        try table.forEachRow { row, scanner in
            let line = scanner.rowLine
            for place in readers.indices {
                let number = try readers[place].number(for: row[readers[place].index], scanner)
                guard !number.isNaN else {
                    throw table.file.failure(
                        line: line, column: table.label(readers[place].index),
                        "the value is missing; a series has one on every row: fill it in, with the one before for instance")
                }
                cells.append(number)
            }
            if let time = places.time { times.append(try self.time(row[time], scanner)) }
            if let key = places.key {
                guard let text = scanner.text(of: row[key]) else {
                    throw table.file.failure(
                        line: line, column: table.label(key), "a text that isn't UTF-8; save the file in UTF-8")
                }
                guard !text.isEmpty else {
                    throw table.file.failure(
                        line: line, column: table.label(key),
                        "expected the name of the row's series, found an empty cell; fill it in")
                }
                let found = keys[text] ?? Int32(names.count)
                if Int(found) == names.count {
                    guard names.count < Self.mostSeries else {
                        throw table.file.failure(
                            line: line, column: table.label(key),
                            "more than \(Self.mostSeries) different series; is it another column that names them?")
                    }
                    keys[text] = found
                    names.append(text)
                }
                seriesOfRows.append(found)
            }
            lines.append(line)
            if lines.count & (1 << 20 - 1) == 0 { try requireMemory() }
        }
        series = places.key == nil ? [Series(key: nil, rows: 0..<lines.count)] : names.map { Series(key: $0, rows: 0..<0) }
        return seriesOfRows
    }

    private mutating func time(_ cell: CSVScanner.Cell, _ scanner: CSVScanner) throws -> SeriesTime {
        func failure(_ text: String) -> Failure {
            table.file.failure(line: scanner.rowLine, column: places.time.map(table.label), text)
        }
        let found: (time: SeriesTime, form: TimeForm)
        if let number = table.file.format.numbers.parse(scanner.bytes, cell.range) {
            // Differences of larger ones have lost digits.
            guard number.magnitude <= 1e15 else {
                throw failure("expected a time of at most 1e15, found \(number); use smaller numbers, or dates")
            }
            found = (.number(number), TimeForm(kind: .number))
        } else if let date = TimeForm.date(scanner.bytes[cell.range]) {
            found = date
        } else {
            throw failure(
                "expected a time: a number, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, found "
                    + "\"\(shortened(scanner.text(of: cell) ?? "bytes that aren't UTF-8"))\"; write it so")
        }
        if let form, !form.agrees(with: found.form) {
            throw failure(
                "expected a time like \(form.name), as \(lines.isEmpty ? "in the training data" : "on the lines before"), found "
                    + "\"\(shortened(scanner.text(of: cell) ?? ""))\"; write all of them in one way")
        }
        if form == nil { form = found.form }
        return found.time
    }

    /// Asks now and then whether there is memory for as much again as was read so far, twice: lists grow by doubling, and rows are
    /// brought into order.
    private func requireMemory() throws {
        let taken =
            cells.count * MemoryLayout<Double>.stride + lines.count * MemoryLayout<Int>.stride
            + times.count * MemoryLayout<SeriesTime>.stride
        guard let free = SystemMemory.availableByteCount(), free < 2 * taken else { return }
        throw Failure(
            .systemRefused,
            "\(table.path): after \(lines.count) rows only \(free >> 20) MiB of memory are left; "
                + "use a part of the table, or more memory")
    }

    /// Brings the rows of each series together.
    private mutating func gather(_ seriesOfRows: [Int32]) {
        guard !seriesOfRows.isEmpty else { return }
        var ends = [Int](repeating: 0, count: series.count)
        for index in seriesOfRows { ends[Int(index)] += 1 }
        var start = 0
        for index in ends.indices {
            series[index] = Series(key: series[index].key, rows: start..<start + ends[index])
            start += ends[index]
            ends[index] = start - ends[index]
        }
        var order = [Int](repeating: 0, count: seriesOfRows.count)
        for (row, index) in seriesOfRows.enumerated() {
            order[ends[Int(index)]] = row
            ends[Int(index)] += 1
        }
        let width = width
        cells = order.flatMap { cells[$0 * width..<($0 + 1) * width] }
        lines = order.map { lines[$0] }
        if !times.isEmpty { times = order.map { times[$0] } }
    }

    // MARK: - Time

    /// The rows that have one before them in their series.
    private func forEachFollower(_ body: (Int) throws -> Void) rethrows {
        guard !times.isEmpty else { return }
        for one in series { for row in one.rows.dropFirst() { try body(row) } }
    }

    private func requireOrder() throws {
        guard let column = places.time, let form else { return }
        try forEachFollower { row in
            guard !times[row - 1].isEarlier(than: times[row]) else { return }
            let (time, line) = (form.text(times[row]), lines[row - 1])
            guard times[row - 1] != times[row] else {
                throw failure(
                    row: row, column: column,
                    "\(time) is also the time of line \(line); "
                        + (places.key == nil
                            ? "take one of the rows out, or name the column that tells several series apart in data.train.key"
                            : "a series has one row for each time: take one of them out"))
            }
            throw failure(
                row: row, column: column,
                "\(time) comes after \(form.text(times[row - 1])) on line \(line); sort the rows"
                    + (places.key == nil
                        ? " by time, or name the column that tells several series apart in data.train.key"
                        : " of each series by time"))
        }
    }

    /// Finds how far rows are apart, which has to be the same everywhere.
    ///
    /// - Parameter known: as far as those of the training data.
    private mutating func findStep(_ known: SeriesStep?) throws {
        guard let column = places.time, let form else { return }
        var pairs: [(SeriesTime, SeriesTime)] = []
        forEachFollower { row in if pairs.count < 4096 { pairs.append((times[row - 1], times[row])) } }
        guard !pairs.isEmpty else {
            step = known
            return
        }
        // Of the steps that it can be, the one that holds longest.
        var failing: (row: Int, step: SeriesStep)?
        for candidate in known.map({ [$0] }) ?? SeriesStep.candidates(pairs) {
            guard let row = firstGap(candidate, isMean: known != nil) else {
                step = known ?? candidate.averaged(pairs)
                return
            }
            if failing.map({ $0.row < row }) ?? true { failing = (row, candidate) }
        }
        guard let (row, step) = failing else { return }
        let earlier = times[row - 1]
        let anchor = earlier.days.map { Gregorian.date(ofDays: $0).day } ?? 1
        let expected = step.advance(earlier, by: 1, anchor: anchor).map { form.text($0) } ?? ""
        let isNumber = if case .number(let number) = earlier { number >= 10_000_101 && number <= 99_991_231 } else { false }
        throw failure(
            row: row, column: column,
            "expected \(expected), \(step.text) after line \(lines[row - 1])\(known == nil ? "" : ", as in the training data"), found "
                + "\(form.text(times[row])); rows of a series are equally far apart: "
                + (isNumber ? "put the missing ones in, or write dates as YYYY-MM-DD" : "put the missing ones in"))
    }

    /// The first row that isn't one step behind the one before.
    private func firstGap(_ step: SeriesStep, isMean: Bool) -> Int? {
        for one in series {
            if let row = one.rows.dropFirst().first(where: { !step.leads(from: times[$0 - 1], to: times[$0], isMean: isMean) })
            {
                return row
            }
        }
        return nil
    }

    /// The day of the month that steps of calendar months come back to in a series.
    func anchor(_ series: Series) -> Int {
        guard !times.isEmpty, case .months? = step else { return 31 }
        var most = 1
        var areAllLast = true
        for row in series.rows {
            guard let date = times[row].days.map(Gregorian.date) else { return 31 }
            most = max(most, date.day)
            areAllLast = areAllLast && date.day == Gregorian.length(ofMonth: date.month, year: date.year)
        }
        return areAllLast ? 31 : most
    }
}
