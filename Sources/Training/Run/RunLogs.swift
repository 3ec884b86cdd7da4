import Collectives
import Diagnostics
import Files
import Foundation
import Reporting

/// The logs of a run's ranks: what all of them do with theirs at the same time.
struct RunLogs {
    /// This rank's.
    let own: RankLog
    private let communicator: any Communicator
    private let state = State()

    private final class State {
        /// Ranks that don't see the run directory, as rank 0 knows it; nil until `open`.
        var away: [Int]?
    }

    /// Begins this rank's log with where it runs. Nothing is written yet.
    init(_ communicator: any Communicator) {
        self.communicator = communicator
        own = RankLog(rank: communicator.rank)
        own.add(
            .start,
            "\(Build.identity), rank \(communicator.rank) of \(communicator.size) on \(hostName()), process \(getpid()), "
                + "cores \(coreList())")
    }

    /// Lets every rank that sees the run directory write its own file; rank 0 begins those of the others. Collective.
    ///
    /// - Parameter warn: says on rank 0 which logs can't be written.
    func open(in place: RunPlace, warn: (String) -> Void) throws {
        let isFirst = communicator.rank == 0
        var mark = ""
        if isFirst {
            do {
                mark = try RankLog.begin(in: try place.directory())
            } catch {
                warn("\(place.path)/\(RankLog.directoryName): no logs of ranks are written: \(error)")
            }
        }
        mark = try communicator.broadcast(mark, from: 0)
        guard !mark.isEmpty else { return }
        let isSeen = (try? place.directory()).map { own.open(in: $0, mark: mark) } ?? false
        let answers = try communicator.allGather(isSeen ? own.failure.map { "failed \($0)" } ?? "" : "away")
        let away = answers.indices.filter { answers[$0] == "away" }
        state.away = away
        try collect(in: place, warn)
        guard isFirst else { return }
        for (rank, answer) in answers.enumerated() where answer.hasPrefix("failed ") {
            warn("rank \(rank) writes no log: \(answer.dropFirst("failed ".count))")
        }
        let text =
            "this rank doesn't see the run directory: what it says from here on comes when the run ends well, and is printed"
        for rank in away { try? RankLog.append("note: \(text)\n", ofRank: rank, in: try place.directory()) }
    }

    /// The last line of a run that ended well, or was interrupted. Collective.
    func end(_ text: String, in place: RunPlace, warn: (String) -> Void) throws {
        own.add(.end, text)
        guard state.away != nil else { return }
        try collect(in: place, warn)
        let failures = try communicator.allGather(own.failure ?? "")
        for (rank, failure) in failures.enumerated() where !failure.isEmpty {
            warn("the log of rank \(rank) lacks lines: \(failure)")
        }
    }

    /// How the run failed. Collective where all ranks know of it. Where this rank alone does, what it had to say before is
    /// printed too: nobody has seen that yet, but of rank 0.
    func fail(_ error: any Error, in place: RunPlace) {
        guard let agreed = error as? AgreedFailure else {
            if communicator.rank > 0 {
                let name = "rank \(communicator.rank) on \(hostName())"
                for line in own.lastWords { StandardStream.tell(name, line) }
            }
            return own.add(.error, "\(error)")
        }
        let isOwn = agreed.rank == communicator.rank
        own.add(.error, isOwn ? agreed.failure.message : "ends with rank \(agreed.rank): \(agreed.failure.message)")
        if state.away != nil { try? collect(in: place) { _ in } }
    }

    /// Has rank 0 write what ranks say that can't write themselves. Collective.
    private func collect(in place: RunPlace, _ warn: (String) -> Void) throws {
        guard let away = state.away, !away.isEmpty else { return }
        let texts = try communicator.allGather(away.contains(communicator.rank) ? own.takeWaiting() : "")
        guard communicator.rank == 0 else { return }
        for rank in away where !texts[rank].isEmpty {
            do {
                try RankLog.append(texts[rank], ofRank: rank, in: try place.directory())
            } catch {
                warn("no log of rank \(rank) is written: \(error)")
            }
        }
    }
}

/// The cores that this process may run on, as the kernel writes them: `0-3,8`.
private func coreList() -> String {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let mark = "Cpus_allowed_list:"
    let line = status.split(separator: "\n").first { $0.hasPrefix(mark) }
    return line.map { $0.dropFirst(mark.count).trimmingCharacters(in: .whitespaces) } ?? "unknown"
}
