import Diagnostics
import Foundation
import Reporting
import TestSupport
import Testing

/// A path in a directory of its own, removed at the end.
func withTemporaryPath(_ name: String = "metrics.jsonl", _ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("reporting-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory.appendingPathComponent(name).path)
}

func contents(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

@Suite("metrics.jsonl")
struct MetricsLogTests {
    private func text(_ line: LogLine) -> String {
        var bytes: [UInt8] = []
        line.write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a line has its keys in order, shortest numbers, and null for what JSON lacks")
    func lineText() {
        let line = LogLine(.validation, step: 12, epoch: 3, fields: [
            .init("loss", .number(0.1)), .init("accuracy", .number(1)), .init("tiny", .number(1e-7)),
            .init("roc_auc", .null), .init("bad", .number(.nan)), .init("worse", .number(-.infinity)),
            .init("count", .integer(7)), .init("confusion_matrix", .list([.numbers([1, 0]), .numbers([0.5, 2])])),
            .init("reason", .text("a \"quote\",\na/b")),
        ])
        #expect(text(line) == #"{"event":"validation","step":12,"epoch":3,"loss":0.1,"accuracy":1.0,"tiny":1e-07,"#
            + #""roc_auc":null,"bad":null,"worse":null,"count":7,"confusion_matrix":[[1.0,0.0],[0.5,2.0]],"#
            + #""reason":"a \"quote\",\na/b"}"# + "\n")
        #expect(text(LogLine(.end, step: 5)) == "{\"event\":\"end\",\"step\":5}\n")
    }

    @Test("a text has nothing in it that could drive a terminal, and reads back as itself")
    func controlCharacters() throws {
        let nasty = "Zürich 😀\u{1b}[31m\u{7f}\u{9b}1m\u{202e}\u{2028}\u{e0041}\r\n"
        let json = LogValue.text(nasty).json
        #expect(!json.unicodeScalars.contains { $0.drivesTerminal } && json.contains("Zürich 😀"), "\(json)")
        #expect(try JSONDecoder().decode(String.self, from: Data(json.utf8)) == nasty)
    }

    @Test("lines are read back with the very same numbers, unknown keys and a torn end doing no harm")
    func readBack() throws {
        honorDenormals()
        try withTemporaryPath { path in
            let numbers = [0.1 + 0.2, Double.leastNonzeroMagnitude, 1.7976931348623157e308, -0.0, 3]
            let fields = numbers.enumerated().map { LogLine.Field("n\($0)", .number($1)) }
            var bytes: [UInt8] = []
            LogLine(.step, step: 3, epoch: 1, fields: fields + [.init("gone", .null)]).write(to: &bytes)
            let more = "{\"event\":\"new\",\"what\":{\"a\":[1]},\"text\":\"x\"}\n{\"event\":\"step\",\"st"
            try (String(decoding: bytes, as: UTF8.self) + more).write(toFile: path, atomically: false, encoding: .utf8)
            let lines = try MetricsLog.lines(path: path)
            #expect(lines.count == 2)
            #expect(lines[0].event == "step" && lines[0].step == 3 && lines[0].epoch == 1 && lines[0].line == 1)
            #expect((0..<5).map { lines[0].numbers["n\($0)"]?.bitPattern } == numbers.map { $0.bitPattern })
            #expect(lines[0].numbers["gone"] == nil)
            #expect(lines[1].event == "new" && lines[1].step == nil)
        }
    }

    @Test("a line that is no object is refused with its place, a missing log with 66")
    func unreadable() throws {
        try withTemporaryPath { path in
            #expect(throws: Failure(.missingInput, "\(path): no such log; expected the metrics.jsonl of a run")) {
                try MetricsLog.lines(path: path)
            }
            try "{\"event\":\"step\",\"step\":1}\n[1, 2]\n".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(throws: Failure(.badData, "\(path):2: expected one JSON object per line, found \"[1, 2]\"")) {
                try MetricsLog.lines(path: path)
            }
        }
    }

    @Test("the file is appended to, also after a sync, and a place that can't be opened is a 73")
    func appending() throws {
        try withTemporaryPath { path in
            for text in ["one\n", "two\n"] {
                let log = try MetricsLog(path: path)
                var rest = Array(text.utf8)[...]
                while !rest.isEmpty { rest = rest.dropFirst(try log.append(rest)) }
                try log.sync()
            }
            #expect(try contents(path) == "one\ntwo\n")
            let failure = #expect(throws: Failure.self) { try MetricsLog(path: path + "/below") }
            #expect(failure?.code == .cannotCreate)
            #expect(failure?.message == "\(path)/below: could not be opened: Not a directory")
        }
    }

    @Test("after a failed sync the file is written anew and never synced again")
    func failedSync() throws {
        try withTemporaryPath { path in
            let log = try MetricsLog(path: path, syncFile: { _ in
                errno = EIO
                return -1
            })
            #expect(try log.append(Array("one\n".utf8)[...]) == 4)
            #expect(throws: Failure(.inputOutput, "\(path): could not be synced to the disk: Input/output error")) {
                try log.sync()
            }
            #expect(try log.append(Array("two\n".utf8)[...]) == 4)
            let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
            try log.sync()
            #expect(try log.append(Array("three\n".utf8)[...]) == 6)
            let after = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
            #expect(before != after)
            #expect(try contents(path) == "one\ntwo\nthree\n")
        }
    }

    @Test("a full disk is a failure with its reason, not a trap",
          .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func fullDisk() throws {
        let log = try MetricsLog(path: "/dev/full")
        let failure = #expect(throws: Failure.self) { try log.append([1, 2, 3]) }
        #expect(failure == Failure(.inputOutput,
                                   "/dev/full: could not be written: No space left on device; free some space"))
    }
}

