import Foundation

/// What a watcher knows of its own host: its ranks, and whether its network is busy.
package struct HostLook {
    private let board: PulseBoard
    private var trackers: [RankTracker]
    private var lastBytes: Int64?
    private(set) var networkIdleSeconds = 0.0

    /// What watchers and daemons say to each other in a second is far less, and a gradient that is worth waiting for more.
    private static let busyBytesPerSecond = 100_000.0

    package init(_ board: PulseBoard) {
        self.board = board
        trackers = (0..<board.ranks).map { RankTracker(process: board.look($0).process) }
    }

    var signs: [RankSign] { trackers.map(\.sign) }

    /// The processes of its ranks, in order.
    var processes: [pid_t] { (0..<board.ranks).map { board.look($0).process } }

    /// Looks again, after so many seconds.
    package mutating func update(seconds: Double) {
        for index in trackers.indices {
            let look = board.look(index)
            trackers[index].update(look, seconds: seconds) { ProcessLook(of: look.process) }
        }
        let bytes = Self.networkBytes(Self.text("/proc/net/dev"))
        let isBusy = lastBytes.map { Double(bytes &- $0) >= seconds * Self.busyBytesPerSecond } ?? true
        networkIdleSeconds = isBusy ? 0 : networkIdleSeconds + seconds
        lastBytes = bytes
    }

    /// All bytes that the interfaces in a `/proc/net/dev` (proc(5)) have received and sent, but for the loopback's.
    package static func networkBytes(_ text: String) -> Int64 {
        text.split(separator: "\n").reduce(0) { sum, line in
            guard let colon = line.firstIndex(of: ":") else { return sum }
            let fields = line[line.index(after: colon)...].split(separator: " ")
            let name = line[..<colon].drop { $0 == " " }
            guard name != "lo", fields.count > 8, let received = Int64(fields[0]), let sent = Int64(fields[8]) else {
                return sum
            }
            return sum &+ received &+ sent
        }
    }

    private static func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
