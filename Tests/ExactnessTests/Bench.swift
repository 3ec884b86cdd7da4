import Foundation
import Reporting
import TestSupport
import Testing

/// The folder of one test: a configuration, its data, and the runs of it.
struct Bench: Sendable {
    let folder: String

    /// The program under test: the one beside the test bundle, or what `DTRAIN_BINARY` names.
    static let program = ProcessInfo.processInfo.environment["DTRAIN_BINARY"] ?? buildFolder + "/dtrain"

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }

    /// Trains `c.yaml` into the run directory `run` to the end; anything but success is an issue. Without `ranks` it is
    /// a plain process, else mpirun; with `hostSize` the machine is cut into hosts of so many ranks.
    func train(
        _ run: String, ranks: Int? = nil, hostSize: Int? = nil, _ arguments: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try start(run, ranks: ranks, hostSize: hostSize, arguments).wait()
        #expect(result.status == 0 && !result.timedOut, "\(run): \(result)", sourceLocation: sourceLocation)
    }

    /// Starts such a run. What Open MPI puts into the file system lies in the folder, so that a killed job leaves
    /// nothing elsewhere.
    ///
    /// - Parameter sharedMemory: where windows lie, if not in the folder as well.
    func start(
        _ run: String, ranks: Int? = nil, hostSize: Int? = nil, sharedMemory: String? = nil,
        _ arguments: [String] = []
    ) throws -> ChildProcess.Running {
        let all = ["train", "c.yaml", "--run", run, "--quiet"] + arguments
        var environment = [
            "OMPI_MCA_orte_tmpdir_base": folder, "OMPI_MCA_btl_vader_backing_directory": folder,
            "OMPI_MCA_osc_sm_backing_directory": sharedMemory ?? folder,
            "DTRAIN_NODE_SIZE": hostSize.map(String.init) ?? ""
        ]
        // Only what a test says itself counts, wherever the tests were started.
        for name in ["DTRAIN_JOB", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK"] {
            environment[name] = ""
        }
        let child =
            ranks.map {
                MPIRun.child(ranks: $0, Self.program, all, directory: folder, environment: environment, timeLimitSeconds: 120)
            } ?? ChildProcess(Self.program, all, directory: folder, environment: environment, timeLimitSeconds: 120)
        return try child.start()
    }

    func run(_ name: String) -> Run { Run(path: "\(folder)/\(name)", name: name) }
}

/// Runs `body` with a bench that trains `configuration`.
func withBench(_ configuration: String, _ body: (Bench) throws -> Void) throws {
    try withTemporaryFolder {
        let bench = Bench(folder: $0)
        try bench.write("c.yaml", configuration)
        try Tables.write(to: bench)
        try body(bench)
    }
}

/// What a run left in its directory.
struct Run: Sendable {
    let path: String
    let name: String

    /// Every file by its path in the run directory, but for the lock and what ranks have to say (host, process, cores).
    var files: [String: Data] {
        var files: [String: Data] = [:]
        for case let file as String in FileManager.default.enumerator(atPath: path) ?? .init()
        where !file.hasSuffix(".lock") && !file.hasPrefix("logs/") {
            var isDirectory: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: "\(path)/\(file)", isDirectory: &isDirectory)
            if exists, !isDirectory.boolValue { files[file] = FileManager.default.contents(atPath: "\(path)/\(file)") }
        }
        return files
    }

    /// The names of the numbered checkpoints, oldest first.
    var checkpoints: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")) ?? [])
            .filter { $0.hasPrefix("step-") }.sorted()
    }

    /// The step of the newest checkpoint.
    var savedStep: Int { checkpoints.last.flatMap { Int($0.dropFirst("step-".count)) } ?? -1 }

    /// What must be the same however often a run was interrupted: the files of the last checkpoint and of the best one,
    /// the effective configuration and the log. Older checkpoints may be others.
    var result: [String: Data] {
        let last = "checkpoints/\(checkpoints.last ?? "none")/"
        return files.filter { !$0.key.hasPrefix("checkpoints/step-") || $0.key.hasPrefix(last) }
    }

    var log: String {
        String(decoding: FileManager.default.contents(atPath: path + "/metrics.jsonl") ?? Data(), as: UTF8.self)
    }

    func lines(_ event: String) throws -> [LoggedLine] {
        try MetricsLog.lines(path: path + "/metrics.jsonl").filter { $0.event == event }
    }

    /// The step of the last complete line of the log, also while the run is writing; 0 where there is none.
    var loggedStep: Int {
        (try? MetricsLog.lines(path: path + "/metrics.jsonl").compactMap(\.step).last) ?? 0
    }
}

/// Where two sets of files differ, one line per file; empty where they don't.
func differences(_ files: [String: Data], _ others: [String: Data]) -> [String] {
    Set(files.keys).union(others.keys).sorted().compactMap { name in
        guard let one = files[name] else { return "\(name) is only in the other" }
        guard let other = others[name] else { return "\(name) is missing in the other" }
        guard one != other else { return nil }
        guard name.hasSuffix(".jsonl") else {
            let at = zip(one, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(one.count, other.count)
            return "\(name): \(one.count) and \(other.count) bytes, from byte \(at) on"
        }
        let lines = String(decoding: one, as: UTF8.self).split(separator: "\n")
        let otherLines = String(decoding: other, as: UTF8.self).split(separator: "\n")
        let at =
            zip(lines, otherLines).enumerated().first { $0.element.0 != $0.element.1 }?.offset
            ?? min(lines.count, otherLines.count)
        return
            "\(name): \(lines.count) and \(otherLines.count) lines, line \(at + 1) is \(lines.dropFirst(at).first ?? "nothing") "
            + "and \(otherLines.dropFirst(at).first ?? "nothing")"
    }
}

/// Expects the same files with the same bytes.
func expectSame(
    _ files: [String: Data], _ others: [String: Data], _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(!files.isEmpty, "\(comment): no files", sourceLocation: sourceLocation)
    for difference in differences(files, others) {
        Issue.record("\(comment): \(difference)", sourceLocation: sourceLocation)
    }
}
