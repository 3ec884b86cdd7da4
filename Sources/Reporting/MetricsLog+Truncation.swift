import Diagnostics
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
    /// - With `keepsValidation` false, a validation after exactly this step goes too: the checkpoint was taken before
    ///   it and it will be repeated.
    ///
    /// The new file replaces the old one by a rename; where nothing is cut the file is left alone. Throws 74.
    @discardableResult
    package static func truncate(path: String, afterStep step: Int, keepsValidation: Bool = true) throws -> Truncation {
        guard FileManager.default.fileExists(atPath: path) else { return Truncation() }
        let data = try contents(of: path)
        var result = Truncation()
        var kept: [(step: Int, event: String, bytes: Data)] = []
        for (index, bytes) in completeLines(of: data).enumerated() {
            guard let line = LoggedLine(bytes, line: index + 1) else {
                result.damaged += 1
                continue
            }
            guard let lineStep = line.step else {
                // Before the first step, or beside the line before it.
                kept.append((kept.last?.step ?? Int.min, "", bytes))
                continue
            }
            while let last = kept.last, last.step > lineStep {
                kept.removeLast()
                result.cut += 1
            }
            let sameStep = kept.count - (kept.reversed().prefix { $0.step == lineStep }.count)
            if let twin = kept[sameStep...].lastIndex(where: { $0.event == line.event && isUnique(line.event) }) {
                kept.remove(at: twin)
                result.cut += 1
            }
            kept.append((lineStep, line.event, bytes))
        }
        let before = kept.count
        kept.removeAll { entry in
            entry.step > step || entry.event == LogEvent.end.rawValue
                || (!keepsValidation && entry.step == step && entry.event == LogEvent.validation.rawValue)
        }
        result.cut += before - kept.count
        result.kept = kept.count
        if let last = data.last, last != UInt8(ascii: "\n") { result.damaged += 1 }
        guard result.cut > 0 || result.damaged > 0 else { return result }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count)
        for entry in kept {
            bytes.append(contentsOf: entry.bytes)
            bytes.append(UInt8(ascii: "\n"))
        }
        try replace(path, with: bytes)
        return result
    }

    /// Whether a step has at most one line of this kind.
    private static func isUnique(_ event: String) -> Bool { event != LogEvent.change.rawValue }
}
