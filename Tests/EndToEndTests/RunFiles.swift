import Checkpointing
import Files
import Foundation
import Reporting
import Testing

/// What a run leaves in its directory.
struct RunFiles {
    let bench: Workbench
    /// Relative to the workbench.
    let run: String

    var checkpoints: [String] { bench.names("\(run)/checkpoints") }
    /// The steps of the numbered checkpoints.
    var steps: [Int] { checkpoints.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil } }

    func model(_ checkpoint: String) -> Data { bench.bytes("\(run)/checkpoints/\(checkpoint)/model.safetensors") }
    func optimizer(_ checkpoint: String) -> Data {
        bench.bytes("\(run)/checkpoints/\(checkpoint)/optimizer.safetensors")
    }

    /// The last checkpoint's name; not that of one that was set aside.
    var last: String { checkpoints.last { Int($0.dropFirst(5)) != nil } ?? "none" }

    /// The SHA-256 sum of the last checkpoint's model.
    var digest: String { (try? SHA256.hexadecimal(of: model(last))) ?? "" }

    var logText: String { bench.text("\(run)/metrics.jsonl") }
    func log() throws -> [LoggedLine] { try MetricsLog.lines(path: bench.path("\(run)/metrics.jsonl")) }
    func log(_ event: String) throws -> [LoggedLine] { try log().filter { $0.event == event } }

    /// The lines of an event as they stand in the file.
    func rawLines(_ event: String) -> [Substring] {
        logText.split(separator: "\n").filter { $0.hasPrefix("{\"event\":\"\(event)\"") }
    }
}

extension Workbench {
    /// Replaces words of a checkpoint's `state.json`, and seals it anew.
    func forge(_ checkpoint: String, _ original: String, _ replacement: String) throws {
        let state = checkpoint + "/state.json"
        let mark = "\"sha256\": \""
        let forged = text(state).replacing(original, with: replacement)
        try #require(forged.contains(replacement), "\(forged.prefix(3000))")
        let sealed = forged[..<(try #require(forged.range(of: mark, options: .backwards)).lowerBound)]
        try write(state, sealed + "\(mark)\(try SHA256.hexadecimal(of: Array(sealed.utf8)))\"\n}\n")
    }

    func files(_ run: String) -> RunFiles { RunFiles(bench: self, run: run) }
}

/// Expects two runs to have ended in the same bits: weights, optimizer state, and what was logged of steps and
/// validations.
func expectSameResult(
    _ one: RunFiles, _ other: RunFiles, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(one.last == other.last, "\(comment)", sourceLocation: sourceLocation)
    #expect(
        one.model(one.last) == other.model(other.last), "model.safetensors differs \(comment)",
        sourceLocation: sourceLocation)
    #expect(
        one.optimizer(one.last) == other.optimizer(other.last), "optimizer.safetensors differs \(comment)",
        sourceLocation: sourceLocation)
    for event in ["step", "validation"] {
        #expect(
            one.rawLines(event) == other.rawLines(event), "\(event) lines differ \(comment)",
            sourceLocation: sourceLocation)
    }
}

extension Data {
    /// Whether every Float32 tensor of a safetensors file in a run holds finite numbers only.
    static func holdsFiniteNumbers(_ file: SafetensorsFile) throws -> Bool {
        try file.tensors.allSatisfy { try file.floats($0.name).allSatisfy(\.isFinite) }
    }
}
