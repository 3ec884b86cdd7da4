import CProcesses
import Diagnostics
import Foundation
import Timing

/// Whether ranks can be started on other hosts: ssh gets there without a question, and the program is there. mpirun would say of most of these only that something didn't start.
struct HostCheck {
    /// How long all hosts together may take.
    private static let patienceSeconds = 20.0

    /// What starts commands elsewhere, with its options: ssh, or what Open MPI was told to use.
    private let agent: [String]
    private let agentPath: String
    private let program: String
    private let environment: [String: String]

    /// - Parameters:
    ///   - program: the absolute path of the program that becomes the ranks.
    ///   - find: the path of a program by its name; nil where there is none.
    /// - Throws: `Failure` (66) without ssh.
    init(program: String, environment: [String: String], find: (String) -> String?) throws {
        self.program = program
        self.environment = environment
        let told = environment["OMPI_MCA_plm_rsh_agent"].flatMap { $0.isEmpty ? nil : $0 } ?? "ssh"
        // Alternatives are separated by colons; the first that is there counts.
        let choices = told.split(separator: ":").map { $0.split(separator: " ").map(String.init) }.filter { !$0.isEmpty }
        for choice in choices {
            guard let path = choice[0].hasPrefix("/") ? choice[0] : find(choice[0]) else { continue }
            agent = choice
            agentPath = path
            return
        }
        throw Failure(
            .missingInput,
            "--hosts: \(messageLine(told)) is not on the PATH, and mpirun starts ranks on other hosts by it; install it "
                + "(apt-get install openssh-client), or name another in OMPI_MCA_plm_rsh_agent")
    }

    /// Whether another program than ssh starts the ranks: a batch system's own, inside its job.
    static func isLeftToBatchSystem(_ environment: [String: String]) -> Bool {
        ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"].contains { environment[$0]?.isEmpty == false }
    }

    /// Asks all hosts but this one, at the same time.
    /// - Throws: `Failure` of the first host in the list that has one: 66 where the program isn't there, 74 where it
    ///   can't be reached or nobody knows its name.
    /// - Returns: what the others say of their network interfaces.
    func callAsFunction(_ list: HostList) throws -> [(name: String, text: String)] {
        let answers = try ask(list, withinSeconds: { _ in Self.patienceSeconds })
        for (_, failure) in answers.failures { throw Failure(failure.code, "--hosts: \(failure.message)") }
        return answers.interfaces
    }

    /// What hosts answered.
    struct Answers {
        /// The hosts on which no ranks can be started, in the list's order, and why.
        var failures: [(name: String, failure: Failure)] = []
        /// What the program says there of the network interfaces, in the list's order.
        var interfaces: [(name: String, text: String)] = []
    }

    /// Asks all hosts but this one, at the same time.
    ///
    /// - Parameters:
    ///   - seconds: how long a host has to answer, given its name.
    ///   - isInterrupted: asked again and again; where it says so, hosts that haven't answered yet count as silent.
    func ask(
        _ list: HostList, withinSeconds seconds: (_ host: String) -> Double, isInterrupted: () -> Bool = { false }
    ) throws -> Answers {
        let others = list.hosts.map(\.name).filter { !Self.isThisHost($0) }
        let asked = try others.map { ($0, try Question(agentPath, arguments(for: $0), environment)) }
        let start = MonotonicClock.seconds
        var answers = Answers()
        for (name, question) in asked {
            func fail(_ code: ExitCode, _ text: String) { answers.failures.append((name, Failure(code, text))) }
            guard let status = question.wait(until: start + seconds(name), orWhen: isInterrupted) else {
                fail(.inputOutput, "\(name): \(agent[0]) got no answer in \(Int(seconds(name))) s; is it up?")
                continue
            }
            let words = messageLine(question.words)
            switch status {
            case 0: answers.interfaces.append((name, question.words))
            case 1: fail(.missingInput, "\(name) has no program \(messageLine(program)); install it there under the same path")
            default:
                fail(
                    .inputOutput,
                    "\(name) can't be reached (\(words.isEmpty ? "\(agent[0]) ended with \(status)" : words)); "
                        + "\(agent[0]) \(name) true must work without asking anything")
            }
        }
        return answers
    }

    private func arguments(for host: String) -> [String] {
        // A password can't be typed in.
        let options = agentPath.hasSuffix("/ssh") ? ["-o", "BatchMode=yes"] : []
        let quoted = "'" + program.replacingOccurrences(of: "'", with: "'\\''") + "'"
        // One of another version may not know what it is asked.
        return agent + options + [host, "test -x \(quoted) || exit 1; \(quoted) \(HostAgent.command) interfaces 2>&1; exit 0"]
    }

    /// mpirun starts ranks here by itself.
    static func isThisHost(_ name: String) -> Bool {
        var own = [CChar](repeating: 0, count: 256)
        gethostname(&own, own.count - 1)
        let ownName = String(decoding: own.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return ["localhost", "127.0.0.1", ownName, String(ownName.prefix { $0 != "." })].contains(name)
    }
}

/// A command that asks another host. It is killed when nobody waits any longer.
private final class Question {
    private var process: pid_t = 0
    private var reader: Int32 = -1
    private var hasEnded = false

    init(_ path: String, _ arguments: [String], _ environment: [String: String]) throws {
        var writer: Int32 = -1
        let code = dtrain_pipe(&reader, &writer)
        guard code == 0 else { throw systemFailure("a pipe can't be made", code) }
        defer { close(writer) }
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
        // Null-terminated arrays of C strings, which live until the process is started.
        var words = arguments.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for text in words + variables { free(text) }
        }
        var call: UnsafePointer<CChar>?
        let started = dtrain_start_bound(path, &words, &variables, writer, writer, &process, &call)
        guard started == 0 else {
            close(reader)
            throw systemFailure(
                "\(messageLine(path)) can't be started (\(call.map { String(cString: $0) } ?? "fork"))", started)
        }
    }

    deinit {
        if !hasEnded {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        close(reader)
    }

    /// The exit code (128 + n after signal n); nil when there is none until then.
    func wait(until deadline: Double, orWhen isInterrupted: () -> Bool) -> Int32? {
        var status: Int32 = 0
        // Its end of the pipe says nothing: a shared connection that it leaves behind holds that open.
        while waitpid(process, &status, WNOHANG) == 0 {
            guard MonotonicClock.seconds < deadline, !isInterrupted() else { return nil }
            usleep(5000)
        }
        hasEnded = true
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    /// The last line that it printed. (What a pipe holds isn't more.)
    lazy var words: String = {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(reader, &bytes, bytes.count)
        let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
    }()
}
