import Files
import Foundation

extension RankLog {
    /// One start of a run, as rank 0's log tells of it.
    package struct Start: Sendable, Equatable {
        /// Seconds since 1970.
        package let begin: Int
        /// When it said something last.
        package var last: Int
        /// Whether `last` is its end; else it was killed, or is running.
        package var hasEnded = false
        /// Why it failed, in its own words.
        package var error: String?
    }

    /// The starts of a run in their order, of those that its log still tells of.
    package static func starts(in run: Directory) -> [Start] {
        guard let logs = try? run.directory(directoryName, orFailWith: .inputOutput),
            let file = try? InputFile(logs.at(fileName(0)), fileSystem: logs.fileSystem)
        else { return [] }
        // Files of more are moved aside; a stranger's may be of any size.
        let count = min(file.byteCount, 4 * largestByteCount)
        guard let bytes = try? file.bytes(at: file.byteCount - count, count: count) else { return [] }
        var starts: [Start] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            // 2026-11-28T15:04:05Z start: …
            let parts = line.split(separator: " ", maxSplits: 2)
            guard parts.count == 3, let seconds = seconds(String(parts[0])) else { continue }
            if parts[1] == "start:" { starts.append(Start(begin: seconds, last: seconds)) }
            guard !starts.isEmpty else { continue }
            starts[starts.count - 1].last = seconds
            guard parts[1] == "end:" || parts[1] == "error:" else { continue }
            starts[starts.count - 1].hasEnded = true
            if parts[1] == "error:" { starts[starts.count - 1].error = String(parts[2]) }
        }
        return starts
    }

    private static func seconds(_ stamp: String) -> Int? {
        let numbers = stamp.split { !$0.isNumber }.compactMap { Int32($0) }
        guard numbers.count == 6, stamp.hasSuffix("Z") else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] &- 1900, numbers[1] &- 1, numbers[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
        return timegm(&parts)
    }
}
