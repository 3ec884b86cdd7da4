import Foundation

/// What is said of incidents: who, where, what, since when, who waits, what to do.
package struct IncidentText {
    package let table: JobTable
    /// Now, and what clock it is shown by.
    package let now: Date
    package let timeZone: TimeZone

    package init(table: JobTable, now: Date, timeZone: TimeZone = .current) {
        self.table = table
        self.now = now
        self.timeZone = timeZone
    }

    /// `rank 3 (host b, pid 1234)`; the host where there are several.
    package func name(ofRank rank: Int) -> String {
        let host = table.hosts.count > 1 ? "host \(table.hosts[table.host(of: rank)].name), " : ""
        return "rank \(rank) (\(host)pid \(table.ranks[rank].process))"
    }

    /// What an incident is called when it is over: `rank 3 (pid 1234)`.
    package func subject(_ kind: Incident.Kind) -> String {
        switch kind {
        case .rank(let rank): name(ofRank: rank)
        case .host(let index): "host \(table.hosts[index].name)"
        case .allWait: "the job"
        }
    }

    /// The incident in one line.
    package func describe(_ incident: Incident) -> String {
        let time = "\(Self.seconds(incident.seconds)), since \(clock(incident.seconds))"
        switch incident.kind {
        case .rank(let rank):
            let sign = table.ranks[rank]
            return "\(name(ofRank: rank)) has not moved for \(time): \(place(sign)); \(reason(rank, sign))"
                + waiting(incident.waiters, for: "it")
        case .host(let index):
            let host = table.hosts[index]
            return "host \(host.name) hasn't answered for \(time): it, its network or its watcher is down; "
                + "\(Self.ranks(Array(host.ranks))) \(host.ranks.count == 1 ? "runs" : "run") there"
                + waiting(incident.waiters, for: host.ranks.count == 1 ? "it" : "them")
        case .allWait:
            return
                "no rank has moved for \(time): all wait and none is stopped, so a message isn't delivered, or they wait for "
                + "each other: \(waits)"
        }
    }

    /// That an incident is over.
    package func end(of kind: Incident.Kind, seconds: Double) -> String {
        let verb =
            switch kind {
            case .rank, .allWait: "moves on"
            case .host: "answers again"
            }
        return "\(subject(kind)) \(verb) after \(Self.seconds(seconds))"
    }

    /// A rank that is slower than others.
    package func describe(_ finding: Stragglers.Finding, windowSeconds: Double) -> String {
        "\(name(ofRank: finding.rank)) makes the others wait: for \(Self.seconds(windowSeconds)) it has computed "
            + String(format: "%.1f", finding.times) + " times as long as the median rank, most of the difference in "
            + "\(finding.activity.name); see what else runs on its core, and whether that is slower (dtrain doctor)"
    }

    /// `step 512, backward`.
    private func place(_ sign: RankSign) -> String {
        sign.step > 0 ? "step \(sign.step), \(sign.activity.name)" : sign.activity.name
    }

    private func reason(_ rank: Int, _ sign: RankSign) -> String {
        let kernel = sign.place.isEmpty ? "in the kernel" : "in the kernel (\(sign.place))"
        switch sign.condition {
        case .stopped:
            return "it is stopped (SIGSTOP); kill -CONT \(sign.process)\(onItsHost(rank)) lets it go on"
        case .traced: return "a debugger holds it"
        case .gone: return "its process is gone"
        case .uninterruptible: return "it waits \(kernel), as for a disk or a file server that doesn't answer"
        case .asleep: return "it sleeps \(kernel)"
        case .running: return "it computes, but gets no further"
        }
    }

    private func onItsHost(_ rank: Int) -> String {
        table.hosts.count > 1 ? " on \(table.hosts[table.host(of: rank)].name)" : ""
    }

    private func waiting(_ waiters: [Int], for whom: String) -> String {
        waiters.isEmpty ? "" : "; \(Self.ranks(waiters)) \(waiters.count == 1 ? "waits" : "wait") for \(whom)"
    }

    /// What every rank waits for; ranks that wait for the same are told of together, and of many only some.
    private var waits: String {
        var groups: [(what: String, ranks: [Int])] = []
        for (rank, sign) in table.ranks.enumerated() {
            guard let wait = sign.wait else { continue }
            let what = "\(wait.described(of: sign.awaited)) (\(place(sign)))"
            if let index = groups.firstIndex(where: { $0.what == what }) {
                groups[index].ranks.append(rank)
            } else {
                groups.append((what, [rank]))
            }
        }
        let shown = groups.prefix(Self.mostGroups).map { "\(Self.ranks($0.ranks)) for \($0.what)" }.joined(separator: ", ")
        return groups.count > Self.mostGroups ? "\(shown), …" : shown
    }

    private static let mostGroups = 6

    /// `rank 1`, `ranks 1 and 2`, `ranks 0 to 3 and 7`.
    package static func ranks(_ ranks: [Int]) -> String {
        guard ranks.count != 1 else { return "rank \(ranks[0])" }
        var runs: [ClosedRange<Int>] = []
        for rank in ranks {
            if let last = runs.last, last.upperBound == rank - 1 {
                runs[runs.count - 1] = last.lowerBound...rank
            } else {
                runs.append(rank...rank)
            }
        }
        let texts = runs.flatMap { run in
            switch run.count {
            case 1: ["\(run.lowerBound)"]
            case 2: ["\(run.lowerBound)", "\(run.upperBound)"]
            default: ["\(run.lowerBound) to \(run.upperBound)"]
            }
        }
        return "ranks "
            + (texts.count == 1 ? texts[0] : texts.dropLast().joined(separator: ", ") + " and " + (texts.last ?? ""))
    }

    private static func seconds(_ seconds: Double) -> String {
        seconds < 2 ? String(format: "%.1f s", seconds) : "\(Int(seconds)) s"
    }

    /// The time of day so many seconds ago.
    private func clock(_ seconds: Double) -> String {
        let then = now.addingTimeInterval(-seconds)
        let day = (Int(then.timeIntervalSince1970.rounded(.down)) + timeZone.secondsFromGMT(for: then)) % 86_400
        return String(format: "%02d:%02d:%02d", day / 3600, day / 60 % 60, day % 60)
    }
}
