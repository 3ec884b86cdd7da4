import Diagnostics

/// Cuts delimiter-separated text (RFC 4180, and what is around) into rows of cells, without copying them.
///
/// Lines end in LF, CRLF, CR or CR CR LF, the last may lack its end; empty lines and comments are passed over; a byte
/// order mark is skipped. Blanks around a cell don't belong to it. A cell in quotation marks may hold delimiters, line
/// ends and doubled marks. The work is proportional to the text.
struct CSVScanner {
    /// A cell: its bytes, without quotation marks and surrounding blanks.
    struct Cell {
        var range: Range<Int>
        /// Whether it stood in quotation marks.
        var isQuoted = false
        /// Whether it holds doubled quotation marks.
        var hasDoubledQuotes = false
    }

    let path: String
    let bytes: [UInt8]
    /// The line on which the row that was read last begins, from 1.
    private(set) var rowLine = 0
    private let hasQuotes: Bool
    private let isBlankSeparated: Bool
    private let isTabSeparated: Bool
    private let delimiter: [UInt8]
    /// What begins a comment; empty for nothing.
    private let comment: [UInt8]
    /// The bytes that may end a cell.
    private let stops: [Bool]
    private var position: Int
    private var line = 1

    /// Rows with more cells than this are refused: another delimiter, or no table.
    static let mostCells = 1 << 20

    private static let newline = UInt8(ascii: "\n"), carriageReturn = UInt8(ascii: "\r"), quote = UInt8(ascii: "\"")

    init(path: String, bytes: [UInt8], format: CSVFormat) throws {
        try Self.requireText(bytes.prefix(4096), path: path)
        self.path = path
        self.bytes = bytes
        hasQuotes = format.quotes
        isBlankSeparated = format.delimiter == .blanks
        isTabSeparated = format.delimiter == .tab
        delimiter = Array(format.delimiter.text.utf8)
        comment = Array((format.comment ?? "").utf8)
        var stops = Array(repeating: false, count: 256)
        for byte in delimiter.prefix(1) + comment.prefix(1) + [Self.newline, Self.carriageReturn] { stops[Int(byte)] = true }
        // A tab separates blank-separated cells as well as a space does.
        if isBlankSeparated { stops[Int(UInt8(ascii: "\t"))] = true }
        self.stops = stops
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        skipLines(format.skipLines)
    }

    /// Refuses a file that begins as no text in UTF-8 does.
    static func requireText(_ beginning: some Collection<UInt8>, path: String, expected: String = "CSV") throws {
        if beginning.starts(with: [0xFF, 0xFE]) || beginning.starts(with: [0xFE, 0xFF]) {
            throw Failure(.badData, "\(path): text in UTF-16; save it \(expected == "text" ? "" : "as \(expected) ")in UTF-8")
        }
        guard !beginning.contains(0) else {
            throw Failure(.badData, "\(path): not a text file (it holds zero bytes); expected \(expected)")
        }
    }

    /// Passes over `count` lines, as they stand.
    private mutating func skipLines(_ count: Int) {
        for _ in 0..<count {
            guard position < bytes.count else { return }
            skipRestOfLine()
        }
    }

    /// Reads the next row into `cells`; false at the end.
    mutating func next(_ cells: inout [Cell]) throws -> Bool {
        cells.removeAll(keepingCapacity: true)
        guard findRow() else { return false }
        rowLine = line
        if isBlankSeparated { skipBlanks() }
        while true {
            guard cells.count < Self.mostCells else {
                throw Failure(
                    .badData,
                    "\(path):\(rowLine): more than \(Self.mostCells) cells in a row; is the "
                        + "delimiter right?")
            }
            cells.append(try cell())
            if isBlankSeparated { skipBlanks() }
            guard position < bytes.count else { return true }
            if isLineEnd(position) || begins(comment, at: position) {
                skipRestOfLine()
                return true
            }
            if !isBlankSeparated { position += delimiter.count }
        }
    }

