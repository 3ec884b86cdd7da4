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
        let lines = ControlGroups.contents("/proc/meminfo")?.split(separator: "\n")
        guard let line = lines?.first(where: { $0.hasPrefix("MemAvailable:") }),
            let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return kibibytes * 1024
    }

    /// The least that a control group leaves.
    private static func controlGroup() -> Int? {
        let read = ControlGroups.contents
        return ControlGroups.ofThisProcess().compactMap { group in
            group.limit(read).flatMap { limit in group.usage(read).map { max(limit - $0, 0) } }
        }.min()
    }

    private static func addressSpace() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
            let most = Int(exactly: limit.rlim_cur), most < Int.max,
            let sizes = ControlGroups.contents("/proc/self/statm")?.split(separator: " "),
            let pages = sizes.first.flatMap({ Int($0) })
        else { return nil }
        return max(most - pages * sysconf(Int32(_SC_PAGESIZE)), 0)
    }
}
