import Checkpointing
import Diagnostics
import Foundation
import Synchronization
import TestSupport
import Testing

/// A folder of one test, and the built program to run in it.
struct Workbench: Sendable {
    let folder: String

    /// The program under test: the one beside the test bundle, or what `DTRAIN_BINARY` names.
    static let program = ProcessInfo.processInfo.environment["DTRAIN_BINARY"] ?? buildFolder + "/dtrain"

    /// Jobs of many ranks take turns: they have few cores to share.
    private static let turn = Mutex<Void>(())

    /// Marks every process of a run, also one that has left its parent and its session.
    private static let markVariable = "DTRAIN_TEST_MARK"

    /// Runs dtrain to its end: plain, or under mpirun on so many ranks.
    func dtrain(
        _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:],
        timeLimitSeconds: Double = 120
    ) throws -> Outcome {
        let job = try start(arguments, ranks: ranks, environment: environment, timeLimitSeconds: timeLimitSeconds)
        return ranks == nil ? try job.wait() : try Self.turn.withLock { _ in try job.wait() }
    }

    /// The same with the arguments one behind the other.
    func dtrain(_ arguments: String..., ranks: Int? = nil, timeLimitSeconds: Double = 120) throws -> Outcome {
        try dtrain(arguments, ranks: ranks, timeLimitSeconds: timeLimitSeconds)
    }

    /// Prepares a run of dtrain; it begins with `begin`, or with `wait`.
    func start(
        _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:],
        timeLimitSeconds: Double = 120
    ) throws -> Job {
        let mark = UUID().uuidString
        var all = environment
        all[Self.markVariable] = mark
        for name in launcherVariables where all[name] == nil { all[name] = "" }
        let child =
            ranks.map {
                MPIRun.child(
                    ranks: $0, Self.program, arguments, directory: folder, environment: all,
                    timeLimitSeconds: timeLimitSeconds)
            }
            ?? ChildProcess(
                Self.program, arguments, directory: folder, environment: all,
                timeLimitSeconds: timeLimitSeconds)
        return Job(child: child, mark: "\(Self.markVariable)=\(mark)")
    }

    /// Runs another program in the folder.
    func run(_ program: String, _ arguments: [String], timeLimitSeconds: Double = 120) throws -> ChildProcess.Result {
        try ChildProcess(program, arguments, directory: folder, timeLimitSeconds: timeLimitSeconds).run()
    }

    // MARK: - Files, by paths relative to the folder

    func path(_ name: String) -> String { name.hasPrefix("/") ? name : folder + "/" + name }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    /// The bytes of a file; empty, and an issue, where there is none.
    func bytes(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) -> Data {
        guard let data = FileManager.default.contents(atPath: path(name)) else {
            Issue.record("\(name): no such file", sourceLocation: sourceLocation)
            return Data()
        }
        return data
    }

    func text(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) -> String {
        String(decoding: bytes(name, sourceLocation: sourceLocation), as: UTF8.self)
    }

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let place = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(),
            withIntermediateDirectories: true)
        try Data(bytes).write(to: place)
    }

    /// Cuts a file to its first `count` bytes.
    func truncate(_ name: String, to count: Int) throws { try write(name, Array(bytes(name).prefix(count))) }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }

    func copy(_ name: String, to other: String) throws {
        try FileManager.default.copyItem(atPath: path(name), toPath: path(other))
    }

    /// The names in a directory, sorted, without hidden ones.
    func names(_ directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path(directory))) ?? []).filter { !$0.hasPrefix(".") }
            .sorted()
    }

    /// Every file below the folder and its bytes, but for the locks.
    func snapshot() -> [String: Data] {
        var files: [String: Data] = [:]
        for name in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? []
        where !name.hasSuffix(".lock") {
            files[name] = FileManager.default.contents(atPath: path(name))
        }
        return files
    }
}

