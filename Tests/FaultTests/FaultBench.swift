import Checkpointing
import Diagnostics
import Files
import Foundation
import Reporting
import TestSupport
import Testing

/// What the real program does when disks, processes and machines fail. One test at a time: each starts jobs of several
/// ranks, and some measure.
@Suite("Faults", .serialized)
enum FaultTests {}

/// How a job is started.
enum Launch: Sendable, CustomStringConvertible {
    case plain
    /// `launch/local.sh -np N dtrain`
    case script(Int)
    /// `dtrain --ranks N`
    case option(Int)
    /// `mpirun -np N dtrain`
    case bare(Int)

    var description: String {
        switch self {
        case .plain: "dtrain"
        case .script(let ranks): "launch/local.sh -np \(ranks) dtrain"
        case .option(let ranks): "dtrain --ranks \(ranks)"
        case .bare(let ranks): "mpirun -np \(ranks) dtrain"
        }
    }
}

/// A folder of one test, with configurations and run directories in it.
struct FaultBench: Sendable {
    let folder: String

    static let program = ProcessInfo.processInfo.environment["DTRAIN_BINARY"] ?? buildFolder + "/dtrain"
    static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("launch/local.sh").path

    // MARK: - Jobs

    /// Starts `dtrain` with these arguments.
    func start(
        _ launch: Launch = .plain, _ arguments: [String], scriptOptions: [String] = [],
        environment more: [String: String] = [:],
        limit: Double = 120
    ) throws -> ChildProcess.Running {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        var environment = ["PATH": parent(Self.program) + ":" + path]
        for name in launcherVariables { environment[name] = "" }
        environment.merge(more) { _, new in new }
        let child =
            switch launch {
            case .plain:
                ChildProcess(Self.program, arguments, directory: folder, environment: environment, timeLimitSeconds: limit)
            case .script(let ranks):
                ChildProcess(
                    "/bin/bash", [Self.script, "-np", String(ranks)] + scriptOptions + ["dtrain"] + arguments,
                    directory: folder, environment: environment, timeLimitSeconds: limit)
            case .option(let ranks):
                ChildProcess(
                    Self.program, arguments + ["--ranks", String(ranks)], directory: folder,
                    environment: environment, timeLimitSeconds: limit)
            case .bare(let ranks):
                // What a killed mpirun leaves in shared memory goes with the folder.
                MPIRun.child(
                    ranks: ranks, Self.program, arguments, directory: folder,
                    environment: environment.merging([
                        "OMPI_MCA_orte_tmpdir_base": folder, "OMPI_MCA_btl_vader_backing_directory": folder
                    ]) { _, new in new }, timeLimitSeconds: limit)
            }
        return try child.start()
    }

    /// Starts a job and waits for its end.
    func run(_ launch: Launch = .plain, _ arguments: [String], limit: Double = 120) throws -> Ended {
        Ended(try start(launch, arguments, limit: limit))
    }

    /// Starts `dtrain` from a shell, in which it stands behind `before` (`ulimit -f 1; exec`) and ahead of `after`
    /// (`> /dev/full`).
    func startShell(
        _ before: String, _ arguments: [String], _ after: String = "",
        limit: Double = 60
    ) throws -> ChildProcess.Running {
        try ChildProcess(
            "/bin/bash", ["-c", "ulimit -c 0; \(before) \"$0\" \"$@\" \(after)", Self.program] + arguments,
            directory: folder, timeLimitSeconds: limit
        ).start()
    }

    /// The same, and waits for its end.
    func shell(_ before: String, _ arguments: [String], _ after: String = "", limit: Double = 60) throws -> Ended {
        Ended(try startShell(before, arguments, after, limit: limit))
    }

    /// `train c.yaml --run r …`
    func train(
        _ launch: Launch = .plain, _ run: String = "r", config: String = "c.yaml", _ more: [String] = [],
        limit: Double = 120
    ) throws -> Ended {
        try self.run(launch, ["train", config, "--run", run] + more, limit: limit)
    }

    /// The same job without any fault: what every interrupted run must come to.
    func reference(steps: Int, config: String = "c.yaml") throws -> RunState {
        let name = "reference-\(steps)"
        let ended = try train(.plain, name, config: config, ["--steps", String(steps)])
        try #require(ended.status == 0, "\(ended)")
        return state(name)
    }

    // MARK: - Files

