/// How long what may last before it is told of, in seconds.
package struct StallLimits: Equatable, Sendable {
    /// A rank that does nothing at all. A message within ten seconds of the beginning is what it is chosen for: it is seen up to
    /// half a second late, and told of up to another half a second later.
    package var idle = 8.0
    /// A rank that waits for files, a disk or the reader of its output.
    package var files: Double { max(60, idle) }
    /// A rank that computes, but gets no further: long ago any part of a step would have ended.
    package var busy: Double { max(600, idle) }
    /// A host of which nothing is heard.
    package var silence: Double { min(4, idle) }
    /// A host whose watcher hears nothing of the first one's while its own ranks don't move: time enough for a network to come
    /// back, and an end before the next day.
    package var cutOff: Double { end ?? 60 }
    /// When the job is ended (`--stall-timeout`); nil: never.
    package var end: Double?

    package init(idle: Double = 8, end: Double? = nil) {
        self.idle = min(idle, end ?? idle)
        self.end = end
    }
}

/// Something that keeps a job from going on.
package struct Incident: Equatable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// One rank.
        case rank(Int)
        /// All ranks wait, and none for one that is at fault.
        case allWait
        /// A host, by index.
        case host(Int)
    }

    package let kind: Kind
    /// How long it has lasted.
    package let seconds: Double
    /// How long it had to last to be told of.
    package let limit: Double
    /// Ranks that can't go on because of it.
    package let waiters: [Int]
    /// Whether the job can't go on until it is over.
    package let holdsJob: Bool

    package init(kind: Kind, seconds: Double, limit: Double, waiters: [Int], holdsJob: Bool) {
        self.kind = kind
        self.seconds = seconds
        self.limit = limit
        self.waiters = waiters
        self.holdsJob = holdsJob
    }

    /// Whether the job is to be ended.
    package func endsJob(_ limits: StallLimits) -> Bool {
        guard let end = limits.end, holdsJob else { return false }
        return seconds >= max(end, limit)
    }
}

/// What is wrong with a job, from the table alone: the heart of the watcher, a pure function.
///
/// A rank that waits for others isn't at fault, one that computes isn't either, nor one whose process gets no processor;
/// ranks of a host that isn't heard are unknown. Where all ranks are stopped, somebody has suspended the job.
package func judge(_ table: JobTable, _ limits: StallLimits) -> [Incident] {
    var incidents: [Incident] = []
    var unknown = Set<Int>()
    for (index, host) in table.hosts.enumerated() {
        guard let silent = host.silentSeconds else {
            unknown.formUnion(host.ranks)
            continue
        }
        guard silent >= limits.silence else { continue }
        unknown.formUnion(host.ranks)
        let waiters = table.waiters(of: Set(host.ranks))
        incidents.append(
            Incident(
                kind: .host(index), seconds: silent, limit: limits.silence, waiters: waiters, holdsJob: !waiters.isEmpty))
    }
    let known = table.ranks.indices.filter { !unknown.contains($0) }
    guard known.contains(where: { table.ranks[$0].condition != .stopped }) else { return incidents }
    for rank in known {
        guard let (seconds, limit) = stall(of: table.ranks[rank], limits), seconds >= limit else { continue }
        let waiters = table.waiters(of: [rank])
        // A rank that does nothing while nobody waits for it may have nothing to do; one that can't is told of.
        if waiters.isEmpty, !table.ranks[rank].condition.isHeld, table.ranks.count > 1 { continue }
        incidents.append(
            Incident(
                kind: .rank(rank), seconds: seconds, limit: limit, waiters: waiters,
                holdsJob: !waiters.isEmpty || table.ranks.count == 1))
    }
    if incidents.isEmpty, unknown.isEmpty, let incident = deadlock(table, limits) { incidents.append(incident) }
    return incidents
}

/// How long a rank has been at fault, and how long it may be; nil where it isn't.
private func stall(of sign: RankSign, _ limits: StallLimits) -> (seconds: Double, limit: Double)? {
    switch sign.condition {
    case .stopped, .traced, .gone: return (sign.idleSeconds, limits.idle)
    case .uninterruptible where sign.wait != nil: return (sign.idleSeconds, limits.idle)
    case .running, .asleep, .uninterruptible:
        guard sign.wait == nil else { return nil }
        if sign.stillSeconds >= limits.busy { return (sign.stillSeconds, limits.busy) }
        return (sign.idleSeconds, sign.activity.awaitsFiles ? limits.files : limits.idle)
    }
}

/// Where every rank waits for others: messages that don't arrive, or ranks that wait for each other. A large message on a slow
/// network takes its time, and shows in what the network carries.
private func deadlock(_ table: JobTable, _ limits: StallLimits) -> Incident? {
    guard table.ranks.count > 1, table.ranks.allSatisfy({ $0.wait != nil }) else { return nil }
    // Nobody is at fault as far as can be told from outside.
    let still = table.ranks.map(\.stillSeconds).min() ?? 0
    let quiet = table.hosts.count == 1 ? still : min(still, table.hosts.map(\.networkIdleSeconds).min() ?? 0)
    let limit = quiet >= limits.idle ? limits.idle : limits.busy
    guard still >= limit else { return nil }
    return Incident(kind: .allWait, seconds: still, limit: limit, waiters: Array(table.ranks.indices), holdsJob: true)
}

extension ProcessLook.Condition {
    /// Whether the process can't run until somebody lets it.
    package var isHeld: Bool { self == .stopped || self == .traced || self == .gone }
}