/// Runs `body` with a fresh folder that is removed afterwards.
func withWorkbench<Value>(_ body: (Workbench) throws -> Value) throws -> Value {
    try withTemporaryFolder { try body(Workbench(folder: $0)) }
}

/// dtrain, plain or under mpirun, with all its processes.
final class Job: @unchecked Sendable {
    // Sendable: one test thread has it.
    private let child: ChildProcess
    private let mark: String
    private var running: Result<ChildProcess.Running, any Error>?

    init(child: ChildProcess, mark: String) {
        self.child = child
        self.mark = mark
    }

    /// Starts it; from here on its time runs.
    @discardableResult
    func begin() throws -> ChildProcess.Running {
        let result = running ?? Result { try child.start() }
        running = result
        return try result.get()
    }

    /// Waits for the end and for the last of its processes; those that stay are told of and killed.
    func wait() throws -> Outcome {
        let result = try begin().wait()
        let end = Date().addingTimeInterval(3)
        var left = survivors()
        while !left.isEmpty, Date() < end {
            usleep(20_000)
            left = survivors()
        }
        for process in left { kill(process, SIGKILL) }
        return Outcome(result: result, survivors: left)
    }

    /// Processes that were started with this job's mark and are no zombies (whose environment is empty).
    private func survivors() -> [pid_t] {
        let wanted = Data("\(mark)\0".utf8)
        return ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }.filter {
            FileManager.default.contents(atPath: "/proc/\($0)/environ")?.range(of: wanted) != nil
        }
    }
}

/// How a run of dtrain ended.
struct Outcome: CustomStringConvertible {
    let result: ChildProcess.Result
    /// Processes of the job that were still there three seconds later.
    let survivors: [pid_t]

    var status: Int32 { result.status }
    var output: String { result.output }
    var errors: String { result.errors }
    var description: String { "\(result)\(survivors.isEmpty ? "" : "--- left behind: \(survivors)\n")" }

    var outputLines: [Substring] { output.split(separator: "\n") }
    var errorLines: [Substring] { errors.split(separator: "\n") }

    /// The digest in the last line of the output; nil where that is another.
    var digest: String? {
        outputLines.last.flatMap { $0.hasPrefix("digest ") ? String($0.dropFirst("digest ".count)) : nil }
    }

    /// The lines that say what is wrong, without their mark.
    var messages: [String] {
        let mark = "dtrain: error: "
        return errorLines.filter { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
    }

    /// The lines of standard error that are neither message, warning nor note: stack traces, words of mpirun. What
    /// libevent says inside mpirun when a rank's end overtakes it is nobody's concern, nor what Open MPI says when an ssh that it
    /// started was quicker than itself.
    var noise: [Substring] {
        errorLines.filter { line in
            !line.contains("plm:rsh: Warning: setpgid(")
                && !["dtrain: error: ", "warning: ", "note: ", "[warn] Epoll"].contains { line.hasPrefix($0) }
        }
    }
}

/// Expects the run to have done what was asked, and nothing but warnings on standard error.
func expectSuccess(_ outcome: Outcome, sourceLocation: SourceLocation = #_sourceLocation) {
    expectEnd(outcome, .success, sourceLocation: sourceLocation)
    #expect(outcome.messages.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
}

/// Expects one message of one line with the given parts, the exit code, and nothing left behind.
func expectRefusal(
    _ outcome: Outcome, _ code: ExitCode, _ parts: [String],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    expectEnd(outcome, code, sourceLocation: sourceLocation)
    #expect(outcome.messages.count == 1, "\(outcome)", sourceLocation: sourceLocation)
    let message = outcome.messages.first ?? ""
    for part in parts {
        #expect(message.contains(part), "\"\(part)\" is not in: \(message)", sourceLocation: sourceLocation)
    }
}

/// Expects the exit code, in time, without noise, and no process left.
func expectEnd(_ outcome: Outcome, _ code: ExitCode, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(!outcome.result.timedOut, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.status == code.rawValue, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.noise.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.survivors.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
}
