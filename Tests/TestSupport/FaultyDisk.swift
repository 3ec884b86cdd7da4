import Files
import Foundation
import Synchronization

/// A real file system behind a switch: calls that change something are numbered, and a rule says of each whether it
/// happens. It also keeps a journal of what happened. Another rule makes reading fail.
package final class FaultyDisk: FileSystem {
    package enum Verdict: Sendable {
        case pass
        /// Nothing happens and the call fails.
        case fail(Int32)
        /// A write writes half of its bytes and then fails; other calls just fail.
        case tear(Int32)
    }

    package typealias Rule = @Sendable (_ index: Int, _ call: String, _ path: String) -> Verdict
    /// The error number with which a call fails that only looks, such as `open`, `read`, `stat`; nil lets it pass.
    package typealias ReadRule = @Sendable (_ call: String, _ path: String) -> Int32?

    /// What happened, for replay. Files have numbers, as their names change.
    package enum Event: Sendable {
        case create(path: String, file: Int)
        case write(file: Int, bytes: [UInt8])
        case syncFile(file: Int)
        case makeDirectory(String)
        case syncDirectory(String)
        case rename(String, String)
        case link(String, String)
        case removeFile(String)
        case removeDirectory(String)
    }

    private struct State {
        var count = 0
        var log: [String] = []
        var events: [Event] = []
        var files: [Int32: Int] = [:]
        var fileCount = 0
    }

    private let real = PosixFileSystem()
    private let rule: Rule
    private let readRule: ReadRule
    private let state = Mutex(State())

    package init(
        _ rule: @escaping Rule = { _, _, _ in .pass },
        reading readRule: @escaping ReadRule = { _, _ in nil }
    ) {
        self.rule = rule
        self.readRule = readRule
    }

    /// A disk whose process is killed after this many calls: from then on nothing happens.
    package static func dying(after count: Int, tearing: Bool = false) -> FaultyDisk {
        FaultyDisk { index, _, _ in
            index < count ? .pass : tearing && index == count ? .tear(EIO) : .fail(EIO)
        }
    }

    package var callCount: Int { state.withLock { $0.count } }
    /// "call path" of every call that changes something, also those that failed.
    package var log: [String] { state.withLock { $0.log } }
    package var events: [Event] { state.withLock { $0.events } }

    private func judge(_ call: String, _ path: String) -> Verdict {
        let index = state.withLock { state in
            defer { state.count += 1 }
            state.log.append("\(call) \(path)")
            return state.count
        }
        return rule(index, call, path)
    }

    private func pass(_ call: String, _ path: String) throws(SystemError) {
        switch judge(call, path) {
        case .pass: return
        case .fail(let code), .tear(let code): throw SystemError(call: call, path: path, code: code)
        }
    }

    private func look(_ call: String, _ path: String) throws(SystemError) {
        if let code = readRule(call, path) { throw SystemError(call: call, path: path, code: code, purpose: .reading) }
    }

    private func record(_ event: Event) { state.withLock { $0.events.append(event) } }

    package func create(_ place: Place) throws(SystemError) -> Int32 {
        try pass("open", place.path)
        let descriptor = try real.create(place)
        state.withLock { state in
            state.fileCount += 1
            state.files[descriptor] = state.fileCount
            state.events.append(.create(path: place.path, file: state.fileCount))
        }
        return descriptor
    }

    package func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32,
        path: String
    ) throws(SystemError) -> Int {
        var part = bytes
        var failing: Int32?
        switch judge("write", path) {
        case .pass: break
        case .fail(let code): throw SystemError(call: "write", path: path, code: code)
        case .tear(let code):
            part = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2))
            failing = code
        }
        let count = try real.write(part, to: descriptor, path: path)
        let written = Array(part.prefix(count))
        state.withLock { state in
            if let file = state.files[descriptor] { state.events.append(.write(file: file, bytes: written)) }
        }
        if let failing { throw SystemError(call: "write", path: path, code: failing) }
        return count
    }

    package func sync(_ descriptor: Int32, path: String) throws(SystemError) {
        try pass("fsync", path)
        // The real sync would only cost time: what is on the disk is this class's own affair.
        let isDirectory = try real.status(ofDescriptor: descriptor, path: path).kind == .directory
        state.withLock { state in
            if isDirectory {
                state.events.append(.syncDirectory(path))
            } else if let file = state.files[descriptor] {
                state.events.append(.syncFile(file: file))
            }
        }
    }

    package func close(_ descriptor: Int32, path: String) throws(SystemError) {
        // The system closes what a dead process had open.
        let file = state.withLock { $0.files.removeValue(forKey: descriptor) }
        try real.close(descriptor, path: path)
        // Where nothing was written a close can lose nothing.
        if file != nil { try pass("close", path) }
    }

    package func makeDirectory(_ place: Place) throws(SystemError) {
        try pass("mkdir", place.path)
        try real.makeDirectory(place)
        record(.makeDirectory(place.path))
    }

    package func rename(_ old: Place, to new: Place) throws(SystemError) {
        try pass("rename", new.path)
        try real.rename(old, to: new)
        record(.rename(old.path, new.path))
    }

    package func link(_ existing: Place, to new: Place) throws(SystemError) {
        try pass("link", new.path)
        try real.link(existing, to: new)
        record(.link(existing.path, new.path))
    }

    package func removeFile(_ place: Place) throws(SystemError) {
        try pass("unlink", place.path)
        try real.removeFile(place)
        record(.removeFile(place.path))
    }

    package func removeDirectory(_ place: Place) throws(SystemError) {
        try pass("rmdir", place.path)
        try real.removeDirectory(place)
        record(.removeDirectory(place.path))
    }

    package func truncate(_ descriptor: Int32, to byteCount: Int, path: String) throws(SystemError) {
        try pass("ftruncate", path)
        try real.truncate(descriptor, to: byteCount, path: path)
    }

    package func tryLock(
        _ descriptor: Int32, bytes: Range<Int>, exclusively: Bool,
        path: String
    ) throws(SystemError) -> Bool {
        try pass("fcntl", path)
        return try real.tryLock(descriptor, bytes: bytes, exclusively: exclusively, path: path)
    }

    // Calls that change nothing, or hardly anything, always work where the rule for reading lets them.

    package func open(_ place: Place) throws(SystemError) -> Int32 {
        try look("open", place.path)
        return try real.open(place)
    }
    package func openDirectory(_ place: Place) throws(SystemError) -> Int32 {
        try look("open", place.path)
        return try real.openDirectory(place)
    }
    package func openOrCreate(_ place: Place, appending: Bool) throws(SystemError) -> Int32 {
        try look("open", place.path)
        return try real.openOrCreate(place, appending: appending)
    }
    package func read(
        into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
        path: String
    ) throws(SystemError) -> Int {
        try look("read", path)
        return try real.read(into: bytes, from: descriptor, at: offset, path: path)
    }
    package func status(ofDescriptor descriptor: Int32, path: String) throws(SystemError) -> FileStatus {
        try real.status(ofDescriptor: descriptor, path: path)
    }
    package func status(of place: Place) throws(SystemError) -> FileStatus? {
        try look("stat", place.path)
        return try real.status(of: place)
    }
    package func names(in directory: Directory) throws(SystemError) -> [String] {
        try look("readdir", directory.path)
        return try real.names(in: directory)
    }
    package func checkWritable(_ directory: Directory) throws(SystemError) { try real.checkWritable(directory) }
    package func isLockedElsewhere(_ descriptor: Int32, bytes: Range<Int>, path: String) throws(SystemError) -> Bool {
        try real.isLockedElsewhere(descriptor, bytes: bytes, path: path)
    }
}

