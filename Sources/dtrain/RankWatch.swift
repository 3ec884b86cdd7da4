import CProcesses
import Collectives
import Diagnostics
import Foundation
import Watching

/// Has the ranks of a job watched: one process on each host, which the host's first rank starts, see `Watcher`.
///
/// A job that can't be watched trains all the same, unless `--stall-timeout` asks for what only a watcher can do.
struct RankWatch {
    /// Nil on the ranks that have started none.
    private let watcher: WatcherProcess?

    /// Nil where there is nobody to watch: one rank of which nothing is asked. Collective.
    ///
    /// - Parameter stallTimeout: seconds; when the job is ended.
    /// - Throws: `AgreedFailure` where the job can't be watched as asked.
    init?(over communicator: any Communicator, stallTimeout: Double?) throws {
        guard communicator.size > 1 || stallTimeout != nil else { return nil }
        do {
            self = try Self(over: communicator, settings: Self.settings(over: communicator, stallTimeout: stallTimeout))
        } catch let agreed as AgreedFailure {
            guard stallTimeout == nil else { throw agreed }
            if communicator.rank == 0 {
                StandardStream.tell("note", "\(agreed.failure.message); the ranks are not watched: one that hangs is not named")
            }
            return nil
        }
        if stallTimeout != nil { dtrain_end_when_asked(ExitCode.stalled.rawValue) }
    }

    /// Ends the watcher. For every end of the command: what isn't watched any more can't be told of.
    func end() { watcher?.end() }

    private init(over communicator: any Communicator, settings: WatchSettings) throws {
        let ranks = communicator.topology.hosts[settings.host]
        let isFirst = communicator.rank == ranks.lowerBound
        let own = try communicator.agree { isFirst ? try PulseBoard(ranks: ranks.count) : nil }
        let places = try communicator.allGather(own.map { "\(getpid()) \($0.descriptor)" } ?? "")
        let board = try communicator.agree {
            if let own { return own }
            let place = places[ranks.lowerBound].split(separator: " ").compactMap { Int32($0) }
            guard place.count == 2 else { throw Failure(.internalError, "no place of the watcher's file") }
            return try PulseBoard(ranks: ranks.count, of: place[0], descriptor: place[1])
        }
        // What is counted so far was seen by nobody, on all ranks alike.
        communicator.pulse = board.pulse(communicator.rank - ranks.lowerBound)
        watcher = try communicator.agree {
            isFirst
                ? try WatcherProcess(
                    program: "/proc/self/exe", arguments: ["watch"], settings: settings, board: board, listener: nil)
                : nil
        }
    }

    private static func settings(over communicator: any Communicator, stallTimeout: Double?) throws -> WatchSettings {
        let names = try communicator.hostNames()
        let topology = communicator.topology
        var settings = WatchSettings(
            hosts: topology.hosts.map { .init(name: printable(names[$0.lowerBound]), ranks: $0) },
            host: topology.host(of: communicator.rank), endSeconds: stallTimeout)
        if let idle = ProcessInfo.processInfo.environment["DTRAIN_IDLE_SECONDS"].flatMap({ Double($0) }), idle > 0 {
            settings.idleSeconds = idle
        }
        return settings
    }
}
