import Diagnostics
import Files

/// A file of text (.gz or plain), piece by piece, without a byte order mark.
package enum TextPieces {
    private static let pieceBytes = 1 << 20

    /// Calls `body` with one piece after the other; not at all where the file is empty.
    /// - Throws: 66 for a missing file, 65 for one that is no text, 74 where it can't be read.
    package static func forEach(in path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let file = try SourceFile(path: path)
        var isFirst = true
        while true {
            let piece = try file.readBytes(pieceBytes)
            if isFirst { try CSVScanner.requireText(Array(piece.prefix(4096)), path: path, expected: "text") }
            let mark = isFirst && piece.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
            isFirst = false
            if piece.count > mark { try piece.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[mark...])) } }
            if piece.count < pieceBytes { return }
        }
    }

    /// Refuses a list that has grown where memory doesn't hold twice as much, since lists grow by doubling. The system is asked now and
    /// then.
    static func requireMemory<Element>(for list: [Element], grownBy count: Int, path: String) throws {
        let size = MemoryLayout<Element>.stride
        let step = 64 << 20
        guard list.count * size / step != (list.count - count) * size / step, let free = SystemMemory.availableByteCount(),
            free < list.count * size
        else { return }
        throw Failure(
            .systemRefused,
            "\(path): \(list.count * size >> 20) MiB of tokens so far, and only \(free >> 20) MiB of memory are left; write a file of "
                + "tokens (dtrain tokenize), which isn't held in memory, or use less text")
    }
}