    func path(_ name: String) -> String { name.hasPrefix("/") ? name : folder + "/" + name }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
    func bytes(_ name: String) -> Data { FileManager.default.contents(atPath: path(name)) ?? Data() }
    func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }
    func state(_ run: String) -> RunState { RunState(path: path(run)) }

    /// Puts bytes into a file as they are, in place.
    func write(_ name: String, _ bytes: Data) throws {
        let place = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(),
            withIntermediateDirectories: true)
        try bytes.write(to: place)
    }

    func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }
    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }
    func copy(_ name: String, to other: String) throws {
        try FileManager.default.copyItem(atPath: path(name), toPath: path(other))
    }

    /// Everything in a directory but the lock: kind, size, time of change and content.
    func inventory(_ directory: String) -> [String: String] {
        var found: [String: String] = [:]
        let names = FileManager.default.enumerator(atPath: path(directory))?.compactMap { $0 as? String } ?? []
        for name in ["."] + names where !name.hasSuffix(".lock") {
            var status = stat()
            lstat("\(path(directory))/\(name)", &status)
            let sum =
                status.st_mode & S_IFMT == S_IFREG
                ? (try? SHA256.hexadecimal(of: bytes("\(directory)/\(name)"))) ?? "unreadable" : "directory"
            found[name] = "\(status.st_size) bytes, \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec), \(sum)"
        }
        return found
    }

    private func parent(_ path: String) -> String { URL(fileURLWithPath: path).deletingLastPathComponent().path }
}

/// Runs `body` with a fresh folder that is removed afterwards.
func withFaultBench(_ body: (FaultBench) throws -> Void) throws {
    try withTemporaryFolder { try body(FaultBench(folder: $0)) }
}

/// What stands in a run directory.
struct RunState: Sendable {
    let path: String

    /// All names among the checkpoints, hidden ones too.
    var entries: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")) ?? []).sorted()
    }
    /// The steps of the numbered checkpoints, lowest first.
    var steps: [Int] {
        entries.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }
    }
    var hidden: [String] { entries.filter { $0.hasPrefix(".") } }

    func checkpoint(_ step: Int) -> String { CheckpointStore(runDirectory: path).path(ofStep: step) }
    func file(_ name: String, step: Int) -> Data {
        FileManager.default.contents(atPath: checkpoint(step) + "/" + name) ?? Data()
    }

    /// The lines of an event as they stand in the log.
    func lines(_ event: String) -> [Substring] {
        String(decoding: FileManager.default.contents(atPath: path + "/metrics.jsonl") ?? Data(), as: UTF8.self)
            .split(separator: "\n").filter { $0.hasPrefix("{\"event\":\"\(event)\"") }
    }

    /// The last step that is in the log; 0 where none is.
    var loggedStep: Int { lines("step").last.flatMap { Self.step(of: $0) } ?? 0 }

    static func step(of line: Substring) -> Int? {
        line.firstRange(of: "\"step\":").flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
    }
}

/// How a job ended.
struct Ended: CustomStringConvertible {
    let result: ChildProcess.Result
    /// Processes of the job that were there some seconds later, and were killed.
    let left: [ChildProcess.Running.Member]

    /// Waits for the end.
    init(_ job: ChildProcess.Running) {
        result = job.wait()
        left = job.awaitProcesses(seconds: 4)
    }

    var status: Int32 { result.status }
    var description: String { "\(result)\(left.isEmpty ? "" : "--- left behind: \(left)\n")" }

    /// The lines of standard error that begin with `mark`, without it.
    func lines(_ mark: String) -> [String] {
        result.errors.split(separator: "\n").filter { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
    }
    var messages: [String] { lines("dtrain: error: ") }
    var warnings: [String] { lines("warning: ") }

    /// The step after which a signal stopped the run; nil where it didn't.
    var interruptedStep: Int? {
        let mark = "interrupted after step "
        return result.output.split(separator: "\n").first { $0.hasPrefix(mark) }
            .flatMap { Int($0.dropFirst(mark.count).prefix { $0 != ";" }.filter(\.isNumber)) }
    }
}

/// Expects the exit code, in time, and no process left.
func expectEnd(
    _ ended: Ended, _ code: ExitCode, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(
        ended.status == code.rawValue && !ended.result.timedOut && ended.left.isEmpty, "\(comment) \(ended)",
        sourceLocation: sourceLocation)
}

/// Expects the exit code and one message with these parts.
func expectRefusal(
    _ ended: Ended, _ code: ExitCode, _ parts: [String],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    expectEnd(ended, code, sourceLocation: sourceLocation)
    #expect(
        ended.messages.count == 1 && parts.allSatisfy { ended.messages.first?.contains($0) == true },
        "expected one message with \(parts): \(ended)", sourceLocation: sourceLocation)
}

/// Expects that a run has come to the same bits as another: all files of its newest checkpoint, and every line of steps
/// and validations, each once.
func expectSame(
    _ one: RunState, _ other: RunState, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard let step = other.steps.last, one.steps.last == step else {
        Issue.record(
            "the newest checkpoints are \(one.entries) and \(other.entries) \(comment)",
            sourceLocation: sourceLocation)
        return
    }
    for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
        #expect(
            one.file(name, step: step) == other.file(name, step: step) && !one.file(name, step: step).isEmpty,
            "\(name) differs \(comment)", sourceLocation: sourceLocation)
    }
    for event in ["step", "validation"] {
        #expect(
            one.lines(event) == other.lines(event), "\(event) lines differ \(comment)",
            sourceLocation: sourceLocation)
    }
    #expect(one.hidden.isEmpty, "left: \(one.hidden) \(comment)", sourceLocation: sourceLocation)
}
