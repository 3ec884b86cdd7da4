import ArgumentParser
import Collectives
import Diagnostics
import Files
import Foundation
import Launching
import Threads
import Training

/// The program: parses the command line, runs a command, and turns every failure into one message and an exit status.
struct Dtrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dtrain",
        abstract: "Trains neural networks data-parallel over MPI ranks.",
        discussion: introduction + "\n\n" + Examples.text,
        version: versionText,
        subcommands: [
            InitCommand.self, TrainCommand.self, SweepCommand.self, EvalCommand.self, PredictCommand.self, InspectCommand.self,
            VerifyCommand.self, LsCommand.self, DiffCommand.self, GradcheckCommand.self, BenchCommand.self, DoctorCommand.self,
            DataCommand.self, PackCommand.self, TokenizeCommand.self, GenerateCommand.self, ExportCommand.self,
            ReportCommand.self, ExplainCommand.self, CompletionCommand.self, ManualCommand.self, WatchCommand.self
        ],
        defaultSubcommand: TrainCommand.self)

    /// What `--help` and the manual page begin with.
    static let introduction = "Without a command it trains; without a configuration, on the built-in digits."

    /// Matrix products are our own; OpenBLAS is what the tests hold them against.
    private static var versionText: String {
        "\(Build.identity), \(Build.processor), \(MPISession.libraryVersion), matrix products by dtrain's own kernels"
    }

    /// Calls `work` where there is room for it, and ends the process where it throws.
    static func run(_ work: () throws -> Void) {
        ignoreSignalsOfWriting()
        withRoomForCalls {
            do {
                try StandardStream.secure()
                try work()
            } catch {
                Foundation.exit(report(error))
            }
        }
    }

    /// Runs the command that the command line names.
    static func runCommand() throws {
        try requireText()
        try runHiddenCommand()
        try requireCommand()
        var command = try parse(Array(CommandLine.arguments.dropFirst()))
        try command.run()
    }

    /// Runs the commands that no person uses, of which the process is started anew: they stand in no help. Returns where it is none.
    static func runHiddenCommand() throws {
        guard let word = CommandLine.arguments.dropFirst().first else { return }
        if word == WatchCommand.configuration.commandName {
            try WatchCommand().run()
            Foundation.exit(Diagnostics.ExitCode.success.rawValue)
        }
        guard word == HostAgent.command else { return }
        if CommandLine.arguments.dropFirst(2) == ["interfaces"] {
            try HostNetworks.tell()
            Foundation.exit(Diagnostics.ExitCode.success.rawValue)
        }
        Foundation.exit(try HostAgent(Array(CommandLine.arguments.dropFirst(2))).run())
    }

    /// A reader that has gone (`dtrain predict | head`) and a file that would pass its limit (`ulimit -f`) are errors of the
    /// write, not the end of the process.
    private static func ignoreSignalsOfWriting() {
        for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    }

    /// Arguments are text in UTF-8: another one would name another file than the one that was meant.
    private static func requireText() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
            RankJob.letFirstRankSpeak(LauncherEnvironment())
            throw Failure(
                .usage,
                "argument \(index), \"\(String(cString: argument))\": not text in UTF-8; rename the file that it "
                    + "names, if it does")
        }
    }

    /// A misspelt command would be taken for the configuration of the one that needs no name, `train`.
    private static func requireCommand() throws {
        guard CommandLine.arguments.count > 1 else { return }
        let word = CommandLine.arguments[1]
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard !names.contains(word), !word.contains(where: { "-./".contains($0) }),
            !FileManager.default.fileExists(atPath: word),
            let command = nearestName(to: word, among: names)
        else { return }
        RankJob.letFirstRankSpeak(LauncherEnvironment())
        throw Failure(
            .usage, "\(word): no such command or configuration file (did you mean \"\(command)\"?); see dtrain --help")
    }

    /// Parses the command line. What is wrong with it is said of arguments that a terminal can show, on one line.
    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        do {
            return try parseAsRoot(arguments)
        } catch {
            let shown = arguments.map { messageLine($0) }
            if shown != arguments { _ = try parseAsRoot(shown) }
            throw error
        }
    }

    // MARK: - The end

    /// Prints what there is to say of an error, and returns the exit status.
    private static func report(_ error: any Error) -> Int32 {
        switch error {
        case let agreed as AgreedFailure: return report(agreed.failure)
        case let failure as Failure: return report(failure)
        case let error as SystemError: return report(error.failure())
        case is ReaderGone: return Diagnostics.ExitCode.success.rawValue
        case let code as ArgumentParser.ExitCode: return code.rawValue
        default:
            let code = exitCode(for: error)
            return code == .success || code == .validationFailure
                ? reportParsing(error, code.rawValue)
                : report(Failure(.internalError, "\(error)"))
        }
    }

    static func report(_ failure: Failure) -> Int32 {
        StandardStream.tell("dtrain: error", failure.message)
        return failure.code.rawValue
    }

    /// Help, a version, or what is wrong with the command line.
    private static func reportParsing(_ error: any Error, _ code: Int32) -> Int32 {
        let text = fullMessage(for: error)
        guard code != 0 else {
            do {
                try StandardStream.output.write(text + (text.isEmpty ? "" : "\n"))
                return code
            } catch {
                return report(error)
            }
        }
        // Most often all ranks read the same command line. One that comes through the wait has another than the first.
        RankJob.letFirstRankSpeak(LauncherEnvironment())
        // The parser adds how the command is used; one line of it says where that stands: See 'dtrain train --help'.
        let help = text.range(of: "See '").flatMap { start in
            text[start.upperBound...].firstIndex(of: "'").map { String(text[start.upperBound..<$0]) }
        }
        let what = message(for: error).split(separator: "\n").joined(separator: " ")
        StandardStream.tell("dtrain: error", what + "; see " + (help ?? "dtrain --help"))
        return code
    }
}
