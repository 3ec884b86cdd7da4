import Diagnostics
import Files
import Foundation

/// What one rank has to say of a run, in `logs/rank-N.log` of the run directory: where it runs, its notes and warnings, how it
/// failed or ended. A line each, behind the time in UTC. Nothing is said of single steps.
///
/// Lines wait in memory until `open`, which comes when nothing can be refused any more. A rank that doesn't see the directory
/// keeps them, for rank 0 to fetch at the end. What can't be written is told once, and never stops a run.
///
/// Every start appends. Names in the run directory may be a stranger's: no link is followed, no pipe is waited for, and a file
/// that has a second name elsewhere is moved aside, not written.
///
/// Used by one thread.
package final class RankLog {
    package enum Kind: String, Sendable {
        case start, note, warning, error, end
    }

    package static let directoryName = "logs"
    /// A file of more bytes is moved aside at a start, and one start adds as many at most.
    static let largestByteCount = 1 << 20
    /// What rank 0 writes in its `logs`, by which another rank knows that it sees the same directory.
    private static let markName = ".start"

    private let rank: Int
    private let clock: () -> time_t
    private var file: (descriptor: Int32, logs: Directory, path: String)?
    private var waiting = ""
    private var room = RankLog.largestByteCount
    /// The newest notes and warnings.
    package private(set) var lastWords: [String] = []
    /// Why lines are missing; nil where none is.
    package private(set) var failure: String?

    /// - Parameter clock: the time, in seconds since 1970; can be replaced in tests.
    package init(rank: Int, clock: @escaping () -> time_t = { time(nil) }) {
        self.rank = rank
        self.clock = clock
    }

    deinit {
        if let file { try? file.logs.fileSystem.close(file.descriptor, path: file.path) }
    }

    /// The name of a rank's file in `logs`.
    package static func fileName(_ rank: Int) -> String { "rank-\(rank).log" }

    // MARK: - Lines

    /// Adds a line.
    package func add(_ kind: Kind, _ text: String) {
        let words = "\(kind.rawValue): \(messageLine(text))"
        if kind == .note || kind == .warning { lastWords = lastWords.suffix(4) + [words] }
        let line = "\(Self.stamp(clock())) \(words)\n"
        guard room > 0 else {
            // How it ended is always said.
            if kind == .error || kind == .end { write(line) }
            return
        }
        room -= line.utf8.count
        write(room > 0 ? line : line + "\(Self.stamp(clock())) note: further lines of this start are left out\n")
    }

    /// The time as everybody reads it: 2026-11-28T15:04:05Z.
    private static func stamp(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return String(
            format: "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
            parts.tm_min, parts.tm_sec)
    }

    private func write(_ text: String) {
        guard let file else {
            waiting += text
            return
        }
        guard failure == nil else { return }
        do {
            try Self.append(text, to: file.descriptor, of: file.logs, path: file.path)
        } catch {
            failure = "\(error)"
        }
    }

    private static func append(_ text: String, to descriptor: Int32, of logs: Directory, path: String) throws {
        var text = text
        try text.withUTF8 { try logs.fileSystem.writeAll(UnsafeRawBufferPointer($0), to: descriptor, path: path) }
    }

    // MARK: - Places

    /// Refuses what stands in the place of this rank's file and is none. Nothing is changed.
    /// - Throws: `Failure(.cannotCreate)`.
    package func check(in run: Directory) throws {
        guard let logs = try run.directory(Self.directoryName, orFailWith: .cannotCreate) else { return }
        try logs.require(Self.fileName(rank), toBe: .file, orFailWith: .cannotCreate)
    }

    /// Makes `logs` for this start; on rank 0.
    /// - Returns: by what the other ranks know it.
    package static func begin(in run: Directory) throws -> String {
        let mark = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 16) }.joined()
        let logs = try made(in: run)
        // Replaced, so that another host's cache of the old one doesn't count.
        try logs.replaceFile(markName) { sink in try Array(mark.utf8).withUnsafeBytes(sink) }
        return mark
    }

    /// Writes into this rank's file from now on, where this rank sees the directory in which rank 0 left its mark.
    /// - Returns: whether it does.
    package func open(in run: Directory, mark: String) -> Bool {
        do {
            guard let logs = try run.directory(Self.directoryName, orFailWith: .cannotCreate), Self.holds(mark, logs) else {
                return false
            }
            let name = Self.fileName(rank)
            file = (try Self.openFile(name, in: logs), logs, logs.at(name).path)
            let text = waiting
            waiting = ""
            write(text)
        } catch {
            failure = "\(error)"
        }
        return true
    }

    /// The lines that no file has, which are forgotten here.
    package func takeWaiting() -> String {
        defer { waiting = "" }
        return waiting
    }

    /// Appends lines of a rank that doesn't see the directory; on rank 0.
    package static func append(_ text: String, ofRank rank: Int, in run: Directory) throws {
        let logs = try made(in: run)
        let name = fileName(rank)
        let descriptor = try openFile(name, in: logs)
        let path = logs.at(name).path
        defer { try? logs.fileSystem.close(descriptor, path: path) }
        // What came over the network, as lines that a terminal only shows.
        try reportingSystemErrors { try append(printable(text, keepsLines: true), to: descriptor, of: logs, path: path) }
    }

    /// The newest lines of a rank's file in the run directory at a path; none where it can't be read.
    package static func lastLines(ofRank rank: Int, inRun path: String, count: Int = 3) -> [String] {
        guard let run = try? Directory(Place(path)), let logs = try? run.directory(directoryName, orFailWith: .inputOutput),
            let file = try? InputFile(logs.at(fileName(rank)), fileSystem: logs.fileSystem)
        else { return [] }
        var bytes = [UInt8](repeating: 0, count: min(file.byteCount, 1 << 13))
        let start = file.byteCount - bytes.count
        guard (try? bytes.withUnsafeMutableBytes({ try file.read(into: $0, at: start) })) != nil else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(count).map(String.init)
    }

    /// The directory of logs in a run's, made where it is missing.
    static func made(in run: Directory) throws -> Directory {
        if let logs = try run.directory(directoryName, orFailWith: .cannotCreate) { return logs }
        return try reportingSystemErrors {
            try run.fileSystem.makeDirectory(run.at(directoryName))
            return try Directory(run.at(directoryName), fileSystem: run.fileSystem)
        }
    }

    private static func holds(_ mark: String, _ logs: Directory) -> Bool {
        guard let file = try? InputFile(logs.at(markName), fileSystem: logs.fileSystem), file.byteCount == mark.utf8.count
        else { return false }
        var found = [UInt8](repeating: 0, count: file.byteCount)
        guard (try? found.withUnsafeMutableBytes({ try file.read(into: $0, at: 0) })) != nil else { return false }
        return found == Array(mark.utf8)
    }

    /// Opens a file of `logs` to append. One of a stranger's kind is refused; one with a second name, or too long, is moved aside.
    static func openFile(_ name: String, in logs: Directory) throws -> Int32 {
        let place = logs.at(name)
        return try reportingSystemErrors {
            if let status = try logs.status(of: name), status.kind == .file,
                status.linkCount > 1 || status.byteCount > largestByteCount
            {
                try logs.fileSystem.rename(place, to: logs.at(name + ".old"))
            }
            try logs.require(name, toBe: .file, orFailWith: .cannotCreate)
            let descriptor = try logs.fileSystem.openOrCreate(place, appending: true)
            do {
                let status = try logs.fileSystem.status(ofDescriptor: descriptor, path: place.path)
                guard status.kind == .file else { throw logs.foreign(name, status.kind, expected: .file, .cannotCreate) }
                return descriptor
            } catch {
                try? logs.fileSystem.close(descriptor, path: place.path)
                throw error
            }
        }
    }
}
