import ArgumentParser
import Collectives
import Diagnostics
import Examination
import Foundation
import Launching
import Training

/// How a program becomes dtrain: the one of that name, and one that adds to the catalogue.
package enum Entry {
    /// Runs the command that the command line names, and ends the process with what it comes to where that isn't 0.
    ///
    /// - Parameter catalogue: what configurations can name.
    package static func main(_ catalogue: Catalogue = .standard) {
        Catalogue.$inForce.withValue(catalogue) { Dtrain.run { try Dtrain.runCommand() } }
    }

    /// Calls `body` with the ranks that a launcher started, or with one; signals ask its runs to stop (`stopRequested`), and the ranks
    /// are watched. Then ends the process: with 75 where it was asked to stop, with a message where `body` throws.
    ///
    /// The process may be started anew as one of dtrain's own hidden commands: nothing with an effect comes before this.
    package static func perform(_ body: (any Communicator) throws -> Void) -> Never {
        Dtrain.run {
            try Dtrain.runHiddenCommand()
            let environment = LauncherEnvironment()
            StopSignal.install(isLaunched: environment.isUnderLauncher)
            try RankJob.run(environment, agreeingOn: []) {
                let watch = try RankWatch(
                    over: $0, stallTimeout: nil, program: "/proc/self/exe",
                    arguments: [WatchCommand.configuration.commandName ?? ""],
                    addresses: NetworkInterface.reachable(SystemView()))
                defer { watch?.end() }
                try body($0)
                guard StopSignal.isRaised else { return }
                throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue)
            }
        }
        exit(Diagnostics.ExitCode.success.rawValue)
    }

    /// Whether a signal has asked this process to stop.
    package static var stopRequested: Bool { StopSignal.isRaised }

    /// Says why a program can't begin, on the first rank.
    package static func tell(_ message: String) {
        RankJob.letFirstRankSpeak(LauncherEnvironment())
        StandardStream.tell("dtrain: error", message)
    }

    /// Whether a launcher started this process, with others or alone.
    package static var isLaunched: Bool { LauncherEnvironment().isUnderLauncher }
}

extension Catalogue {
    /// What configurations can name while a command runs. Commands are made by the parser, which can hand them nothing.
    @TaskLocal static var inForce = Catalogue.standard
}