extension FaultyDisk {
    /// Makes the state of the disk after a power cut that came after `count` events: what was synced is there; of
    /// what wasn't, each directory and each file has kept a beginning of its changes, of a length that `seed` draws;
    /// seed 0: nothing. Paths begin with `oldRoot` in the journal and with `newRoot` on the disk.
    package static func replay(_ events: [Event], count: Int, seed: UInt64, from oldRoot: String, to newRoot: String) {
        let events = Array(events.prefix(count))
        var random = seed &* 0x9E37_79B9_7F4A_7C15
        func draw(_ limit: Int) -> Int {
            if seed == 0 { return 0 }
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % (limit + 1)
        }
        // What belongs together: the changes of one directory, the writes of one file.
        func group(_ event: Event) -> String? {
            switch event {
            case .create(let path, _), .makeDirectory(let path), .rename(_, let path), .link(_, let path),
                .removeFile(let path), .removeDirectory(let path):
                "directory " + path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
            case .write(let file, _): "file \(file)"
            case .syncFile, .syncDirectory: nil
            }
        }
        var pending: [String: [Int]] = [:]
        for (index, event) in events.enumerated() {
            switch event {
            case .syncFile(let file): pending["file \(file)"] = nil
            case .syncDirectory(let path): pending["directory \(path)"] = nil
            default: group(event).map { pending[$0, default: []].append(index) }
            }
        }
        var lost: Set<Int> = []
        for (_, indices) in pending.sorted(by: { $0.key < $1.key }) {
            lost.formUnion(indices.dropFirst(draw(indices.count)))
        }
        func moved(_ path: String) -> String { newRoot + path.dropFirst(oldRoot.count) }
        var descriptors: [Int: Int32] = [:]
        for (index, event) in events.enumerated() where !lost.contains(index) {
            // What needs something that is lost is lost with it.
            switch event {
            case .create(let path, let file):
                descriptors[file] = Glibc.open(moved(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            case .write(let file, let bytes):
                if let descriptor = descriptors[file] { _ = Foundation.write(descriptor, bytes, bytes.count) }
            case .makeDirectory(let path): mkdir(moved(path), 0o777)
            case .rename(let old, let new): Foundation.rename(moved(old), moved(new))
            case .link(let old, let new): Foundation.link(moved(old), moved(new))
            case .removeFile(let path): unlink(moved(path))
            case .removeDirectory(let path): rmdir(moved(path))
            case .syncFile, .syncDirectory: break
            }
        }
        for descriptor in descriptors.values where descriptor >= 0 { Foundation.close(descriptor) }
    }
}
