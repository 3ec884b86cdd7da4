import Diagnostics
import Foundation
import Timing

/// The process that watches the ranks of a host: it looks at their counters and at what the kernel says of them, and shares no
/// fate with MPI. The watchers of several hosts report to that of the first, which judges and speaks.
///
/// It ends with the rank that started it: the kernel sees to that, or the end of their pipe where all is well.
package struct Watcher {
    /// The descriptors that it is started with.
    package enum Descriptor {
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

    /// Seconds between two looks, on average.
    private let interval: Double
    /// What counts of a pause that was longer: the watcher itself, or all of the machine, was held up.
    private static let longestPause = 1.0

    /// Runs in a process that `WatcherProcess` has started. Returns when the rank has done.
    /// - Throws: `Failure` where it wasn't started so.
    package static func run() throws {
        guard let settings = WatchSettings.read(from: Descriptor.control) else {
            throw Failure(.usage, "watch: a command for dtrain's own use: ranks start it, to be watched")
        }
        let board = try PulseBoard(ranks: settings.ranks.count, owning: Descriptor.board)
        // It must come to its turn between ranks that spin, and cost them nothing.
        _ = setpriority(__priority_which_t(UInt32(PRIO_PROCESS.rawValue)), 0, 10)
        var watcher = Watcher(settings, board)
        watcher.watch()
    }

    private init(_ settings: WatchSettings, _ board: PulseBoard) {
        self.settings = settings
        limits = settings.limits
        host = HostLook(board)
        interval = min(0.25, limits.idle / 16)
        // Tests shorten both.
        stragglers = Stragglers(windowSeconds: 60 * min(1, settings.idleSeconds / StallLimits().idle))
    }

    private mutating func watch() {
        var last = MonotonicClock.seconds
        while true {
            // At random moments, so that no rhythm of steps hides a part of them.
            guard !Self.hasEnded(Descriptor.control, within: interval * Double.random(in: 0.75...1.25)) else { return }
            let now = MonotonicClock.seconds
            let seconds = min(now - last, Self.longestPause)
            last = now
            host.update(seconds: seconds)
            judge(seconds: seconds)
        }
    }

    /// Judges what is known and says what there is to say.
    private mutating func judge(seconds: Double) {
        let table = table()
        let text = IncidentText(table: table, now: Date())
        for line in log.update(Watching.judge(table, limits), limits, text: text, seconds: seconds) {
            switch line {
            case .warning(let words): StandardStream.tell("warning", words)
            case .note(let words): StandardStream.tell("note", words)
            case .end(let words):
                StandardStream.tell("dtrain: error", words)
                RanksEnd.end(host.processes)
            }
        }
        for finding in stragglers.update(table, seconds: seconds) {
            StandardStream.tell("warning", text.describe(finding, windowSeconds: stragglers.windowSeconds))
        }
    }

    /// What is known of the job.
    private func table() -> JobTable {
        var table = JobTable(
            hosts: settings.hosts.map { JobTable.Host(name: $0.name, ranks: $0.ranks) },
            ranks: (0..<settings.rankCount).map { _ in RankSign(process: 0) })
        table.hosts[settings.host].silentSeconds = 0
        table.hosts[settings.host].networkIdleSeconds = host.networkIdleSeconds
        table.ranks.replaceSubrange(settings.ranks, with: host.signs)
        return table
    }

    /// Waits so many seconds; true as soon as the pipe has ended.
    private static func hasEnded(_ control: Int32, within seconds: Double) -> Bool {
        var request = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
        let count = poll(&request, 1, Int32(seconds * 1000))
        return count > 0
    }
}