    /// The text of a cell; nil where it isn't UTF-8, or holds a zero byte.
    func text(of cell: Cell) -> String? {
        let raw = bytes[cell.range]
        guard !raw.contains(0) else { return nil }
        guard cell.hasDoubledQuotes else { return String(validating: raw, as: UTF8.self) }
        var unescaped: [UInt8] = []
        var skips = false
        for byte in raw {
            // Every second mark of a pair is left out.
            skips = byte == Self.quote && !skips
            if byte != Self.quote || skips { unescaped.append(byte) }
        }
        return String(validating: unescaped, as: UTF8.self)
    }

    // MARK: - Cells

    /// Reads up to the delimiter, comment or line end behind a cell.
    private mutating func cell() throws -> Cell {
        var start = position
        while start < bytes.count, isBlank(bytes[start]) { start += 1 }
        if hasQuotes, start < bytes.count, bytes[start] == Self.quote { return try quotedCell(from: start + 1) }
        var end = start
        while end < bytes.count, !endsCell(end) { end += 1 }
        position = end
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return Cell(range: start..<end)
    }

    private mutating func quotedCell(from start: Int) throws -> Cell {
        let opening = line
        var end = start
        var hasDoubledQuotes = false
        while true {
            guard end < bytes.count else {
                throw Failure(
                    .badData,
                    "\(path):\(opening): a quotation mark is opened and never closed; quotes: false, beside the path in the "
                        + "configuration, makes it a character like any other")
            }
            let byte = bytes[end]
            if byte == Self.quote {
                guard end + 1 < bytes.count, bytes[end + 1] == Self.quote else { break }
                hasDoubledQuotes = true
                end += 1
            } else if byte == Self.newline || byte == Self.carriageReturn {
                end += lineEndLength(end) - 1
                line += 1
            }
            end += 1
        }
        position = end + 1
        while position < bytes.count, isBlank(bytes[position]), !endsCell(position) { position += 1 }
        guard position == bytes.count || endsCell(position) else {
            throw Failure(
                .badData,
                "\(path):\(line): text follows a closing quotation mark; quotation marks inside of "
                    + "a quoted cell are doubled (\"\"), or characters like any other with quotes: false")
        }
        return Cell(range: start..<end, isQuoted: true, hasDoubledQuotes: hasDoubledQuotes)
    }

    /// Blanks that a cell may be padded with.
    @inline(__always)
    private func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") && !isTabSeparated
    }

    @inline(__always)
    private func endsCell(_ index: Int) -> Bool {
        guard stops[Int(bytes[index])] else { return false }
        return isLineEnd(index) || begins(delimiter, at: index) || begins(comment, at: index)
            || isBlankSeparated && isBlank(bytes[index])
    }

    @inline(__always)
    private func begins(_ mark: [UInt8], at index: Int) -> Bool {
        guard let first = mark.first, bytes[index] == first else { return false }
        return mark.count == 1
            || bytes.count - index >= mark.count
                && bytes[index..<index + mark.count].elementsEqual(mark)
    }

    private mutating func skipBlanks() {
        while position < bytes.count, isBlank(bytes[position]) { position += 1 }
    }

    // MARK: - Lines

    @inline(__always)
    private func isLineEnd(_ index: Int) -> Bool {
        bytes[index] == Self.newline || bytes[index] == Self.carriageReturn
    }

    /// How many bytes the line end at `index` has: CR CR LF, which a text mode makes of CRLF, counts as one.
    private func lineEndLength(_ index: Int) -> Int {
        var end = index
        while end < min(index + 2, bytes.count), bytes[end] == Self.carriageReturn { end += 1 }
        return end < bytes.count && bytes[end] == Self.newline ? end - index + 1 : 1
    }

    private mutating func skipRestOfLine() {
        while position < bytes.count, !isLineEnd(position) { position += 1 }
        guard position < bytes.count else { return }
        position += lineEndLength(position)
        line += 1
    }

    /// Goes on to the first line that is neither empty nor a comment; false if there is none.
    private mutating func findRow() -> Bool {
        while position < bytes.count {
            var first = position
            while first < bytes.count, isBlank(bytes[first]) { first += 1 }
            guard first < bytes.count else { break }
            guard isLineEnd(first) || begins(comment, at: first) else { return true }
            position = first
            skipRestOfLine()
        }
        position = bytes.count
        return false
    }
}
