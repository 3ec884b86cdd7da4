import Foundation

import Watching

/// Tables of jobs as tests want them.
extension JobTable {
    /// A job whose hosts, called a, b, …, have so many ranks, all of them computing in step 7.
    static func training(_ sizes: Int...) -> JobTable {
        var next = 0
        let hosts = sizes.enumerated().map { index, size in
            defer { next += size }
            return Host(
                name: String(UnicodeScalar(UInt8(97 + index))), ranks: next..<next + size, silentSeconds: 0,
                networkIdleSeconds: 1000)
        }
        return JobTable(
            hosts: hosts,
            ranks: (0..<next).map { rank in
                var sign = RankSign(process: pid_t(1000 + rank))
                sign.step = 7
                sign.activity = .backward
                return sign
            })
    }

    /// Lets a rank wait: for one rank, or several.
    mutating func wait(_ rank: Int, _ wait: Wait, for awaited: Int? = nil, seconds: Double = 100) {
        ranks[rank].wait = wait
        ranks[rank].awaited = awaited
        ranks[rank].stillSeconds = seconds
    }

    /// Lets a rank's process be in this condition, and do nothing, for so long.
    mutating func hold(_ rank: Int, _ condition: ProcessLook.Condition, seconds: Double) {
        ranks[rank].condition = condition
        ranks[rank].stillSeconds = seconds
        ranks[rank].idleSeconds = seconds
    }
}
