import Files
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
    package static func limit(physical: Int = physical, read: (String) -> String? = ControlGroups.contents) -> MemoryLimit? {
        var limits = ControlGroups.ofThisProcess(read).compactMap { group in
            group.limit(read).map { MemoryLimit(bytes: $0, holder: "its control group may have", source: group.limitFile) }
        }
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
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let size = sysconf(Int32(_SC_PAGESIZE))
        return pages > 0 && size > 0 ? pages * size : 0
    }
}
