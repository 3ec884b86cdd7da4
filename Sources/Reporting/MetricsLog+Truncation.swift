import Diagnostics
import Files
import Foundation

extension MetricsLog {
    /// What a truncation did.
    package struct Truncation: Sendable, Equatable {
        /// Lines that stayed.
        package var kept = 0
        /// Complete lines that went: later steps, ends, and steps that stood twice.
        package var cut = 0
        /// Lines that a killed run or a dead disk left unreadable, the last one without its newline included.
        package var damaged = 0

        package init(kept: Int = 0, cut: Int = 0, damaged: Int = 0) {
            self.kept = kept
            self.cut = cut
            self.damaged = damaged
        }
    }

    /// Cuts a log back to what a run that goes on after global step `step` has behind it, so that each step stands in
    /// it once. A missing file is an empty log.
    ///
    /// - Lines of later steps go, and so does every `end`, since the run goes on.
    /// - Where the step of a line isn't above that of an earlier line of its kind, the run was resumed in between
    ///   without cutting: the earlier lines from there on are history that didn't happen, and the later ones stay.
    /// - Lines without a step belong to the line before them.
    ///
    /// The new file replaces the old one by a rename; where nothing is cut the file is left alone. Throws 74; 73 where
    /// something else has the name.
    @discardableResult
    package static func truncate(in directory: Directory, afterStep step: Int) throws -> Truncation {
        try Cut(in: directory, afterStep: step).apply(in: directory)
    }

    /// The newest step that a log tells of; nil for none. Throws like `truncate`.
    package static func lastLoggedStep(in directory: Directory) throws -> Int? {
        guard let data = try contents(in: directory) else { return nil }
        return completeLines(of: data).enumerated().compactMap { index, bytes in
            LoggedLine(bytes, line: index + 1).flatMap { $0.event == LogEvent.step.rawValue ? $0.step : nil }
        }.max()
    }

    /// The bytes of the log; nil where there is none.
    private static func contents(in directory: Directory) throws -> Data? {
        try directory.require(fileName, toBe: .file, orFailWith: .cannotCreate)
        guard try reportingSystemErrors({ try directory.status(of: fileName) }) != nil else { return nil }
        return try contents(of: InputFile(directory.at(fileName), fileSystem: directory.fileSystem))
    }

    /// What `truncate` will do: read and decided, so that what can't be read is known before anything is changed.
    package struct Cut: Sendable {
        package private(set) var truncation = Truncation()
        /// What will stand in the file; nil where it stays as it is.
        private var content: [UInt8]?

        package init(in directory: Directory, afterStep step: Int) throws {
            guard let data = try MetricsLog.contents(in: directory) else { return }
            var history = History()
            for (index, bytes) in completeLines(of: data).enumerated() {
                history.append(LoggedLine(bytes, line: index + 1), bytes)
            }
            let kept = history.entries.filter { entry in
                entry.step <= step && entry.event != LogEvent.end.rawValue
            }
            truncation = Truncation(
                kept: kept.count, cut: history.cut + history.entries.count - kept.count,
                damaged: history.damaged)
            if let last = data.last, last != UInt8(ascii: "\n") { truncation.damaged += 1 }
            guard truncation.cut > 0 || truncation.damaged > 0 else { return }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(data.count)
            for entry in kept {
                bytes.append(contentsOf: entry.bytes)
                bytes.append(UInt8(ascii: "\n"))
            }
            content = bytes
        }

        /// Puts the new content in the place of the old.
        @discardableResult
        package func apply(in directory: Directory) throws -> Truncation {
            if let content { try directory.replaceFile(fileName) { sink in try content.withUnsafeBytes(sink) } }
            return truncation
        }
    }
}

/// The lines of a log as they happened, in time that grows with their number.
private struct History {
    struct Entry {
        let step: Int
        let event: String
        let bytes: Data
    }

    /// The lines of one step.
    private struct Group {
        let step: Int
        var lines: [Entry?] = []
        var count = 0
        /// Where the line of each kind is that a step has at most once.
        var places: [String: Int] = [:]
    }

    /// In the order of their steps.
    private var groups: [Group] = []
    private(set) var cut = 0
    private(set) var damaged = 0

    /// The lines that stay, in order.
    var entries: [Entry] { groups.flatMap { $0.lines.compactMap { $0 } } }

    mutating func append(_ line: LoggedLine?, _ bytes: Data) {
        guard let line else {
            damaged += 1
            return
        }
        // Without a step: before the first one, or beside the line before it.
        let step = line.step ?? groups.last?.step ?? Int.min
        while let last = groups.last, last.step > step {
            groups.removeLast()
            cut += last.count
        }
        if groups.last?.step != step { groups.append(Group(step: step)) }
        let index = groups.count - 1
        let place = groups[index].lines.count
        if line.step != nil, line.event != LogEvent.change.rawValue,
            let twin = groups[index].places.updateValue(place, forKey: line.event)
        {
            groups[index].lines[twin] = nil
            groups[index].count -= 1
            cut += 1
        }
        groups[index].lines.append(Entry(step: step, event: line.step == nil ? "" : line.event, bytes: bytes))
        groups[index].count += 1
    }
}
