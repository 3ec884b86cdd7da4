import Diagnostics
import Files
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

/// The directory of a file, on a disk of the test's making.
func directory(of path: String, _ fileSystem: any FileSystem = PosixFileSystem()) throws -> Directory {
    try Directory(Place(parentDirectory(of: path)), fileSystem: fileSystem)
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
        let line = LogLine(
            .validation, step: 12, epoch: 3,
            fields: [
                .init("loss", .number(0.1)), .init("accuracy", .number(1)), .init("tiny", .number(1e-7)),
                .init("roc_auc", .null), .init("bad", .number(.nan)), .init("worse", .number(-.infinity)),
                .init("count", .integer(7)), .init("confusion_matrix", .list([.numbers([1, 0]), .numbers([0.5, 2])])),
                .init("reason", .text("a \"quote\",\na/b"))
            ])
        #expect(
            text(line) == #"{"event":"validation","step":12,"epoch":3,"loss":0.1,"accuracy":1.0,"tiny":1e-07,"#
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

    @Test("the file is appended to, also after a sync, and what is no file is a 73")
    func appending() throws {
        try withTemporaryPath { path in
            for text in ["one\n", "two\n"] {
                let log = try MetricsLog(in: try directory(of: path))
                var rest = Array(text.utf8)[...]
                while !rest.isEmpty { rest = rest.dropFirst(try log.append(rest)) }
                try log.sync()
            }
            #expect(try contents(path) == "one\ntwo\n")
        }
    }

    /// What may stand under the name of the log.
    enum Foreign: CaseIterable { case directory, link, danglingLink, pipe, device }

    @Test(
        "a link, pipe, device or directory in the place of the log is refused by name, and nothing waits or is written",
        arguments: Foreign.allCases)
    func foreign(kind: Foreign) throws {
        try withTemporaryPath { path in
            let victim = parentDirectory(of: path) + "/victim"
            try "precious\n".write(toFile: victim, atomically: false, encoding: .utf8)
            var isMade = true
            switch kind {
            case .directory: mkdir(path, 0o700)
            case .link: symlink(victim, path)
            case .danglingLink: symlink(victim + "-2", path)
            case .pipe: mkfifo(path, 0o600)
            // A full one: whoever wrote into it would be told so.
            case .device: isMade = mknod(path, S_IFCHR | 0o600, 0x107) == 0
            }
            // Only root makes devices.
            guard isMade else { return }
            let opened = try directory(of: path)
            for attempt in [{ _ = try MetricsLog(in: opened) }, { try MetricsLog.truncate(in: opened, afterStep: -1) }] {
                let failure = #expect(throws: Failure.self) { try attempt() }
                #expect(failure?.code == .cannotCreate)
                #expect(
                    failure?.message.hasPrefix("\(path): a ") == true
                        && failure?.message.contains(", expected a file") == true, "\(failure?.message ?? "")")
            }
            #expect(throws: Failure.self) { try MetricsLog.lines(path: path) }
            #expect(try contents(victim) == "precious\n")
            #expect(!FileManager.default.fileExists(atPath: victim + "-2"))
        }
    }

    @Test(
        "a file elsewhere that has the log's name as a second one (a hard link) is neither cut nor appended to",
        arguments: [0, 1, 5])
    func hardLink(step: Int) throws {
        try withTemporaryPath { path in
            let victim = parentDirectory(of: path) + "/victim"
            let text = "{\"event\":\"step\",\"step\":1}\n{\"event\":\"step\",\"step\":2}\n"
            try text.write(toFile: victim, atomically: false, encoding: .utf8)
            try FileManager.default.linkItem(atPath: victim, toPath: path)
            let opened = try directory(of: path)
            try MetricsLog.truncate(in: opened, afterStep: step)
            let log = try MetricsLog(in: opened)
            _ = try log.append(Array("three\n".utf8)[...])
            #expect(try contents(victim) == text)
            #expect(try contents(path).hasSuffix("three\n"))
        }
    }

    @Test("a log that can't be read is trouble (74), not an empty one", arguments: [EIO, EACCES, ESTALE, EMFILE])
    func trouble(code: Int32) throws {
        try withTemporaryPath { path in
            try "{}\n".write(toFile: path, atomically: false, encoding: .utf8)
            for call in ["open", "read", "stat"] {
                let disk = FaultyDisk(reading: { $0 == call && $1 == path ? code : nil })
                let opened = try directory(of: path, disk)
                let failure = #expect(throws: Failure.self) { try MetricsLog.truncate(in: opened, afterStep: -1) }
                #expect(failure?.code == .inputOutput && failure?.message.contains("\(call) failed") == true)
                #expect(try contents(path) == "{}\n" && disk.log.isEmpty)
            }
        }
    }

    @Test("after a failed sync the file is written anew and never synced again")
    func failedSync() throws {
        try withTemporaryPath { path in
            let disk = FaultyDisk { _, call, place in call == "fsync" && place == path ? .fail(EIO) : .pass }
            let log = try MetricsLog(in: try directory(of: path, disk))
            #expect(try log.append(Array("one\n".utf8)[...]) == 4)
            #expect(
                throws: Failure(
                    .inputOutput,
                    "\(path): fsync failed: Input/output error; the disk or its connection has "
                        + "a fault: see the system's log")
            ) {
                try log.sync()
            }
            #expect(try log.append(Array("two\n".utf8)[...]) == 4)
            let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
            try log.sync()
            #expect(try log.append(Array("three\n".utf8)[...]) == 6)
            let after = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
            #expect(before != after)
            #expect(try contents(path) == "one\ntwo\nthree\n")
            #expect(disk.log.count { $0 == "fsync \(path)" } == 1)
        }
    }

    @Test("a full disk is a failure with its reason, not a trap")
    func fullDisk() throws {
        try withTemporaryPath { path in
            let disk = FaultyDisk { _, call, _ in call == "write" ? .fail(ENOSPC) : .pass }
            let log = try MetricsLog(in: try directory(of: path, disk))
            let failure = #expect(throws: Failure.self) { try log.append([1, 2, 3]) }
            #expect(
                failure
                    == Failure(
                        .inputOutput,
                        "\(path): write failed: No space left on device; free space on this "
                            + "file system or write the run elsewhere (--run)"))
        }
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

    private func check(
        _ before: [String], after: Int, _ expected: [String],
        _ truncation: MetricsLog.Truncation, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try withTemporaryPath { path in
            try before.joined().write(toFile: path, atomically: false, encoding: .utf8)
            let result = try MetricsLog.truncate(in: try directory(of: path), afterStep: after)
            #expect(try contents(path) == expected.joined(), sourceLocation: sourceLocation)
            #expect(result == truncation, sourceLocation: sourceLocation)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: parentDirectory(of: path)) == ["metrics.jsonl"],
                sourceLocation: sourceLocation)
        }
    }

    @Test("later steps go, the step itself stays")
    func laterSteps() throws {
        try check(
            [step(1), step(2), validation(2), step(3), validation(4), step(5)], after: 2,
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
        try check(
            [step(1), step(2, "old"), step(3, "old"), step(2, "new"), step(3, "new"), step(4)], after: 3,
            [step(1), step(2, "new"), step(3, "new")], .init(kept: 3, cut: 3))
        try check(
            [step(1), step(2, "old"), validation(2, "old"), step(2, "new"), step(3)], after: 3,
            [step(1), validation(2, "old"), step(2, "new"), step(3)], .init(kept: 4, cut: 1))
        try check(
            [step(2), validation(2, "old"), validation(2, "new")], after: 3,
            [step(2), validation(2, "new")], .init(kept: 2, cut: 1))
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
            let result = try MetricsLog.truncate(in: try directory(of: path), afterStep: 3)
            #expect(result == .init())
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("lines that stand twice at a step are sorted out also where later steps stood between them")
    func twiceWithGap() throws {
        let change = "{\"event\":\"change\",\"step\":2,\"change\":\"x\"}\n"
        try check(
            [step(2, "a"), change, validation(2), step(3), change, step(2, "b"), step(4)], after: 9,
            [change, validation(2), change, step(2, "b"), step(4)], .init(kept: 5, cut: 2))
    }

    @Test(
        "a hundred thousand lines of one step, or steps that go back again and again, take no longer for each line",
        arguments: [
            ["change"], ["change", "change", "step"], ["validation"], ["step", "back"], ["other"]
        ])
    func linear(kinds: [String]) throws {
        let lines = (0..<60_000).map { index in
            switch kinds[index % kinds.count] {
            case "change": "{\"event\":\"change\",\"step\":2}\n"
            case "validation": validation(2)
            case "back": step(1)
            case "other": "{}\n"
            default: step(2)
            }
        }
        try withTemporaryPath { path in
            try (lines.joined() + end(9)).write(toFile: path, atomically: false, encoding: .utf8)
            let start = ContinuousClock.now
            try MetricsLog.truncate(in: try directory(of: path), afterStep: 3)
            // A second or so; a quadratic one takes minutes.
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }
}
