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
    private let restarts: Restarts?
    private let networkChoice: NetworkRule
    /// Judges what hosts say of their network interfaces: the network that Open MPI has to be kept to, and why.
    package typealias NetworkRule = @Sendable (_ others: [(name: String, text: String)]) -> (network: String, text: String)?

    /// - Parameters:
    ///   - ranks: the value of `--ranks`.
    ///   - hosts: the value of `--hosts`, which has room for them; nil: all ranks run here.
    ///   - threadsPerRank: the configuration's `training.threads`, where it is known.
    ///   - arguments: the arguments for the ranks; see `argumentsWithoutRanks`.
    ///   - program: the program to start; this one unless given.
    ///   - environment: the environment to start from.
    ///   - canSayNo: whether 1 is an answer of the command, and not only what mpirun ends with.
    ///   - networkChoice: judges the network interfaces of other hosts.
    ///   - restarts: whether and how the job is started again where it fails; nil: not.
    package init(
        ranks: RankCount, hosts: HostList? = nil, threadsPerRank: Int = 1, arguments: [String], program: String? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment, canSayNo: Bool = false,
        restarts: Restarts? = nil, networkChoice: @escaping NetworkRule = { _ in nil }
    ) {
        self.ranks = ranks.resolved
        self.hosts = hosts
        self.threadsPerRank = threadsPerRank
        self.arguments = arguments
        self.program = program ?? Self.currentExecutable
        self.environment = environment
        self.canSayNo = canSayNo
        self.restarts = restarts
        self.networkChoice = networkChoice
    }

    /// A command line without `--ranks N`, `--ranks=N` and the same of `--hosts` and `--restart`. What follows a bare `--` stays as it is.
    package static func argumentsWithoutRanks(_ arguments: [String]) -> [String] {
        var kept: [String] = []
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            if argument == "--" { return kept + arguments[index...] }
            let name = String(argument.prefix { $0 != "=" })
            guard !["--ranks", "--hosts", "--restart"].contains(name) else {
                index += name == argument ? 2 : 1
                continue
            }
            kept.append(argument)
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
        let check = try hostCheck(path)
        var network: String?
        if let hosts, let check {
            let interfaces = try check(hosts)
            // Who has chosen is not contradicted.
            let names = ["btl_tcp_if_include", "btl_tcp_if_exclude", "oob_tcp_if_include", "oob_tcp_if_exclude"]
            if names.allSatisfy({ environment["OMPI_MCA_" + $0, default: ""].isEmpty }), let choice = networkChoice(interfaces)
            {
                network = choice.network
                StandardStream.tell("note", "--hosts: \(choice.text)")
            }
        }
        let signals = JobSignals()
        var start = Start(hosts: hosts, ranks: ranks, arguments: arguments, network: network)
        var count = 0
        while true {
            let end = try run(start, mpirun: mpirun, launcher, signals)
            if end.code == ExitCode.success.rawValue, let failure = end.outputFailure { throw failure }
            let reason = explanation(of: end)
            guard let restarts, Restarts.mayHelp(after: end.code), !signals.requests.isAsked else {
                if let reason { StandardStream.tell("dtrain: error", reason + (end.isKill ? "; go on with --resume" : "")) }
                return end.code
            }
            let failed = reason ?? "the job ended with \(end.code)"
            if case .signal(_, let rank, _, let host) = end.cause {
                for line in restarts.lastWords(rank) { StandardStream.tell("rank \(rank) on \(host)", line) }
            }
            guard count < restarts.most else {
                StandardStream.tell(
                    "dtrain: error", "\(failed); it was started again \(count) times (--restart); go on with --resume")
                return end.code
            }
            guard let next = try self.next(after: failed, end.cause, check, restarts, signals) else {
                return signals.requests.isAsked ? signals.requests.exitCodeWithoutJob : end.code
            }
            count += 1
            start = next.start
            start.network = network
            StandardStream.tell("warning", "\(failed); starting again, \(count) of \(restarts.most) times, \(next.text)")
        }
    }

    /// How a job is started.
    private struct Start {
        var hosts: HostList?
        var ranks: Int
        var arguments: [String]
        /// What Open MPI is kept to; nil where it may choose.
        var network: String?
        /// Whether there was a checkpoint, so that ranks which find none are on a host without the run directory.
        var goesOn = false
    }

    /// How it ended.
    private struct End {
        var code: Int32
        var cause: MPIRunWords.Cause?
        var hasSaidWhy: Bool
        var outputFailure: Failure?

        /// Whether a rank or mpirun was killed.
        var isKill: Bool { (129..<160).contains(code) }
    }

    /// The host check; nil where all ranks run here, or a batch system starts those elsewhere.
    private func hostCheck(_ path: String) throws -> HostCheck? {
        guard let hosts, !HostCheck.isLeftToBatchSystem(environment),
            hosts.hosts.contains(where: { !HostCheck.isThisHost($0.name) })
        else { return nil }
        return try HostCheck(program: program, environment: environment) { Self.find($0, path: path) }
    }

    private func run(_ start: Start, mpirun: String, _ launcher: LauncherEnvironment, _ signals: JobSignals) throws -> End {
        var inherited = environment
        if restarts != nil { inherited[Self.restartingVariable] = start.goesOn ? "goes on" : "begins" }
        if let network = start.network {
            for name in ["btl", "oob"] { inherited["OMPI_MCA_\(name)_tcp_if_include"] = network }
        }
        // Open MPI keeps 4 MB for each rank in shared memory, and some for itself.
        let session = try Session(requiredBytes: (start.ranks * 8 + 16) << 20)
        let plan = LaunchPlan(
            mpirun: mpirun, program: program, arguments: start.arguments, ranks: start.ranks,
            threadsPerRank: threadsPerRank, cores: availableCores(), hosts: start.hosts,
            hasAgents: HostAgent.canBeStarted(program) && !HostCheck.isLeftToBatchSystem(environment), session: session.path,
            inherited: inherited, isRoot: geteuid() == 0, isTerminal: launcher.isTerminal && !launcher.isDumb,
            columns: launcher.columns, usesColor: launcher.usesColor)
        return try withExtendedLifetime(session) {
            let job = try Job(plan)
            let code = MPILibrary.built.exitCode(job.wait(forwarding: signals))
            if code != 0 { session.awaitProcesses() }
            let failure = job.finishOutput(signals)
            return End(code: code, cause: job.cause, hasSaidWhy: job.hasSaidWhy, outputFailure: failure)
        }
    }

    /// By what ranks know that their launcher has the run directory's lock, and whether there is a checkpoint to go on from.
    package static let restartingVariable = "DTRAIN_RESTARTING"

    /// Seconds that hosts have to answer before a start without them: not many for one whose connection has just broken, as it
    /// will hardly be back so soon.
    private static let patienceOfRestart = 5.0, patienceWithLost = 1.0

    /// How the job goes on, and that in words; nil where it can't, having said why, or where a signal asks to stop.
    private func next(
        after failed: String, _ cause: MPIRunWords.Cause?, _ check: HostCheck?, _ restarts: Restarts, _ signals: JobSignals
    ) throws -> (start: Start, text: String)? {
        let step = restarts.newestStep()
        guard let arguments = Restarts.arguments(after: arguments, hasCheckpoint: step != nil) else {
            StandardStream.tell(
                "dtrain: error",
                "\(failed); it is not started again, as no checkpoint of this run is seen here yet, and it began from weights "
                    + "or a checkpoint elsewhere: run the same command with another --run")
            return nil
        }
        var next = Start(hosts: hosts, ranks: ranks, arguments: arguments, goesOn: step != nil)
        var text = step.map { "from step \($0)" } ?? "from the newest checkpoint"
        if let hosts, let check {
            let lost = try check.ask(
                hosts,
                withinSeconds: { cause == .lostHost($0) ? Self.patienceWithLost : Self.patienceOfRestart }
            ) {
                signals.take(milliseconds: 0)
                return signals.requests.isAsked
            }.failures
            if signals.requests.isAsked { return nil }
            next.hosts = hosts.without(lost.map(\.name))
            guard let rest = next.hosts else {
                StandardStream.tell(
                    "dtrain: error", "\(failed); it is not started again, as no host answers: \(lost[0].failure.message)")
                return nil
            }
            next.ranks = min(ranks, rest.slots)
            text += ", on \(next.ranks) rank\(next.ranks == 1 ? "" : "s") of \(rest.argument)"
            if !lost.isEmpty { text += "; left out: " + lost.map(\.failure.message).joined(separator: "; ") }
        }
        return (next, text)
    }

    /// What there is to say of an exit code that is none of dtrain's own; nil where it is one, or somebody has said why.
    private func explanation(of end: End) -> String? {
        let code = end.code
        if code == 128 + SIGINT || canSayNo && code == ExitCode.negative.rawValue { return nil }
        // No other job answers with no.
        if let own = ExitCode(rawValue: code), own != .negative { return nil }
        func killed(_ who: String, by signal: Int32) -> String {
            "\(who) was killed by signal \(signal) (\(String(cString: strsignal(signal))))"
                + (signal == SIGKILL ? ", as the system does where memory runs out" : "")
        }
        switch end.cause {
        case .signal(let signal, let rank, let process, let host) where end.isKill:
            // mpirun doesn't always know the process.
            return killed("rank \(rank) on \(host)" + (process > 0 ? " (process \(process))" : ""), by: signal)
        case .lostHost(let host):
            return "the connection to \(host) has broken: its network, the host itself, or mpirun's helper (orted) there"
        case _ where end.isKill: return killed("a rank or mpirun", by: code - 128)
        case _ where end.hasSaidWhy: return nil
        case .other(let words): return "mpirun ended with \(code): \(words)"
        default:
            let place = hosts.map { " --host \($0.argument)" } ?? ""
            let command = "mpirun -np \(ranks)\(place) dtrain \(arguments.map { messageLine($0) }.joined(separator: " "))"
            return "mpirun ended with \(code), and nobody said why; to see what it has to say, run \(command)"
        }
    }

    /// The path of this program, which stays right when the working directory changes.
    private static var currentExecutable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    /// The first executable file of that name on a search path, or under that name if it is a path itself.
    static func find(_ name: String, path: String) -> String? {
        (name.contains("/") ? [name] : path.split(separator: ":").map { "\($0)/\(name)" }).first { candidate in
            var status = stat()
            return stat(candidate, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(candidate, X_OK) == 0
        }
    }
}
