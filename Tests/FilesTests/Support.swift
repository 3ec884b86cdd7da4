import Diagnostics
import Files
import Foundation
import Testing

/// Runs `body` with an empty directory that is removed afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/dtrain-files-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// The failure that `body` throws; the test fails if it throws none.
func failure(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> Failure? {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let failure as Failure {
        return failure
    } catch {
        Issue.record("not a Failure: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
func names(in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

/// What lies at a path; a link itself.
func status(_ path: String) -> stat {
    var status = stat()
    lstat(path, &status)
    return status
}
