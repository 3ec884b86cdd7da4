import Collectives
import Diagnostics
import Foundation
import Watching

/// Has the ranks of a job watched: one process on each host, which the host's first rank starts, see `Watcher`.
///
/// A job that can't be watched trains all the same, unless `--stall-timeout` asks for what only a watcher can do.
package struct RankWatch {
    /// Nil on the ranks that have started none.
    private let watcher: WatcherProcess?

    /// Nil where there is nobody to watch: one rank of which nothing is asked. Collective.
    ///
    /// - Parameters:
    ///   - stallTimeout: seconds; when the job is ended.
    ///   - program: the path of a program that calls `Watcher.run` when it is started with `arguments`.
    ///   - addresses: this host's addresses, IPv4, at which other hosts may reach it, the likeliest first.
    /// - Throws: `AgreedFailure` where the job can't be watched though it is to be ended.
    package init?(
        over communicator: any Communicator, stallTimeout: Double?, program: String, arguments: [String],
        addresses: @autoclosure () -> [String]
    ) throws {
        guard communicator.size > 1 || stallTimeout != nil else { return nil }
        do {
            try self.init(
                watching: communicator, stallTimeout: stallTimeout, program: program, arguments: arguments, addresses: addresses
            )
        } catch let agreed as AgreedFailure where stallTimeout == nil {
            if communicator.rank == 0 {
                StandardStream.tell("note", "\(agreed.failure.message); the ranks are not watched: one that hangs isn't named")
            }
            return nil
        }
        // Also a host that is cut off from the first one ends its ranks, whatever was asked for.
        WatcherProcess.letItEndThisProcess(with: ExitCode.stalled.rawValue)
    }

    /// Ends the watcher; before MPI ends.
    package func end() { watcher?.end() }

    private init(
        watching communicator: any Communicator, stallTimeout: Double?, program: String, arguments: [String],
        addresses: () -> [String]
    ) throws {
        var settings = try Self.settings(over: communicator, stallTimeout: stallTimeout)
        let ranks = communicator.topology.hosts[settings.host]
        let isFirst = communicator.rank == ranks.lowerBound
        let own = try communicator.agree { isFirst ? try PulseBoard(ranks: ranks.count) : nil }
        let places = try communicator.allGather(own.map { "\(getpid()) \($0.descriptor)" } ?? "")
        let board = try communicator.agree {
            if let own { return own }
            let place = places[ranks.lowerBound].split(separator: " ").compactMap { Int32($0) }
            guard place.count == 2 else { throw Failure(.internalError, "the watcher's file has no place") }
            return try PulseBoard(ranks: ranks.count, of: place[0], descriptor: place[1])
        }
        communicator.pulse = board.pulse(communicator.rank - ranks.lowerBound)
        let listener = try communicator.agree {
            communicator.rank == 0 && settings.hosts.count > 1 ? try WatchListener() : nil
        }
        if settings.hosts.count > 1 {
            let link = listener.map {
                LinkSettings(
                    addresses: addresses(), port: $0.port, question: WatchListener.token(), answer: WatchListener.token())
            }
            settings.link = LinkSettings(text: try communicator.broadcast(link?.text ?? "", from: 0))
        }
        watcher = try communicator.agree {
            isFirst
                ? try WatcherProcess(
                    program: program, arguments: arguments, settings: settings, board: board, listener: listener?.descriptor)
                : nil
        }
        withExtendedLifetime(listener) {}
    }

    private static func settings(over communicator: any Communicator, stallTimeout: Double?) throws -> WatchSettings {
        let names = try communicator.hostNames()
        let topology = communicator.topology
        var settings = WatchSettings(
            hosts: topology.hosts.map { .init(name: printable(names[$0.lowerBound]), ranks: $0) },
            host: topology.host(of: communicator.rank), endSeconds: stallTimeout)
        // For tests, which have no time to wait.
        let text = ProcessInfo.processInfo.environment["DTRAIN_IDLE_SECONDS"] ?? ""
        if let idle = Double(text), idle > 0, idle.isFinite { settings.idleSeconds = idle }
        return settings
    }
}
