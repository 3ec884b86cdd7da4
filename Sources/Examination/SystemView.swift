import Files
import Foundation

/// Reads what the kernel shows in /proc and /sys. Nothing need be there: containers hide much of it.
package struct SystemView: Sendable {
    /// The contents of a file; nil where there is none.
    private let read: @Sendable (String) -> String?

    package init(read: @escaping @Sendable (String) -> String? = { ControlGroups.contents($0) }) {
        self.read = read
    }

    func word(_ path: String) -> String? {
        read(path)?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The cores in the affinity mask of this process, ascending (`Cpus_allowed_list` of proc(5)); empty if unknown.
    package var allowedCores: [Int] {
        let lines = (read("/proc/self/status") ?? "").split(separator: "\n")
        let key = "Cpus_allowed_list:"
        return lines.first { $0.hasPrefix(key) }.map { Self.numbers(String($0.dropFirst(key.count))) } ?? []
    }

    /// How many cores the machine has online; where it isn't shown, those of the mask.
    package var onlineCoreCount: Int {
        let online = Self.numbers(word("/sys/devices/system/cpu/online") ?? "")
        return online.isEmpty ? allowedCores.count : online.count
    }

    /// The cores of each NUMA node; empty where the system has no word of nodes.
    package var memoryNodes: [[Int]] {
        Self.numbers(word("/sys/devices/system/node/online") ?? "").map {
            Self.numbers(word("/sys/devices/system/node/node\($0)/cpulist") ?? "")
        }
    }

    /// The least that control groups leave of the cores' time, in cores; nil where nothing bounds it.
    package var coreQuota: Double? {
        let folders = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
        let own = ControlGroups.ofThisProcess(read).map(\.folder)
        let quotas = Set(folders + own).compactMap { folder -> Double? in
            if let both = word(folder + "/cpu.max")?.split(separator: " "), both.count == 2,
                let quota = Double(both[0]), let period = Double(both[1]), period > 0
            {
                return quota / period
            }
            guard let quota = word(folder + "/cpu.cfs_quota_us").flatMap(Double.init), quota > 0,
                let period = word(folder + "/cpu.cfs_period_us").flatMap(Double.init), period > 0
            else { return nil }
            return quota / period
        }
        return quotas.min()
    }

    /// The id of the running kernel, the same in all containers of a machine; empty if unknown.
    package var machine: String { word("/proc/sys/kernel/random/boot_id") ?? "" }

    /// The name of this host, as containers and namespaces have it.
    package var hostName: String { word("/proc/sys/kernel/hostname") ?? "unknown" }

    /// How many programs wanted to run in the last minute, on average.
    package var load: Double? { word("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) } }

    /// How the frequency of a core is chosen.
    package func governor(ofCore core: Int) -> String? {
        word("/sys/devices/system/cpu/cpu\(core)/cpufreq/scaling_governor")
    }

    package func isBridge(_ interface: String) -> Bool { read("/sys/class/net/\(interface)/bridge/bridge_id") != nil }

    /// The time of all cores so far, in ticks.
    package var coreTime: CoreTime? {
        // cpu  user nice system idle iowait irq softirq steal guest guest_nice; guests are part of user (proc(5)).
        guard let line = (read("/proc/stat") ?? "").split(separator: "\n").first(where: { $0.hasPrefix("cpu ") }) else {
            return nil
        }
        let ticks = line.split(separator: " ").dropFirst().prefix(8).compactMap { Int($0) }
        return ticks.count == 8 ? CoreTime(all: ticks.reduce(0, +), stolen: ticks[7]) : nil
    }

    /// `0-3,8` as numbers, ascending; what isn't of that form is passed over.
    package static func numbers(_ list: String) -> [Int] {
        let parts = list.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",")
        let all = parts.flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            // No machine has so many; a forged list must not fill the memory.
            guard let first = ends.first, let last = ends.last, ends.count <= 2, first <= last, last < 1 << 16 else {
                return []
            }
            return Array(first...last)
        }
        return Set(all).sorted()
    }
}

/// Time that a machine's cores have passed.
package struct CoreTime: Equatable, Sendable {
    package var all: Int
    /// Of that, what the hypervisor gave to others while a core wanted to run.
    package var stolen: Int

    package init(all: Int, stolen: Int) {
        self.all = all
        self.stolen = stolen
    }

    /// The stolen share since `earlier`; nil where too little time has passed to tell.
    package func stolenShare(since earlier: CoreTime) -> Double? {
        let passed = all - earlier.all
        return passed >= 40 ? Double(max(0, stolen - earlier.stolen)) / Double(passed) : nil
    }
}
