import Diagnostics
import Foundation
import Timing

/// The process that watches the ranks of a host: it looks at their counters and at what the kernel says of them, and shares no
/// fate with MPI. The watchers of several hosts report to that of the first, which judges and speaks.
///
/// It ends with the rank that started it: the kernel sees to that, or the end of their pipe where all is well.
package struct Watcher {
    /// The descriptors that it is started with.
    enum Descriptor {
        /// The file of a `PulseBoard`.
        static let board: Int32 = 3
        /// Carries the settings, and ends when the rank has done.
        static let control: Int32 = 4
        /// The socket that other hosts' watchers connect to, on the first host.
        static let listener: Int32 = 5
    }

    private let settings: WatchSettings
    private let limits: StallLimits
    private var host: HostLook
    private var log = IncidentLog()
    private var stragglers: Stragglers
    /// The other hosts, on the first one; the first one, on the others; neither where there is one.
    private let hub: ReportHub?
    private let line: ReportLine?
    private var looks = 0
    /// Seconds since it began.
    private var age = 0.0

    /// Seconds between two looks, on average.
    private let interval: Double
    /// What counts of a pause that was longer: the watcher itself, or all of the machine, was held up.
    private static let longestPause = 1.0
    /// A watcher that the first host's hasn't answered for so long speaks for its own host.
    private static let loneSeconds = 15.0

    /// Runs in a process that `WatcherProcess` has started. Returns when the rank has done.
    /// - Throws: `Failure` where it wasn't started so.
    package static func run() throws {
        guard let settings = WatchSettings.read(from: Descriptor.control) else {
            throw Failure(.usage, "watch: a command for dtrain's own use: ranks start it, to be watched")
        }
        let board = try PulseBoard(ranks: settings.ranks.count, owning: Descriptor.board)
        // What `top` and `pgrep` show; else it is called `exe`.
        let name = open("/proc/self/comm", O_WRONLY | O_CLOEXEC)
        if name >= 0 {
            _ = write(name, "dtrain-watch", 12)
            close(name)
        }
        // It must come to its turn between ranks that spin, and cost them nothing.
        _ = setpriority(__priority_which_t(UInt32(PRIO_PROCESS.rawValue)), 0, 10)
        var watcher = Watcher(settings, board)
        watcher.watch()
        watcher.line?.leave()
    }

    private init(_ settings: WatchSettings, _ board: PulseBoard) {
        self.settings = settings
        limits = settings.limits
        host = HostLook(board)
        interval = min(0.25, limits.idle / 16)
        // Tests shorten both.
        stragglers = Stragglers(windowSeconds: 60 * min(1, settings.idleSeconds / StallLimits().idle))
        hub = settings.link.flatMap { settings.host == 0 ? ReportHub(settings, $0, listener: Descriptor.listener) : nil }
        line = settings.link.flatMap { settings.host > 0 ? ReportLine(settings, $0) : nil }
    }

    private mutating func watch() {
        var last = MonotonicClock.seconds
        // At random moments, so that no rhythm of steps hides a part of them.
        while !rest(until: last + interval * Double.random(in: 0.75...1.25)) {
            let now = MonotonicClock.seconds
            let seconds = min(now - last, Self.longestPause)
            last = now
            age += seconds
            looks += 1
            host.update(seconds: seconds)
            hub?.tick(seconds: seconds)
            // Twice a second is enough for others.
            line?.tick(seconds: seconds, reporting: looks % 2 == 0 ? host : nil)
            if isToEnd(seconds: seconds) { return }
        }
    }

    /// Serves connections until then; true as soon as the rank has done.
    private func rest(until due: Double) -> Bool {
        while true {
            let left = due - MonotonicClock.seconds
            guard left > 0 else { return false }
            var requests = [pollfd(fd: Descriptor.control, events: Int16(POLLIN), revents: 0)]
            requests += hub?.requests ?? line?.requests ?? []
            guard poll(&requests, nfds_t(requests.count), Int32((left * 1000).rounded(.up))) > 0 else { continue }
            if requests[0].revents != 0 { return true }
            hub?.serve()
            line?.serve()
        }
    }

    /// Says what there is to say, and ends the ranks where that is due; then true.
    private mutating func isToEnd(seconds: Double) -> Bool {
        if let line {
            if line.isToldToEnd {
                RanksEnd.end(host.processes, isCutOff: false)
                return true
            }
            if line.isKnown { return isCutOff(line) }
            if age < Self.loneSeconds { return false }
        }
        for name in hub?.takeUnheard() ?? [] {
            StandardStream.tell(
                "note",
                "the watcher of host \(name) can't connect to port \(settings.link?.port ?? 0) of host "
                    + "\(settings.hosts[settings.host].name), perhaps for a firewall: a rank that hangs there is told of, but the "
                    + "silence of that host isn't")
        }
        return judgeJob(seconds: seconds)
    }

    /// Judges what is known of the job.
    private mutating func judgeJob(seconds: Double) -> Bool {
        let table = table()
        let text = IncidentText(table: table, now: Date())
        for line in log.update(judge(table, limits), limits, text: text, seconds: seconds) {
            switch line {
            case .warning(let words): StandardStream.tell("warning", words)
            case .note(let words): StandardStream.tell("note", words)
            case .end(let words):
                StandardStream.tell("dtrain: error", words)
                hub?.end()
                RanksEnd.end(host.processes, isCutOff: table.hosts.contains { ($0.silentSeconds ?? 0) >= limits.silence })
                return true
            }
        }
        for finding in stragglers.update(table, seconds: seconds) {
            StandardStream.tell("warning", text.describe(finding, windowSeconds: stragglers.windowSeconds))
        }
        return false
    }

    /// Ends the ranks of a host that is cut off: of the first host nothing is heard, and they themselves don't move any more.
    /// Otherwise nobody could end them; as long as they move, or may soon, they are left alone.
    private func isCutOff(_ line: ReportLine) -> Bool {
        let limit = limits.cutOff
        guard line.silentSeconds >= limit, host.signs.allSatisfy({ $0.stillSeconds >= limit }) else { return false }
        StandardStream.tell(
            "dtrain: error",
            "host \(settings.hosts[settings.host].name) has not heard of host \(settings.hosts[0].name) for \(Int(limit)) s, and its "
                + "ranks don't move: they are ended; go on with --resume")
        RanksEnd.end(host.processes, isCutOff: true)
        return true
    }

    /// What is known of the job.
    private func table() -> JobTable {
        var table = JobTable(
            hosts: settings.hosts.map { JobTable.Host(name: $0.name, ranks: $0.ranks) },
            ranks: (0..<settings.rankCount).map { _ in RankSign(process: 0) })
        hub?.complete(&table)
        table.hosts[settings.host].silentSeconds = 0
        table.hosts[settings.host].networkIdleSeconds = host.networkIdleSeconds
        table.ranks.replaceSubrange(settings.ranks, with: host.signs)
        return table
    }
}
