import Diagnostics
import Foundation

/// `dtrain --ranks N`: starts this program again under mpirun with the right flags, as `launch/local.sh` does.
///
/// SIGTERM, SIGINT, SIGHUP and SIGUSR1 reach the ranks as SIGUSR1, on which they write a checkpoint and end with 75;
/// mpirun itself would answer the first three by killing them. A second SIGINT ends the job at once.
package struct RankLauncher: Sendable {
    private let ranks: Int
    private let hosts: HostList?
    private let threadsPerRank: Int
    private let arguments: [String]
    private let program: String
    private let environment: [String: String]
    private let canSayNo: Bool

    /// - Parameters:
    ///   - ranks: the value of `--ranks`.
    ///   - hosts: the value of `--hosts`, which has room for them; nil: all ranks run here.
    ///   - threadsPerRank: the configuration's `training.threads`, where it is known.
    ///   - arguments: the arguments for the ranks; see `argumentsWithoutRanks`.
    ///   - program: the program to start; this one unless given.
    ///   - environment: the environment to start from.
    ///   - canSayNo: whether 1 is an answer of the command, and not only what mpirun ends with.
    package init(
        ranks: RankCount, hosts: HostList? = nil, threadsPerRank: Int = 1, arguments: [String], program: String? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment, canSayNo: Bool = false
    ) {
        self.ranks = ranks.resolved
        self.hosts = hosts
        self.threadsPerRank = threadsPerRank
        self.arguments = arguments
        self.program = program ?? Self.currentExecutable
        self.environment = environment
        self.canSayNo = canSayNo
    }

    /// A command line without `--ranks N`, `--ranks=N` and the same of `--hosts`. What follows a bare `--` stays as it is.
    package static func argumentsWithoutRanks(_ arguments: [String]) -> [String] {
        var kept: [String] = []
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            if argument == "--" { return kept + arguments[index...] }
            if argument == "--ranks" || argument == "--hosts" {
                index += 2
                continue
            }
            if !argument.hasPrefix("--ranks=") && !argument.hasPrefix("--hosts=") { kept.append(argument) }
            index += 1
        }
        return kept
    }

    /// Runs the job to its end and returns its exit code.
    ///
    /// Call it on the main thread, before any other thread exists: it blocks the signals above while the job runs and
    /// takes them one by one, so no work is done in a handler.
    ///
    /// What the job prints is handed on by this process; a reader that has gone stops nothing.
    ///
    /// Throws `Failure`: 64 inside another launcher, 66 without mpirun, ssh or a host that was named, 71 where the system has no process or thread
    /// left, 73 without room for the session directory, 74 where mpirun can't be started or a host not be reached, or when the job went well but
    /// its output could not be written.
    package func run() throws -> Int32 {
        let launcher = LauncherEnvironment(environment)
        guard !launcher.isUnderLauncher else {
            throw Failure(
                .usage,
                "--ranks \(ranks): this process was itself started by an MPI launcher; use one of "
                    + "the two, mpirun -np N dtrain or dtrain --ranks N")
        }
        try launcher.check(size: 1)
        let path = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        guard let mpirun = MPILibrary.built.launchers.lazy.compactMap({ Self.find($0, path: path) }).first else {
            throw Failure(
                .missingInput,
                "--ranks \(ranks): mpirun is not on the PATH; install it (apt-get install "
                    + "\(MPILibrary.built.package)), or run dtrain without --ranks, in one process")
        }
        try LaunchLimits.check(ranks: ranks)
        if let hosts, !HostCheck.isLeftToBatchSystem(environment),
            hosts.hosts.contains(where: { !HostCheck.isThisHost($0.name) })
        {
            try HostCheck(program: program, environment: environment) { Self.find($0, path: path) }(hosts)
        }
        // Open MPI keeps 4 MB for each rank in shared memory, and some for itself.
        let session = try Session(requiredBytes: (ranks * 8 + 16) << 20)
        let plan = LaunchPlan(
            mpirun: mpirun, program: program, arguments: arguments, ranks: ranks,
            threadsPerRank: threadsPerRank, cores: availableCores(), hosts: hosts, session: session.path,
            inherited: environment, isRoot: geteuid() == 0, isTerminal: launcher.isTerminal,
            columns: launcher.columns)
        return try withExtendedLifetime(session) {
            var job = try Job(plan)
            let code = MPILibrary.built.exitCode(job.waitForwardingSignals())
            if code != 0 { session.awaitProcesses() }
            if let failure = job.finishOutput(), code == ExitCode.success.rawValue { throw failure }
            if let reason = explanation(of: code, hasSaidWhy: job.hasSaidWhy) { StandardStream.tell("dtrain: error", reason) }
            return code
        }
    }

    /// What there is to say of an exit code that is none of dtrain's own; nil where it is one, or somebody has said why.
    /// mpirun, which is told to be quiet, may not.
    private func explanation(of code: Int32, hasSaidWhy: Bool) -> String? {
        let place = hosts.map { " --host \($0.argument)" } ?? ""
        let command = "mpirun -np \(ranks)\(place) dtrain \(arguments.map { messageLine($0) }.joined(separator: " "))"
        switch code {
        case 128 + SIGINT: return nil
        case 129..<160:
            let signal = code - 128
            return "a rank or mpirun was killed by signal \(signal) (\(String(cString: strsignal(signal))))"
                + (signal == SIGKILL ? ", as the system does where memory runs out" : "") + "; go on with --resume"
        case ExitCode.negative.rawValue where canSayNo: return nil
        // No other job answers with no.
        case _ where ExitCode(rawValue: code) ?? .negative != .negative || hasSaidWhy: return nil
        default: return "mpirun ended with \(code), and nobody said why; to see what it has to say, run \(command)"
        }
    }

    /// The path of this program, which stays right when the working directory changes.
    private static var currentExecutable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    /// The first executable file of that name on a search path.
    private static func find(_ name: String, path: String) -> String? {
        path.split(separator: ":").lazy.map { "\($0)/\(name)" }.first { candidate in
            var status = stat()
            return stat(candidate, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(candidate, X_OK) == 0
        }
    }
}
