/// Something that was found out about a job's set-up, with what to do about it.
package struct Finding: Codable, Equatable, Sendable {
    package enum Severity: String, Codable, Sendable, CaseIterable {
        /// Jobs fail, hang, or lose what they have done.
        case error
        /// Jobs work, but are slow, or something that they rest on may go.
        case warning
        /// Worth knowing; nothing has to be done.
        case note

        /// Whether something should be done: then the exit status is 1.
        package var needsMending: Bool { self != .note }
    }

    package let severity: Severity
    /// The check that found it.
    package let check: String
    /// The host, rank or directory that it is about.
    package let place: String
    package let what: String
    package let mend: String

    /// The one line that a person reads.
    package var line: String { "\(severity.rawValue): \(place): \(what); \(mend)" }
}

/// Draws findings from facts, and looks at nothing itself: so tests can hand it any set-up.
package protocol Check: Sendable {
    /// The name in `--json`.
    var name: String { get }
    func findings(in job: JobFacts) -> [Finding]
}

extension Check {
    func finding(_ severity: Finding.Severity, _ place: String, _ what: String, mend: String) -> Finding {
        Finding(severity: severity, check: name, place: place, what: what, mend: mend)
    }
}

/// All checks, in the order in which their findings are printed.
package let allChecks: [any Check] = [
    EqualityCheck(), CoreCheck(), ThreadCheck(), SharedMemoryCheck(), DirectReadCheck(), DirectoryCheck(), InterfaceCheck(),
    ClockCheck(), NoiseCheck(), RootCheck()
]

/// A count with its noun: `1 rank`, `2 ranks`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
