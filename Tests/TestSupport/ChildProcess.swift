import Foundation

/// A program that a test starts and watches. It runs in a process group of its own, and what is left of the group is
/// killed when its time is up, so that a hang is a failure and not a hang. It starts with no signal blocked, and carries
/// a mark in its environment by which all processes that come of it are known (`Running.processes`).
package struct ChildProcess: Sendable {
    /// How a child ended.
    package struct Result: Sendable, CustomStringConvertible {
        /// The exit status, or 128 + the signal that ended it.
        package let status: Int32
        package let output: String
        package let errors: String
        package let timedOut: Bool

        package var description: String {
            "status \(status)\(timedOut ? " (time is up)" : "")\n--- output\n\(output)--- errors\n\(errors)"
        }
    }

    package var program: String
    package var arguments: [String]
    package var directory: String?
    /// Laid over this process's environment; an empty value removes.
    package var environment: [String: String]
    package var timeLimitSeconds: Double

    package init(
        _ program: String, _ arguments: [String], directory: String? = nil, environment: [String: String] = [:],
        timeLimitSeconds: Double = 120
    ) {
        self.program = program
        self.arguments = arguments
        self.directory = directory
        self.environment = environment
        self.timeLimitSeconds = timeLimitSeconds
    }

    /// Runs it to its end.
    package func run() throws -> Result { try start().wait() }

    /// Starts it.
    package func start() throws -> Running { try Running(self) }

    /// A child that runs.
    package final class Running: @unchecked Sendable {
        // Sendable: a test hands it around; Process locks for itself.
        private let process = Process()
        private let folder: String
        private let timeLimitSeconds: Double
        private let started = Date()
        let mark = UUID().uuidString

        /// The process (group) identifier.
        package var identifier: Int32 { process.processIdentifier }
        package var isRunning: Bool { process.isRunning }

        init(_ child: ChildProcess) throws {
            _ = signalsAreHeard
            timeLimitSeconds = child.timeLimitSeconds
            folder = try makeTemporaryFolder()
            // Foundation puts it into a process group of its own.
            process.executableURL = URL(fileURLWithPath: child.program)
            process.arguments = child.arguments
            if let directory = child.directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
            var environment = ProcessInfo.processInfo.environment
            for (key, value) in child.environment { environment[key] = value.isEmpty ? nil : value }
            environment[Self.markVariable] = mark
            process.environment = environment
            for name in ["out", "err"] { _ = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: nil) }
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = FileHandle(forWritingAtPath: "\(folder)/out")
            process.standardError = FileHandle(forWritingAtPath: "\(folder)/err")
            // A child inherits the signal mask, and the threads that run tests block what can be blocked.
            var none = sigset_t()
            var former = sigset_t()
            sigemptyset(&none)
            pthread_sigmask(SIG_SETMASK, &none, &former)
            defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
            try process.run()
        }

        deinit {
            // A test that failed in the middle leaves nothing running behind it.
            if process.isRunning { killGroup() }
            try? FileManager.default.removeItem(atPath: folder)
        }

        /// What it has printed so far.
        package var output: String { text("out") }
        package var errors: String { text("err") }

        /// Sends a signal to the program itself.
        package func send(_ signal: Int32) { kill(identifier, signal) }

        /// Waits for the end, or kills the group at the time limit.
        package func wait() -> Result {
            var isKilled = false
            while process.isRunning {
                if Date().timeIntervalSince(started) > timeLimitSeconds {
                    isKilled = true
                    killGroup()
                    break
                }
                usleep(2000)
            }
            process.waitUntilExit()
            // It may have ended by itself, and where the machine is busy Foundation hears of it late.
            let timedOut = isKilled && process.terminationReason == .uncaughtSignal
            let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
            return Result(status: status, output: output, errors: errors, timedOut: timedOut)
        }

        /// Waits until `condition` holds of the output, at most `seconds`; false if it never did.
        package func waitUntil(seconds: Double = 60, _ condition: (Running) -> Bool) -> Bool {
            let end = Date().addingTimeInterval(seconds)
            while Date() < end {
                if condition(self) { return true }
                if !process.isRunning { return condition(self) }
                usleep(5000)
            }
            return false
        }

        private func text(_ name: String) -> String {
            String(decoding: FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data(), as: UTF8.self)
        }

        private func killGroup() {
            kill(-identifier, SIGKILL)
            killAll()
        }
    }
}

/// Signals that this process was started with ignored (nohup, a background job of a script) are so in its children too,
/// which tests send them to. A handler here, which does nothing, is the default there.
package let signalsAreHeard: Void = {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("SigIgn:") } ?? ""
    let ignored = UInt64(line.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) ?? 0
    for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1] where ignored >> UInt64(number - 1) & 1 == 1 {
        signal(number) { _ in }
    }
}()

/// Variables that would tell a child of a launcher or a terminal; only what a test says itself counts, wherever the tests
/// were started.
package let launcherVariables = [
    "DTRAIN_TERMINAL", "DTRAIN_COLUMNS", "DTRAIN_COLOR", "DTRAIN_JOB", "DTRAIN_SESSION", "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_SIZE",
    "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"
]

/// A fresh folder below the system's temporary one.
package func makeTemporaryFolder() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/dtrain-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}

/// Runs `body` in a fresh folder that is removed afterwards.
package func withTemporaryFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
    let path = try makeTemporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// The folder of the programs that were built with the tests.
package let buildFolder: String = {
    // The test runner stands beside them, or in the test bundle one level down.
    var folder = URL(
        fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
    ).deletingLastPathComponent()
    for argument in [CommandLine.arguments[0]] + CommandLine.arguments.dropFirst() where argument.contains(".build/") {
        folder = URL(fileURLWithPath: argument).deletingLastPathComponent()
        if FileManager.default.isExecutableFile(atPath: folder.path + "/dtrain") { break }
    }
    return folder.path
}()

/// The launcher of the MPI that the tests are built with.
package enum MPIRun {
    /// Where mpirun is; nil where there is none, and tests that need it count as skipped.
    package static let path: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        .map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }

    #if MPICH
        private static let name = "mpirun.mpich"
        private static let options = ["-bind-to", "none"]
    #else
        private static let name = "mpirun"
        private static let options = ["-q", "--oversubscribe", "--bind-to", "none"]
    #endif

    package static var isAvailable: Bool { path != nil }

    /// `program` on so many ranks, more than there are cores if need be, also as root.
    package static func child(
        ranks: Int, _ program: String, _ arguments: [String], directory: String? = nil,
        environment: [String: String] = [:], timeLimitSeconds: Double = 120
    ) -> ChildProcess {
        var all = ["OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_odls_base_sigkill_timeout": "0"]
        if geteuid() == 0 {
            all["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            all["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        all.merge(environment) { _, new in new }
        return ChildProcess(
            path ?? name,
            options + ["-np", String(ranks), program] + arguments, directory: directory, environment: all,
            timeLimitSeconds: timeLimitSeconds)
    }
}
