import Foundation

/// What this process holds of the machine's memory, bytes: `/proc/self/status` of proc(5). Zeros where there is none.
package struct ProcessMemory: Sendable {
    /// In memory now.
    package let resident: Int
    /// Of that, what doesn't come from a file.
    package let anonymous: Int
    /// The most that was in memory at once. (getrusage's `ru_maxrss` would also count what the process was before exec.)
    package let peak: Int
    /// Addresses that are taken, whether memory is behind them or not.
    package let addressSpace: Int

    package static var current: ProcessMemory {
        ProcessMemory(status: (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? "")
    }

    /// - Parameter status: lines like `VmRSS:     1234 kB`.
    package init(status: String) {
        var kilobytes: [Substring: Int] = [:]
        for line in status.split(separator: "\n") {
            let words = line.split { $0 == ":" || $0 == "\t" || $0 == " " }
            if words.count == 3, words[2] == "kB" { kilobytes[words[0]] = Int(words[1]) }
        }
        func bytes(_ name: Substring) -> Int { (kilobytes[name] ?? 0) << 10 }
        resident = bytes("VmRSS")
        anonymous = bytes("RssAnon")
        peak = bytes("VmHWM")
        addressSpace = bytes("VmSize")
    }
}
