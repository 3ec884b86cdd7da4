import CProcesses
import Diagnostics
import Foundation

/// What mpirun starts on another host in the place of its helper, orted: makes the job's session directory there, starts the
/// helper, and when that ends, in whatever way, ends what is left of the job on that host and removes the directory.
///
/// It stays behind when ssh has gone, as the helper itself would. When it is killed, the helper is killed with it, whose ranks
/// end by themselves; the directory is then removed by the next job.
package struct HostAgent {
    /// The command of this program by which it is started.
    package static let command = "host-agent"

    private let session: String
    private let arguments: [String]

    /// - Parameter arguments: the session's path, the helper's name, its arguments.
    /// - Throws: `Failure` (64).
    package init(_ arguments: [String]) throws {
        let path = arguments.first ?? ""
        guard arguments.count > 1, path.hasPrefix("/"), SessionName.isOne(URL(fileURLWithPath: path).lastPathComponent) else {
            throw Failure(
                .usage,
                "\(Self.command) is what dtrain --hosts has mpirun start on other hosts; expected a session, orted and its arguments"
            )
        }
        session = path
        self.arguments = Array(arguments.dropFirst())
    }

    /// What mpirun takes as the name of its helper.
    static func commandLine(_ program: String, session: String) -> String { "\(program) \(command) \(session) orted" }

    /// Whether a program's path comes through mpirun and a shell as it is.
    static func canBeStarted(_ program: String) -> Bool {
        program.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._+-".contains($0)) }
    }

    /// Runs the helper to its end, in the background, and returns its exit code.
    /// - Throws: `Failure`: 66 without the helper, 71 where the system has no process left, 73 where the session's directory
    ///   can't be made.
    package func run() throws -> Int32 {
        var environment = ProcessInfo.processInfo.environment
        let search = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        guard let helper = RankLauncher.find(arguments[0], path: search) else {
            throw Failure(
                .missingInput,
                "\(hostNameText): \(arguments[0]) is not on the PATH that ssh gives; install Open MPI there (apt-get "
                    + "install openmpi-bin)")
        }
        // Nil where this host shares its memory with the launcher's: there that removes it.
        let directory = try Session(path: session)
        environment[Session.variable] = session
        // The helper would leave for the background itself; then nobody would know when it ends.
        let words = arguments.filter { $0 != "--daemonize" }
        let code = dtrain_leave_to_background()
        guard code == 0 else { throw systemFailure("mpirun's helper can't be left to the background", code) }
        return withExtendedLifetime(directory) {
            let code = start(helper, words, environment)
            directory?.awaitProcesses(patience: code == 0 ? 2.5 : 1)
            return code
        }
    }

    private func start(_ path: String, _ words: [String], _ environment: [String: String]) -> Int32 {
        // Null-terminated arrays of C strings, which live until the process is started.
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for text in arguments + variables { free(text) }
        }
        var process: pid_t = 0
        var call: UnsafePointer<CChar>?
        guard dtrain_start_bound(path, &arguments, &variables, STDOUT_FILENO, STDERR_FILENO, &process, &call) == 0 else {
            return ExitCode.systemRefused.rawValue
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    private var hostNameText: String { ProcessInfo.processInfo.hostName }
}
