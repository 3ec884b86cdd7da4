import Diagnostics

/// Cuts comma-separated text (RFC 4180) into rows of cells, without copying them.
///
/// Lines end in LF or CRLF, the last may lack its end; blank lines at the end don't count; a byte order mark is
/// skipped. Blanks around a cell don't belong to it. A cell in quotation marks may hold delimiters, line ends and
/// doubled marks.
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
    private let delimiter: CSVDelimiter
    private var position: Int
    private var line = 1

    private static let newline = UInt8(ascii: "\n"), carriageReturn = UInt8(ascii: "\r"), quote = UInt8(ascii: "\"")

    init(path: String, bytes: [UInt8], delimiter: CSVDelimiter) throws {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw Failure(.badData, "\(path): text in UTF-16; save it as CSV in UTF-8")
        }
        guard !bytes.prefix(4096).contains(0) else {
            throw Failure(.badData, "\(path): not a text file (it holds zero bytes); expected CSV")
        }
        self.path = path
        self.bytes = bytes
        self.delimiter = delimiter
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    /// Passes over `count` lines, as they stand.
    mutating func skipLines(_ count: Int) {
        for _ in 0..<count {
            guard let end = bytes[position...].firstIndex(of: Self.newline) else {
                position = bytes.count
                return
            }
            position = end + 1
            line += 1
        }
    }

    /// Reads the next row into `cells`; false at the end.
    mutating func next(_ cells: inout [Cell]) throws -> Bool {
        cells.removeAll(keepingCapacity: true)
        guard position < bytes.count, !onlyBlanksFollow() else { return false }
        rowLine = line
        if delimiter == .blanks { skipBlanks() }
        while true {
            cells.append(try cell())
            guard position < bytes.count else { return true }
            if delimiter == .blanks {
                skipBlanks()
                if position < bytes.count, !isLineEnd(position) { continue }
            } else if bytes[position] == delimiter.byte {
                position += 1
                continue
            }
            endLine()
            return true
        }
    }

    /// The text of a cell; nil where it isn't UTF-8.
    func text(of cell: Cell) -> String? {
        let raw = bytes[cell.range]
        guard cell.hasDoubledQuotes else { return String(validating: raw, as: UTF8.self) }
        var unescaped: [UInt8] = [], skips = false
        for byte in raw {
            // Every second mark of a pair is left out.
            skips = byte == Self.quote && !skips
            if byte != Self.quote || skips { unescaped.append(byte) }
        }
        return String(validating: unescaped, as: UTF8.self)
    }

    /// Reads up to the delimiter or line end behind a cell.
    private mutating func cell() throws -> Cell {
        var start = position
        while start < bytes.count, isBlank(bytes[start]) { start += 1 }
        if start < bytes.count, bytes[start] == Self.quote { return try quotedCell(from: start + 1) }
        var end = start
        while end < bytes.count, !endsCell(end) { end += 1 }
        position = end
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return Cell(range: start..<end)
    }

    private mutating func quotedCell(from start: Int) throws -> Cell {
        let opening = line
        var end = start, hasDoubledQuotes = false
        while true {
            guard end < bytes.count else {
                throw Failure(.badData, "\(path):\(opening): a quotation mark is opened and never closed")
            }
            if bytes[end] == Self.quote {
                guard end + 1 < bytes.count, bytes[end + 1] == Self.quote else { break }
                hasDoubledQuotes = true
                end += 1
            } else if bytes[end] == Self.newline {
                line += 1
            }
            end += 1
        }
        position = end + 1
        while position < bytes.count, isBlank(bytes[position]), !endsCell(position) { position += 1 }
        guard position == bytes.count || endsCell(position) else {
            throw Failure(.badData, "\(path):\(line): text follows a closing quotation mark; quotation marks inside of "
                + "a quoted cell are doubled (\"\")")
        }
        return Cell(range: start..<end, isQuoted: true, hasDoubledQuotes: hasDoubledQuotes)
    }

    /// Blanks that a cell may be padded with.
    @inline(__always)
    private func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") && delimiter != .tab
    }

    @inline(__always)
    private func endsCell(_ index: Int) -> Bool {
        let byte = bytes[index]
        if byte == delimiter.byte || byte == Self.newline { return true }
        // A tab separates blank-separated cells as well as a space does.
        if byte == UInt8(ascii: "\t") { return delimiter == .blanks }
        return byte == Self.carriageReturn && isLineEnd(index)
    }

    @inline(__always)
    private func isLineEnd(_ index: Int) -> Bool {
        bytes[index] == Self.newline
            || bytes[index] == Self.carriageReturn && (index + 1 == bytes.count || bytes[index + 1] == Self.newline)
    }

    private mutating func endLine() {
        if position < bytes.count, bytes[position] == Self.carriageReturn { position += 1 }
        if position < bytes.count, bytes[position] == Self.newline { position += 1 }
        line += 1
    }

    private mutating func skipBlanks() {
        while position < bytes.count, isBlank(bytes[position]) { position += 1 }
    }

    /// Whether the text ends here but for blank lines. Looks further only from a line that is blank.
    private func onlyBlanksFollow() -> Bool {
        var i = position
        while i < bytes.count {
            guard isBlank(bytes[i]) || bytes[i] == Self.newline || bytes[i] == Self.carriageReturn else { return false }
            i += 1
        }
        return true
    }
}

/// What stands between the cells of a row.
enum CSVDelimiter: String, Codable, Sendable {
    case comma = ",", semicolon = ";", tab = "tab"
    /// One or more spaces or tabs.
    case blanks = "space"

    var byte: UInt8 {
        switch self {
        case .comma: UInt8(ascii: ",")
        case .semicolon: UInt8(ascii: ";")
        case .tab: UInt8(ascii: "\t")
        case .blanks: UInt8(ascii: " ")
        }
    }
}
