import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Files that are made to hang a reader, or to take all memory.
struct HostileFileTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func train(_ path: String) throws -> Dataset {
        try load("format: csv\ntrain: {path: \(path), target: y}").train
    }

    @Test("a pipe, a device, a socket and a directory are refused at once where a data file belongs")
    func noFiles() throws {
        let pipe = files.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let targets = try files.write("targets", idx([2], [0, 1]))
        for (path, kind) in [
            (pipe, "a pipe"), ("/dev/zero", "a device"), ("/dev/null", "a device"),
            (files.directory.path, "a directory")
        ] {
            expectFailure(.badData, "\(path): \(kind), not a regular file") { _ = try train(path) }
            expectFailure(.badData, "\(path): \(kind), not a regular file") {
                _ = try load("format: idx\ntrain: {inputs: \(path), targets: \(targets)}")
            }
        }
    }

    @Test(
        "millions of empty lines, of blanks and of carriage returns are passed over in time that grows with their number",
        arguments: ["\n", "\r", " \n", "\r\r\n", "#\n"])
    func emptyLines(_ line: String) throws {
        let many = String(repeating: line, count: 1_000_000)
        let path = try files.write("table.csv", many + "a,y\n1,p\n" + many + "2,q\n" + many)
        let dataset = try load("format: csv\ntrain: {path: \(path), target: y, comment: \"#\"}").train
        #expect(dataset.inputRows() == [[1], [2]])
    }

    @Test("more lines than there are can be skipped in no time", arguments: [3, 1_000_000_000, Int.max])
    func skippedLines(_ count: Int) throws {
        let path = try files.write("table.csv", "a,y\n1,p\n2,q\n")
        expectFailure(.badData, "table.csv: an empty set") {
            _ = try load("format: csv\ntrain: {path: \(path), target: y, skip_lines: \(count)}")
        }
    }

    @Test("rows without end are refused by their number of cells")
    func longRows() throws {
        let commas = String(repeating: ",", count: 2_000_000)
        for (text, line) in [(commas, 1), ("a,y\n1,p\n\(commas)\n", 3)] {
            expectFailure(.badData, "table.csv:\(line): more than 1048576 cells") {
                _ = try train(try files.write("table.csv", text))
            }
        }
    }

    @Test("a cell of megabytes is a text like another, and short in messages")
    func longCell() throws {
        let long = String(repeating: "x", count: 3_000_000)
        #expect(
            try train(try files.write("table.csv", "a,y\n\(long),p\nb,q\n\(long),p\n")).inputRows() == [[0, 1], [1, 0], [0, 1]])
        let trained = try load("format: csv\ntrain: {path: \(files.path("table.csv")), target: y}").preprocessing
        let other = try files.write("other.csv", "a\n\(long)y\n")
        do {
            _ = try trained.inputs(from: other)
            Issue.record("accepted")
        } catch let failure as Failure {
            #expect(failure.message.utf8.count < 1000)
        }
    }

    @Test("gzip that unpacks to a flood is refused before the memory is full")
    func bomb() throws {
        let row = Array("1,p\n2,q\n".utf8)
        let block = try gzip(Array(repeating: row, count: 1 << 18).flatMap { $0 })
        // Members one behind the other are one content.
        let bytes = Array(repeating: block, count: 40).flatMap { $0 }
        let path = try files.write("table.csv.gz", try gzip(Array("a,y\n".utf8)) + bytes)
        expectFailure(.badData, "table.csv.gz", "unpack to more than 200 times") { _ = try train(path) }
    }

    @Test("zero bytes are no text, wherever they stand")
    func zeroBytes() throws {
        var bytes = Array(("a,y\n" + String(repeating: "1,p\n2,q\n", count: 1000)).utf8)
        bytes += [0x31, 0x2C, 0x70, 0, 0x0A]
        expectFailure(.badData, "table.csv:2002: column \"y\"") { _ = try train(try files.write("table.csv", bytes)) }
    }

    @Test("an unknown text of any length is compared with the known ones in no time")
    func nearest() throws {
        let categories = (0..<500).map { String(repeating: "k\($0)", count: 1000) }
        let text = "c,y\n" + (categories + categories).map { "\($0),\($0.count % 2 == 0 ? "p" : "q")\n" }.joined()
        let path = try files.write("table.csv", text + "z,q\n")
        let trained = try load("format: csv\ntrain: {path: \(path), target: y}").preprocessing
        let other = try files.write("other.csv", "c\n" + String(repeating: "k", count: 5000) + "\n")
        expectFailure(.badData, "is not one of the categories") { _ = try trained.inputs(from: other) }
    }
}
