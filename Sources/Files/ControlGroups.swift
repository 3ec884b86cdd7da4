import Foundation

/// The control groups (containers, batch jobs) in which this process' memory is accounted: its own and all around it, whose
/// bounds hold as well (https://docs.kernel.org/admin-guide/cgroup-v2.html,
/// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html).
package enum ControlGroups {
    /// A group, as the folder that shows it.
    package struct Group {
        package let folder: String
        fileprivate let isUnified: Bool

        /// The file of its bound; `max`, or a huge number in version 1, where there is none.
        package var limitFile: String { folder + (isUnified ? "/memory.max" : "/memory.limit_in_bytes") }
        /// The file of what its processes hold.
        package var usageFile: String { folder + (isUnified ? "/memory.current" : "/memory.usage_in_bytes") }

        /// Its bound in bytes; nil where there is none.
        package func limit(_ read: (String) -> String?) -> Int? {
            number(limitFile, read).flatMap { $0 > 0 && $0 < 1 << 60 ? $0 : nil }
        }

        /// Bytes that its processes hold, without pages of files, which are given back.
        func usage(_ read: (String) -> String?) -> Int? {
            number(usageFile, read).map { max($0 - pagesOfFiles(read), 0) }
        }

        private func pagesOfFiles(_ read: (String) -> String?) -> Int {
            (read(folder + "/memory.stat")?.split(separator: "\n") ?? []).reduce(0) { sum, line in
                let words = line.split(separator: " ")
                guard words.count == 2, ["inactive_file", "active_file"].contains(words[0]), let bytes = Int(words[1]) else {
                    return sum
                }
                return sum + bytes
            }
        }

        private func number(_ path: String, _ read: (String) -> String?) -> Int? {
            read(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
    }

    /// - Parameter read: the contents of a file; nil where there is none.
    package static func ofThisProcess(_ read: (String) -> String? = contents) -> [Group] {
        let groups = (read("/proc/self/cgroup") ?? "").split(separator: "\n").compactMap(Line.init)
        let mounts = (read("/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap(Mount.init)
        return groups.flatMap { group in
            mounts.filter { $0.isUnified == group.isUnified }.flatMap { mount in
                mount.folders(of: group.path).map { Group(folder: $0, isUnified: group.isUnified) }
            }
        }
    }

    /// The text of a file that the kernel makes up.
    package static func contents(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    /// A line of `/proc/self/cgroup` that memory is accounted in: `0::/user.slice` or `4:memory:/job`.
    private struct Line {
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
    private struct Mount {
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
