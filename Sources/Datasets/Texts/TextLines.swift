import Diagnostics

/// A file with a text on each line, which end in LF or CRLF; the last may lack its end.
struct TextLines {
    let path: String
    private let bytes: [UInt8]

    /// Whether a file is one of these and no table: `*.txt`, or `*.txt.gz`. Nothing in a file itself tells a list of texts from a
    /// table that has one column, or whose texts hold its delimiter.
    static func isName(_ path: String) -> Bool { path.hasSuffix(".txt") || path.hasSuffix(".txt.gz") }

    init(path: String) throws {
        self.path = path
        bytes = try SourceFile(path: path).readText(expected: "text")
    }

    /// Calls `body` with every text and its line, counted from 1.
    func forEach(_ body: (_ text: String, _ line: Int) throws -> Void) throws {
        var start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard start < bytes.count else { throw Failure(.badData, "\(path): an empty set: no line of text") }
        var line = 1
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
            let content = bytes[start..<(end > start && bytes[end - 1] == UInt8(ascii: "\r") ? end - 1 : end)]
            guard !content.contains(0), let text = String(validating: content, as: UTF8.self) else {
                throw Failure(.badData, "\(path):\(line): a text that isn't UTF-8; save the file in UTF-8")
            }
            guard line <= Int(Int32.max) else {
                throw Failure(.badData, "\(path): more lines than the \(Int32.max) that can be used")
            }
            try body(text, line)
            start = end + 1
            line += 1
        }
    }
}
