import CProcesses
import Diagnostics
import Foundation

/// A directory of its own for everything that Open MPI would leave behind when it is killed: shared-memory segments
/// and session files. `launch/local.sh` makes the same kind.
///
/// It is named after the user, the process and chance, so that nobody can be there first, and locked by this process and
/// by mpirun, which inherits the descriptor: a directory whose lock is free belongs to a dead job and is removed by the
/// next one. It lies where everybody may write, so nothing there is trusted by its name; see `SessionDirectory`.
package final class Session {
    /// The environment variable by which the processes of a session are known: its path.
    package static let variable = "DTRAIN_SESSION"

    package let path: String
    private let directory: SessionDirectory
    private let lock: Int32

    /// Makes the directory below the first of `bases` that can be written and has `requiredBytes` free.
    package init(bases: [String] = ["/dev/shm", NSTemporaryDirectory()], requiredBytes: Int) throws {
        let base =
            bases.first { access($0, W_OK | X_OK) == 0 && Self.freeBytes($0) >= requiredBytes }
            ?? bases.last ?? "/tmp"
        func refusal(_ what: String, _ code: Int32) -> Failure {
            Failure(.cannotCreate, "\(base): \(what) for mpirun: \(String(cString: strerror(code)))")
        }
        guard let made = try Self.make(in: base, named: nil, refusal) else { throw refusal("no directory can be made", EEXIST) }
        (path, directory, lock) = made
    }

    /// Makes the directory of a session that another host's launcher has named, here; nil where it is there already, since both
    /// share a file system.
    convenience init?(path: String) throws {
        let url = URL(fileURLWithPath: path)
        let base = url.deletingLastPathComponent().path
        let made = try Self.make(in: base, named: url.lastPathComponent) { what, code in
            Failure(
                .cannotCreate,
                "\(ProcessInfo.processInfo.hostName): \(base): \(what) for mpirun: \(String(cString: strerror(code)))")
        }
        guard let made else { return nil }
        self.init(made)
    }

    private init(_ made: (path: String, directory: SessionDirectory, lock: Int32)) { (path, directory, lock) = made }

    /// Makes a locked directory in `base`; nil where one of that name is there.
    private static func make(
        in base: String, named wanted: String?, _ refusal: (_ what: String, _ code: Int32) -> Failure
    ) throws -> (path: String, directory: SessionDirectory, lock: Int32)? {
        let place = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard place >= 0 else { throw refusal("no directory can be made", errno) }
        defer { close(place) }
        Self.removeDead(in: place, path: base)
        // Locked under another name first: under its own it is never seen unlocked.
        let root = URL(fileURLWithPath: base, isDirectory: true)
        let pattern = root.appendingPathComponent(".dtrain-\(geteuid())-\(getpid())-XXXXXX").path
        var template = Array(pattern.utf8CString)
        guard mkdtemp(&template) != nil else { throw refusal("no directory can be made", errno) }
        let draft = URL(fileURLWithPath: String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
            .lastPathComponent
        guard let directory = SessionDirectory(draft, in: place) else {
            unlinkat(place, draft, AT_REMOVEDIR)
            throw refusal("\(draft) was made, but has been removed or replaced since", ESTALE)
        }
        let lock = openat(directory.descriptor, SessionDirectory.lockName, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600)
        let name = wanted ?? String(draft.dropFirst())
        var code: Int32 = 0
        if lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0 {
            code = errno
        } else if dtrain_rename_new(place, draft, name) != 0 {
            code = errno
        }
        guard code == 0 else {
            if lock >= 0 { close(lock) }
            directory.remove(draft, from: place)
            if code == EEXIST, wanted != nil { return nil }
            throw refusal("\(draft) can't be locked and named", code)
        }
        return (root.appendingPathComponent(name).path, directory, lock)
    }

    deinit {
        let url = URL(fileURLWithPath: path)
        let place = open(url.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        directory.remove(url.lastPathComponent, from: place)
        if place >= 0 { close(place) }
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
        var waited = 0.0
        var emptyLooks = 0
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
                let environment = FileManager.default.contents(atPath: "/proc/\(name)/environ")
            else { return nil }
            return environment.split(separator: 0).contains { $0.elementsEqual(entry) } ? process : nil
        }
    }

    /// Removes what dead jobs of this user left in the directory `place`.
    private static func removeDead(in place: Int32, path: String) {
        for name in SessionDirectory.names(in: place) {
            guard let kind = SessionName(name, user: geteuid()), let directory = SessionDirectory(name, in: place),
                directory.isUnlocked(orHasNoLock: kind.isDraft)
            else { continue }
            if kind.isDraft {
                // A kill kept it from its name: nothing but the lock can be in it. It is known by the process that made it.
                if access("/proc/\(kind.process)", F_OK) != 0 { directory.removeDraft(name, from: place) }
            } else if processes(of: URL(fileURLWithPath: path).appendingPathComponent(name).path).isEmpty {
                directory.remove(name, from: place)
            }
        }
    }

    private static func freeBytes(_ path: String) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize))
        return overflow ? Int.max : Int(clamping: bytes)
    }
}

/// The name of a session's directory, `dtrain-USER-PROCESS-XXXXXX`, with a dot in front until it is locked. (Earlier
/// versions had no `-XXXXXX`.)
struct SessionName {
    let process: pid_t
    let isDraft: Bool

    /// Whether `name` is that of a session of any user, on whatever host.
    static func isOne(_ name: String) -> Bool {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, let user = uid_t(parts[1]), let session = SessionName(name, user: user) else { return false }
        return !session.isDraft
    }

    /// Nil unless `name` is one of this user's.
    init?(_ name: String, user: uid_t) {
        isDraft = name.hasPrefix(".")
        let parts = name.dropFirst(isDraft ? 1 : 0).split(separator: "-", omittingEmptySubsequences: false)
        guard (isDraft ? 4...4 : 3...4).contains(parts.count), parts[0] == "dtrain", parts[1] == String(user),
            let process = pid_t(parts[2]), process > 0, String(process) == parts[2],
            parts.count == 3 || parts[3].utf8.count == 6 && parts[3].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
        else { return nil }
        self.process = process
    }
}
