import Foundation
import Testing

/// Every text that the program can show stands in `Messages.txt`, where it is reviewed as prose: plain English, where,
/// what was found, what was expected, what to do. A text that is new or has changed fails until the table has it:
///
///     DTRAIN_WRITE_MESSAGES=1 swift test --filter MessageTableTests
///
/// writes the table anew; the difference is what to read.
@Suite("Messages")
struct MessageTableTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let sources = folder.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources")
    private static let table = folder.appendingPathComponent("Messages.txt")

    /// The texts of each room, sorted, each once.
    private static func rooms() throws -> [(room: String, texts: [String])] {
        let manager = FileManager.default
        return try manager.contentsOfDirectory(atPath: sources.path).sorted().compactMap { room in
            let folder = sources.appendingPathComponent(room).path
            let files = (manager.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).filter {
                $0.hasSuffix(".swift")
            }
            let texts = try files.flatMap { file in
                // A precondition's text is for programmers.
                SourceTexts(withoutPreconditions(try String(contentsOfFile: folder + "/" + file, encoding: .utf8))).texts
            }
            return texts.isEmpty ? nil : (room, Set(texts).sorted())
        }
    }

    private static func withoutPreconditions(_ source: String) -> String {
        var isInside = false
        return source.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            let begins = line.contains("precondition(") || line.contains("preconditionFailure(")
            defer { isInside = (begins || isInside) && !line.hasSuffix(")") && !line.hasSuffix("}") }
            return !begins && !isInside
        }.joined(separator: "\n")
    }

    private static func written() throws -> String {
        try rooms().map { "# \($0.room)\n" + $0.texts.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    @Test("every text that a person can meet is in the table of reviewed ones, and nothing else is")
    func complete() throws {
        let found = try Self.written()
        if ProcessInfo.processInfo.environment["DTRAIN_WRITE_MESSAGES"] == "1" {
            try found.write(to: Self.table, atomically: true, encoding: .utf8)
        }
        let reviewed = try String(contentsOf: Self.table, encoding: .utf8)
        let new = Set(found.split(separator: "\n")).subtracting(reviewed.split(separator: "\n"))
        let gone = Set(reviewed.split(separator: "\n")).subtracting(found.split(separator: "\n"))
        #expect(new.isEmpty, "read them as prose, then put them into Messages.txt: \(new.sorted().joined(separator: "\n"))")
        #expect(gone.isEmpty, "no longer in the sources: \(gone.sorted().joined(separator: "\n"))")
        #expect(found == reviewed)
    }

    @Test("texts are tidy: no doubled blanks or words, no riddles")
    func tidy() throws {
        let riddles = ["stands twice", "that is no ", "are no ", "is no JSON", "must be read", "wants a ", "of the hand"]
        for (room, texts) in try Self.rooms() {
            for text in texts {
                // Columns of figures begin below each other.
                let isColumn = text.contains("  {}") || text.contains("{}  ")
                #expect(!text.contains("  ") || isColumn, "\(room): \(text)")
                #expect(!riddles.contains(where: text.contains), "\(room): \(text)")
                let words = text.split(separator: " ")
                #expect(
                    !zip(words, words.dropFirst()).contains { $0 == $1 && $0.contains(where: \.isLetter) }, "\(room): \(text)")
            }
        }
    }
}
