import Diagnostics
import Files
import Foundation
import Timing

/// Tries on a temporary file what a run directory needs of a file system: locks, rename, and that what was written can be
/// waited for (fsync). The file is removed again.
package enum DirectoryTrial {
    /// Where a run directory of this path would be tried out: the directory itself, or the nearest one above it that exists.
    package static func place(forRun path: String) -> String {
        var path = trimmingSlashes(path)
        while !path.isEmpty, path != ".", path != "/" {
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue { return path }
            path = parentDirectory(of: path)
        }
        return path.isEmpty ? "." : path
    }

    /// - Parameters:
    ///   - path: an existing directory.
    ///   - mounts: the contents of `/proc/self/mountinfo`; nil where it isn't shown.
    package static func run(
        in path: String, mounts: String? = ControlGroups.contents("/proc/self/mountinfo"),
        fileSystem: any FileSystem = PosixFileSystem()
    ) -> DirectoryFacts {
        let resolved = (try? resolvedPath(path)) ?? path
        var facts = DirectoryFacts(
            path: printable(path), kind: MountTable(mounts ?? "").kind(of: resolved), freeBytes: freeBytes(path),
            syncSeconds: nil,
            failures: [])
        func attempt(_ what: String, _ work: () throws(SystemError) -> String?) -> Bool {
            do {
                guard let reason = try work() else { return true }
                facts.failures.append("\(what): \(reason)")
            } catch {
                facts.failures.append("\(what): \(String(cString: strerror(error.code)))")
            }
            return false
        }
        var opened: Directory?
        guard
            attempt(
                "open",
                { () throws(SystemError) in
                    opened = try Directory(Place(path), fileSystem: fileSystem)
                    return nil
                }), let directory = opened
        else { return facts }
        let name = ".dtrain-doctor-\(UUID().uuidString)"
        var descriptor: Int32 = -1
        guard
            attempt(
                "create",
                { () throws(SystemError) in
                    descriptor = try fileSystem.create(directory.at(name))
                    return nil
                })
        else { return facts }
        defer {
            try? fileSystem.close(descriptor, path: name)
            // Under either name: the rename may have failed.
            for name in [name, name + "-2"] { try? fileSystem.removeFile(directory.at(name)) }
        }
        let bytes = [UInt8](repeating: 0x64, count: 4096)
        _ = attempt("write") { () throws(SystemError) in
            // The closure of withUnsafeBytes can't throw a typed error.
            let result = bytes.withUnsafeBytes { bytes in
                Result { () throws(SystemError) in try fileSystem.write(bytes, to: descriptor, path: name) }
            }
            let count = try result.get()
            return count == bytes.count ? nil : "\(count) of \(bytes.count) bytes"
        }
        let start = MonotonicClock.seconds
        if attempt(
            "fsync",
            { () throws(SystemError) in
                try fileSystem.sync(descriptor, path: name)
                try directory.sync()
                return nil
            })
        {
            facts.syncSeconds = MonotonicClock.seconds - start
        }
        _ = attempt("lock") { () throws(SystemError) in try lockTrial(directory.at(name), descriptor, fileSystem) }
        _ = attempt("rename") { () throws(SystemError) in
            try fileSystem.rename(directory.at(name), to: directory.at(name + "-2"))
            let new = try fileSystem.status(of: directory.at(name + "-2"))
            let old = try fileSystem.status(of: directory.at(name))
            return new != nil && old == nil ? nil : "the file didn't get its new name"
        }
        return facts
    }

    /// What is wrong with locks: a second opener must meet the first one's.
    private static func lockTrial(
        _ place: Place, _ descriptor: Int32, _ fileSystem: any FileSystem
    ) throws(SystemError) -> String? {
        guard try fileSystem.tryLock(descriptor, bytes: 0..<1, exclusively: true, path: place.path) else {
            return "a new file is locked already"
        }
        let second = try fileSystem.openOrCreate(place, appending: false)
        defer { try? fileSystem.close(second, path: place.path) }
        return try fileSystem.tryLock(second, bytes: 0..<1, exclusively: true, path: place.path)
            ? "two openers hold one lock" : nil
    }

    private static func freeBytes(_ path: String) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }
}
