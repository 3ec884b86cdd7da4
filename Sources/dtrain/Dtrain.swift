import ArgumentParser
import Collectives
import Diagnostics
import Foundation
import Launching
import Training

/// The program: parses the command line, runs a command, and turns every failure into one message and an exit status.
@main
struct Dtrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dtrain",
        abstract: "Trains neural networks data-parallel over MPI ranks.",
        discussion: "Without a command it trains; without a configuration, on the built-in digits.",
        version: versionText,
        subcommands: [TrainCommand.self, EvalCommand.self, PredictCommand.self, InspectCommand.self,
                      VerifyCommand.self, GradcheckCommand.self, BenchCommand.self],
        defaultSubcommand: TrainCommand.self)

    /// Matrix products are our own; OpenBLAS is what the tests hold them against.
    private static var versionText: String {
        "\(Build.identity), \(MPISession.libraryVersion), matrix products by dtrain's own kernels"
    }

    static func main() {
        // A reader that has gone (`dtrain predict | head`) is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let agreed as AgreedFailure {
            report(agreed.failure.message)
            Foundation.exit(agreed.failure.code.rawValue)
        } catch let failure as Failure {
            report(failure.message)
            Foundation.exit(failure.code.rawValue)
        } catch let code as ArgumentParser.ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let code = exitCode(for: error).rawValue
            guard LauncherEnvironment().declaredRank ?? 0 == 0 else {
                // All ranks read the same command line. Rank 0 tells what is wrong with it; where another one ended
                // first, mpirun might kill it before.
                sleep(1)
                Foundation.exit(code)
            }
            exit(withError: error)
        }
    }

    /// Prints the one message of a failure.
    static func report(_ message: String) {
        fflush(nil)
        FileHandle.standardError.write(Data("dtrain: error: \(message)\n".utf8))
    }
}
