import Datasets
import Diagnostics
import Files
import Foundation
import Reporting
import Tokenization

/// `dtrain tokenize`: learning a tokenizer from texts, and texts as files of tokens.
package enum TextTokenizing {
    /// Learns a tokenizer from texts and writes its file, durably.
    ///
    /// - Parameters:
    ///   - size: the tokens that are wanted.
    ///   - leastFrequency: pairs that occur less often are never joined.
    /// - Returns: what came of it, for people.
    /// - Throws: 64 for special tokens that can't be, 65 for texts that can't be learnt from, 73 where nothing can be written.
    package static func train(
        on paths: [String], size: Int, leastFrequency: Int, specialTokens: [String], to output: String
    ) throws -> String {
        try check(specialTokens, size: size)
        let file = try OutputFile(path: output)
        var counts = WordCounts()
        for path in paths {
            let before = counts.byteCount
            try TextPieces.forEach(in: path) { try counts.add($0, name: path) }
            try counts.finish(name: path)
            guard counts.byteCount > before else { throw Failure(.badData, "\(path): an empty text") }
        }
        let trained = try TokenizerTraining.train(
            counts, size: size, leastFrequency: leastFrequency, specialTokens: specialTokens)
        try reportingSystemErrors {
            try trained.file.withUnsafeBytes { try file.write($0) }
            try file.commit()
        }
        let tokenizer = trained.tokenizer
        let fewer =
            tokenizer.count < size
            ? "; \(HumanText.count(size)) were wanted, but no other pair occurs \(leastFrequency) times" : ""
        return "\(output): \(HumanText.count(tokenizer.count)) tokens, \(HumanText.count(tokenizer.mergeCount)) merges, from "
            + "\(HumanText.count(counts.byteCount)) bytes, \(HumanText.count(counts.wordCount)) words\(fewer)"
    }

    private static func check(_ specialTokens: [String], size: Int) throws {
        guard (256 + specialTokens.count...Tokenizer.mostTokens).contains(size) else {
            throw Failure(
                .usage,
                "--train \(size): expected \(256 + specialTokens.count) (all bytes\(specialTokens.isEmpty ? "" : " and the special tokens")) "
                    + "to \(Tokenizer.mostTokens)")
        }
        for name in specialTokens where name.unicodeScalars.count < 2 || name.utf8.count > 512 {
            throw Failure(.usage, "--special-token \"\(name)\": expected two characters or more, and at most 512 bytes")
        }
        guard Set(specialTokens.map { Array($0.utf8) }).count == specialTokens.count else {
            throw Failure(.usage, "--special-token: one of the tokens is named twice; leave out one of the two")
        }
    }

    /// What a file of tokens looks like.
    package enum Layout: String, CaseIterable, Sendable {
        /// Nothing but tokens.
        case nanogpt
        /// A header in front.
        case llmc = "llm.c"
    }

    /// Writes the tokens of texts, one text behind the other, durably: of two bytes each where the vocabulary fits, else of four.
    ///
    /// - Parameter end: the added token that is written behind each text; nil for none.
    /// - Returns: what is in the file, for people.
    /// - Throws: as `train`.
    package static func write(
        _ paths: [String], tokenizer path: String, end: String?, layout: Layout, to output: String
    ) throws -> String {
        let tokenizer = try TokenizerFile.read(path: path)
        let last = try end.map { name in
            guard let token = tokenizer.addedToken(name) else {
                throw Failure(.usage, "--end \"\(name)\": \(path) has no added token of that name")
            }
            return token
        }
        let file = try OutputFile(path: output)
        guard layout == .nanogpt || file.canChange else {
            throw Failure(
                .usage,
                "--format llm.c: \(output) is no regular file, and the number of tokens in front is known at the end; expected one"
            )
        }
        let width = TokenWidth(tokenCount: tokenizer.count)
        var count = 0
        var byteCount = 0
        func write(_ tokens: UnsafeBufferPointer<Int32>) throws {
            count += tokens.count
            switch width {
            case .two: try tokens.map { UInt16($0) }.withUnsafeBytes { try file.write($0) }
            case .four: try file.write(UnsafeRawBufferPointer(tokens))
            }
        }
        try reportingSystemErrors {
            if layout == .llmc { try TokenFileHeader(count: 0, width: width).bytes.withUnsafeBytes { try file.write($0) } }
            for path in paths {
                var encoder = TokenEncoder(tokenizer, name: path)
                try TextPieces.forEach(in: path) { piece in
                    byteCount += piece.count
                    try encoder.add(piece)
                    try encoder.drain(write)
                }
                guard encoder.byteCount > 0 else { throw Failure(.badData, "\(path): an empty text") }
                try (try encoder.finish() + (last.map { [$0] } ?? [])).withUnsafeBufferPointer(write)
            }
            if layout == .llmc {
                guard count <= TokenFileHeader.mostTokens else {
                    throw Failure(
                        .badData,
                        "\(output): \(count) tokens are more than a file of llm.c can have; write several, or --format nanogpt")
                }
                try TokenFileHeader(count: count, width: width).bytes.withUnsafeBytes { try file.change($0, at: 0) }
            }
            try file.commit()
        }
        return "\(output): \(HumanText.count(count)) tokens of \(width.name) from \(HumanText.count(byteCount)) bytes, "
            + String(format: "%.2f bytes per token", Double(byteCount) / Double(max(count, 1)))
    }
}
