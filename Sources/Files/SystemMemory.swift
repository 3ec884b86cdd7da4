import Foundation

/// What memory this process can still get.
package enum SystemMemory {
    /// The bytes that are free, or can be made free, for this process: of the machine, of its control group (a container,
    /// a batch job), and below its limit of address space (`ulimit -v`). Nil where the system doesn't tell.
    package static func availableByteCount() -> Int? {
        [machine(), controlGroup(), addressSpace()].compactMap { $0 }.min()
    }

    /// `MemAvailable` of proc(5).
    private static func machine() -> Int? {
        guard let line = text("/proc/meminfo")?.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
              let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        return kibibytes * 1024
    }

    /// The least that a control group of this process leaves: version 2 as in cgroups(7), or the memory controller of
    /// version 1.
    private static func controlGroup() -> Int? {
        var least: Int?
        for line in text("/proc/self/cgroup")?.split(separator: "\n") ?? [] {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isUnified = parts[1].isEmpty
            guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
            let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            let (limit, usage) = isUnified ? ("memory.max", "memory.current")
                : ("memory.limit_in_bytes", "memory.usage_in_bytes")
            // A limit of any group above counts as well. Inside of a container the path may be one of outside.
            var folders = parts[2].split(separator: "/")
            while true {
                let folder = ([root] + folders.map(String.init)).joined(separator: "/")
                if let most = number("\(folder)/\(limit)"), let used = number("\(folder)/\(usage)") {
                    // Pages of files count as used, but are given back.
                    let files = statistics("\(folder)/memory.stat", ["inactive_file", "active_file"])
                    least = min(least ?? Int.max, max(most - max(used - files, 0), 0))
                }
                if folders.popLast() == nil { break }
            }
        }
        return least
    }

    private static func addressSpace() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
              let most = Int(exactly: limit.rlim_cur), most < Int.max,
              let pages = text("/proc/self/statm")?.split(separator: " ").first.flatMap({ Int($0) }) else { return nil }
        return max(most - pages * sysconf(Int32(_SC_PAGESIZE)), 0)
    }

    /// The sum of some lines of a control group's `memory.stat`.
    private static func statistics(_ path: String, _ names: Set<String>) -> Int {
        (text(path)?.split(separator: "\n") ?? []).reduce(0) { sum, line in
            let words = line.split(separator: " ")
            guard words.count == 2, names.contains(String(words[0])), let value = Int(words[1]) else { return sum }
            return sum + value
        }
    }

    private static func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    private static func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }
}