@Suite("Cutting metrics.jsonl back for a resume")
struct TruncationTests {
    private func step(_ step: Int, _ mark: String = "") -> String {
        "{\"event\":\"step\",\"step\":\(step),\"m\":\"\(mark)\"}\n"
    }
    private func validation(_ step: Int, _ mark: String = "") -> String {
        "{\"event\":\"validation\",\"step\":\(step),\"m\":\"\(mark)\"}\n"
    }
    private func end(_ step: Int) -> String { "{\"event\":\"end\",\"step\":\(step)}\n" }

    private func check(_ before: [String], after: Int, keepsValidation: Bool = true, _ expected: [String],
                       _ truncation: MetricsLog.Truncation, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try withTemporaryPath { path in
            try before.joined().write(toFile: path, atomically: false, encoding: .utf8)
            let result = try MetricsLog.truncate(path: path, afterStep: after, keepsValidation: keepsValidation)
            #expect(try contents(path) == expected.joined(), sourceLocation: sourceLocation)
            #expect(result == truncation, sourceLocation: sourceLocation)
            #expect(!FileManager.default.fileExists(atPath: path + ".new"), sourceLocation: sourceLocation)
        }
    }

    @Test("later steps go, the step itself stays")
    func laterSteps() throws {
        try check([step(1), step(2), validation(2), step(3), validation(4), step(5)], after: 2,
                  [step(1), step(2), validation(2)], .init(kept: 3, cut: 3))
        try check([step(1), step(2)], after: 0, [], .init(kept: 0, cut: 2))
    }

    @Test("an end goes even at the step itself")
    func ends() throws {
        try check([step(1), end(1), step(2), end(2)], after: 2, [step(1), step(2)], .init(kept: 2, cut: 2))
    }

    @Test("a torn last line goes, whatever its step")
    func tornLine() throws {
        try check([step(1), "{\"event\":\"step\",\"step\":2"], after: 9, [step(1)], .init(kept: 1, damaged: 1))
        try check([step(1), "{\"event\":\"step\",\"step\":2}"], after: 9, [step(1)], .init(kept: 1, damaged: 1))
    }

    @Test("lines that a dead disk left unreadable go")
    func damagedLines() throws {
        try check([step(1), "\0\0\0\n", "\n", step(2)], after: 9, [step(1), step(2)], .init(kept: 2, damaged: 2))
    }

    @Test("steps that stand twice keep their later lines")
    func duplicates() throws {
        try check([step(1), step(2, "old"), step(3, "old"), step(2, "new"), step(3, "new"), step(4)], after: 3,
                  [step(1), step(2, "new"), step(3, "new")], .init(kept: 3, cut: 3))
        try check([step(1), step(2, "old"), validation(2, "old"), step(2, "new"), step(3)], after: 3,
                  [step(1), validation(2, "old"), step(2, "new"), step(3)], .init(kept: 4, cut: 1))
        try check([step(2), validation(2, "old"), validation(2, "new")], after: 3,
                  [step(2), validation(2, "new")], .init(kept: 2, cut: 1))
    }

    @Test("a validation that will be repeated goes")
    func repeatedValidation() throws {
        try check([step(1), validation(1), step(2), validation(2)], after: 2, keepsValidation: false,
                  [step(1), validation(1), step(2)], .init(kept: 3, cut: 1))
    }

    @Test("lines without a step go with the line before them")
    func withoutStep() throws {
        let other = "{\"event\":\"later\"}\n"
        try check([other, step(1), other, step(2), other], after: 1, [other, step(1), other], .init(kept: 3, cut: 2))
    }

    @Test("a log that needs no cut is left alone, and a missing one is empty")
    func untouched() throws {
        try check([step(1), validation(1)], after: 1, [step(1), validation(1)], .init(kept: 2))
        try withTemporaryPath { path in
            let result = try MetricsLog.truncate(path: path, afterStep: 3)
            #expect(result == .init())
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}
