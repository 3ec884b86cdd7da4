import ArgumentParser
import Collectives
import Diagnostics
import Files
import Foundation
import Launching
import Threads
import Training

/// Work that runs plain or on the ranks of a launcher.
enum RankJob {
    /// Starts this command again under mpirun where `--ranks` or `--hosts` is given, and ends with what it ends with.
    ///
    /// - Parameters:
    ///   - canSayNo: whether 1 is an answer of the command.
    ///   - arguments: what the ranks get besides the command line.
    ///   - restarts: how the job is started again where it fails; asked when it is about to start.
    static func launchIfAsked(
        _ options: RankOptions, config: String?, canSayNo: Bool = false, threadsPerRank: () throws -> Int,
        restarts: () throws -> (restarts: Restarts, arguments: [String])? = { nil }
    ) throws {
        guard options.ranks != nil || options.hosts != nil else { return }
        if let config, SmallFile.isInherited(config) {
            throw Failure(.usage, "\(config): with --ranks every rank reads the configuration; give a file, not a pipe")
        }
        var arguments = RankLauncher.argumentsWithoutRanks(Array(CommandLine.arguments.dropFirst()))
        let list = try options.hosts.map { try HostList($0) }
        var count = try options.ranks.map { try RankCount($0) } ?? .automatic
        if let list { count = .count(try list.ranks(count)) }
        let threads = try threadsPerRank()
        let again = try restarts()
        // Ahead of a bare `--`.
        arguments.insert(contentsOf: again?.arguments ?? [], at: arguments.firstIndex(of: "--") ?? arguments.count)
        let launcher = RankLauncher(
            ranks: count, hosts: list, threadsPerRank: threads, arguments: arguments, canSayNo: canSayNo,
            restarts: again?.restarts, networkChoice: HostNetworks.choice)
        exit(try launcher.run())
    }

    /// Calls `work` with the ranks there are: one without a launcher.
    ///
    /// - Parameters:
    ///   - withoutMPI: one process, whatever launched it.
    ///   - items: what of the command line all ranks must agree on, besides what any of them depends on; nil for a command that
    ///     looks at the differences itself.
    ///   - prepare: what comes before MPI starts, where it does.
    static func run(
        _ environment: LauncherEnvironment, withoutMPI: Bool = false, agreeingOn items: [Agreement.Item]?,
        beforeMPI prepare: () -> Void = {}, _ work: (any Communicator) throws -> Void
    ) throws {
        do {
            try RankEnvironment.check()
        } catch {
            letFirstRankSpeak(environment)
            throw error
        }
        guard environment.isUnderLauncher, !withoutMPI else {
            try environment.check(size: 1)
            return try work(SoloCommunicator())
        }
        prepare()
        do {
            try checkThreads(MPISession.threadCount, purpose: "that MPI needs", stackBytes: nil)
        } catch {
            letFirstRankSpeak(environment)
            throw error
        }
        var session = try MPISession()
        try environment.check(size: session.world.size)
        do {
            if let items { try Agreement.check(RankEnvironment.items() + items, over: session.world) }
            try session.place()
            try work(session.world)
        } catch let agreed as AgreedFailure {
            // Every rank knows of it; one speaks, and before any of them ends: where one has failed, mpirun kills the
            // others, and what they had to say is lost.
            let failure = placed(agreed, over: session.world)
            if session.world.rank == agreed.rank { _ = Dtrain.report(failure) }
            try? session.world.barrier()
            throw ArgumentParser.ExitCode(agreed.failure.code.rawValue)
        } catch let code as ArgumentParser.ExitCode {
            throw code
        } catch {
            end(session.world, error as? Failure ?? Failure(.internalError, "\(error)"))
        }
    }

    /// The failure with the host where it was met, if rank 0 on another host met none: there the file that is missing may well
    /// be. Collective.
    private static func placed(_ agreed: AgreedFailure, over world: MPICommunicator) -> Failure {
        guard agreed.rank > 0, let names = try? world.hostNames(), names[agreed.rank] != names[0] else { return agreed.failure }
        return Failure(agreed.failure.code, "rank \(agreed.rank) on \(names[agreed.rank]): \(agreed.failure.message)")
    }

    /// Before MPI starts, ranks that all meet the same failure can't agree on who speaks. When the first one has, the
    /// launcher ends the others, mpirun after up to 2.4 s; that it begins to shows as an interruption of the wait.
    static func letFirstRankSpeak(_ environment: LauncherEnvironment) {
        if environment.declaredRank ?? 0 > 0, sleep(3) > 0 { sleep(3) }
    }

    /// For a failure that only this rank knows of, while the others wait in some exchange: prints it and ends them all.
    /// It doesn't return, so MPI isn't finished on the way out, which would hang.
    private static func end(_ world: MPICommunicator, _ failure: Failure) {
        let host = world.topology.hosts.count > 1 ? " on \(hostName())" : ""
        StandardStream.tell("dtrain: error", "rank \(world.rank)\(host): \(failure.message)")
        world.abort(failure.code)
    }
}
