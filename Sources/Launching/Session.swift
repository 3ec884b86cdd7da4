import Diagnostics
import Foundation

/// A directory of its own for everything that Open MPI would leave behind when it is killed: shared-memory segments
/// and session files. `launch/local.sh` makes the same kind.
///
/// It is named after the user and the process, and locked by this process and by mpirun, which inherits the
/// descriptor: a directory whose lock is free belongs to a dead job and is removed by the next one.
final class Session {
    /// The environment variable by which the processes of a session are known.
    static let variable = "DTRAIN_SESSION"

    let path: String
    private let lock: Int32

    /// Makes the directory below the first of `bases` that can be written and has `requiredBytes` free.
    init(bases: [String] = ["/dev/shm", NSTemporaryDirectory()], requiredBytes: Int) throws {
        let base = bases.first { access($0, W_OK | X_OK) == 0 && Self.freeBytes($0) >= requiredBytes }
            ?? bases.last ?? "/tmp"
        Self.removeDead(in: base)
        let directory = URL(fileURLWithPath: base, isDirectory: true)
        path = directory.appendingPathComponent("dtrain-\(getuid())-\(getpid())").path
        // Locked under another name first: under its own it is never seen unlocked.
        let pattern = directory.appendingPathComponent(".dtrain-\(getuid())-\(getpid())-XXXXXX").path
        var template = Array(pattern.utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Failure(.cannotCreate, "\(base): no directory can be made for mpirun: "
                + "\(String(cString: strerror(errno)))")
        }
        let draft = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        lock = open(draft + "/lock", O_CREAT | O_RDWR, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let reason = String(cString: strerror(errno))
            if lock >= 0 { close(lock) }
            try? FileManager.default.removeItem(atPath: draft)
            throw Failure(.cannotCreate, "\(draft)/lock can't be made or locked: \(reason)")
        }
        try? FileManager.default.removeItem(atPath: path)
        guard rename(draft, path) == 0 else {
            let reason = String(cString: strerror(errno))
            close(lock)
            try? FileManager.default.removeItem(atPath: draft)
            throw Failure(.cannotCreate, "\(path) can't be made: \(reason)")
        }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
        close(lock)
    }

    /// The live processes of this session. (A dead one that nobody has waited for has no environment.)
    func processes() -> [pid_t] { Self.processes(of: path) }

    /// Waits until the session's processes are gone; after `patience` seconds they are killed. When mpirun was killed
    /// its ranks compute on for most of a second.
    ///
    /// Gone is what two looks in a row don't find: for an instant within execve(2) a living process has no environment.
    func awaitProcesses(patience: Double = 2.5) {
        let interval = 0.05
        var waited = 0.0, emptyLooks = 0
        while waited < 2 * patience {
            let living = processes()
            emptyLooks = living.isEmpty ? emptyLooks + 1 : 0
            if emptyLooks == 2 { return }
            if waited >= patience { for process in living { kill(process, SIGKILL) } }
            usleep(UInt32(interval * 1e6))
            waited += interval
        }
    }

    private static func processes(of session: String) -> [pid_t] {
        let entry = Array("\(variable)=\(session)".utf8)
        let own = getpid()
        return ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { name in
            guard let process = pid_t(name), process != own,
                  let environment = FileManager.default.contents(atPath: "/proc/\(name)/environ") else { return nil }
            return environment.split(separator: 0).contains { $0.elementsEqual(entry) } ? process : nil
        }
    }

    /// Removes what dead jobs of this user left in `base`.
    private static func removeDead(in base: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
        for name in names where name.hasPrefix("dtrain-\(getuid())-") {
            let directory = URL(fileURLWithPath: base).appendingPathComponent(name).path
            var status = stat()
            guard lstat(directory, &status) == 0, status.st_uid == getuid(), status.st_mode & S_IFMT == S_IFDIR else {
                continue
            }
            let lock = open(directory + "/lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard lock >= 0 else { continue }
            if flock(lock, LOCK_EX | LOCK_NB) == 0, processes(of: directory).isEmpty {
                try? FileManager.default.removeItem(atPath: directory)
            }
            close(lock)
        }
        // Those that a kill kept from their name, by the process that made them.
        for name in names where name.hasPrefix(".dtrain-\(getuid())-") {
            let parts = name.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 4, let process = pid_t(parts[2]), access("/proc/\(process)", F_OK) != 0 else { continue }
            let directory = URL(fileURLWithPath: base).appendingPathComponent(name).path
            var status = stat()
            guard lstat(directory, &status) == 0, status.st_uid == getuid(), status.st_mode & S_IFMT == S_IFDIR else {
                continue
            }
            try? FileManager.default.removeItem(atPath: directory)
        }
    }

    private static func freeBytes(_ path: String) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize))
        return overflow ? Int.max : Int(clamping: bytes)
    }
}
