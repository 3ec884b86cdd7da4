import Foundation

/// A bound on the memory that processes may hold, and who sets it.
package struct MemoryLimit: Equatable, Sendable {
    package let bytes: Int
    /// As in "takes 12 GB, but … 8 GB".
    package let holder: String
    /// Where it is set; empty where that needs no saying.
    package let source: String

    package init(bytes: Int, holder: String, source: String = "") {
        self.bytes = bytes
        self.holder = holder
        self.source = source
    }
}

/// What this machine lets a job use: its memory, and what control groups and resource limits leave of it.
package enum MachineMemory {
    /// The tightest bound on all processes of this machine together, or of this one's control group; nil where none is
    /// known.
    ///
    /// - Parameters:
    ///   - physical: the machine's memory, bytes; 0 if unknown.
    ///   - read: the contents of a file; nil where there is none.
    package static func limit(physical: Int = physical, read: (String) -> String? = contents) -> MemoryLimit? {
        var limits = controlGroupLimits(read)
        if physical > 0 { limits.append(MemoryLimit(bytes: physical, holder: "this machine has")) }
        return limits.min { $0.bytes < $1.bytes }
    }

    /// The bound on the addresses of this process (`ulimit -v`); nil where there is none.
    package static var addressSpaceLimit: MemoryLimit? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(Int.max) else {
            return nil
        }
        return MemoryLimit(bytes: Int(limit.rlim_cur), holder: "a process may have", source: "ulimit -v")
    }

    package static var physical: Int {
        let pages = sysconf(Int32(_SC_PHYS_PAGES)), size = sysconf(Int32(_SC_PAGESIZE))
        return pages > 0 && size > 0 ? pages * size : 0
    }

    package static func contents(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    // MARK: - Control groups

    /// The bounds of this process' control group and of all groups around it, which hold as well
    /// (https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html).
    private static func controlGroupLimits(_ read: (String) -> String?) -> [MemoryLimit] {
        let groups = (read("/proc/self/cgroup") ?? "").split(separator: "\n").compactMap(ControlGroup.init)
        let mounts = (read("/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap(ControlGroupMount.init)
        return groups.flatMap { group in
            mounts.filter { $0.isUnified == group.isUnified }.flatMap { mount in
                mount.folders(of: group.path).compactMap { folder -> MemoryLimit? in
                    let path = folder + (group.isUnified ? "/memory.max" : "/memory.limit_in_bytes")
                    // "max" is no bound; neither is the huge number that version 1 has for it.
                    guard let text = read(path)?.trimmingCharacters(in: .whitespacesAndNewlines), let bytes = Int(text),
                          bytes > 0, bytes < 1 << 60 else { return nil }
                    return MemoryLimit(bytes: bytes, holder: "its control group may have", source: path)
                }
            }
        }
    }

    /// A line of `/proc/self/cgroup` that memory is accounted in: `0::/user.slice` or `4:memory:/job`.
    private struct ControlGroup {
        let isUnified: Bool
        let path: Substring

        init?(_ line: Substring) {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[1].isEmpty || fields[1].split(separator: ",").contains("memory") else { return nil }
            isUnified = fields[1].isEmpty
            path = fields[2]
        }
    }

    /// A line of `/proc/self/mountinfo` for a file system of control groups: which of its folders is seen where.
    private struct ControlGroupMount {
        let isUnified: Bool
        let root: Substring
        let place: Substring

        init?(_ line: Substring) {
            // 31 23 0:28 ROOT PLACE rw,relatime … - TYPE SOURCE OPTIONS
            let words = line.split(separator: " ")
            guard words.count > 5, let dash = words.firstIndex(of: "-"), dash + 3 < words.count else { return nil }
            let options = words[dash + 3].split(separator: ",")
            switch words[dash + 1] {
            case "cgroup2": isUnified = true
            case "cgroup" where options.contains("memory"): isUnified = false
            default: return nil
            }
            root = words[3]
            place = words[4]
        }

        /// Where the group `path` and those around it are seen, as far as this mount shows them.
        func folders(of path: Substring) -> [String] {
            // In a container the path may be one outside (and then begin with "/.."); what is mounted is the group itself.
            let isInside = !path.hasPrefix("/..") && (root == "/" || path == root || path.hasPrefix(root + "/"))
            var rest = isInside ? (root == "/" ? path : path.dropFirst(root.count)) : ""
            var folders: [String] = []
            while let slash = rest.lastIndex(of: "/"), rest.count > 1 {
                folders.append("\(place)\(rest)")
                rest = rest[..<slash]
            }
            return folders + [String(place)]
        }
    }
}
