import Foundation

/// Remembers which incidents were told of, so that each is told of once, and once that it is over.
package struct IncidentLog {
    /// Something to say.
    package enum Line: Equatable {
        case warning(String)
        case note(String)
        /// The job is to be ended, for this reason.
        case end(String)
    }

    private struct Open {
        /// The longest that it was seen to last.
        var seconds: Double
        /// Seconds without it; it is over after `quiet`.
        var absent = 0.0
    }

    package init() {}

    private var open: [Incident.Kind: Open] = [:]
    private var hasEnded = false

    /// For how long it must be gone to be over: ranks that move by fits and starts are told of once.
    private static let quiet = 0.5

    /// What there is to say of a judgement.
    ///
    /// - Parameter seconds: since the last one.
    package mutating func update(_ incidents: [Incident], _ limits: StallLimits, text: IncidentText, seconds: Double) -> [Line]
    {
        guard !hasEnded else { return [] }
        if let worst = incidents.first(where: { $0.endsJob(limits) }), let end = limits.end {
            hasEnded = true
            return [
                .end(
                    "\(text.describe(worst)); the job is ended (--stall-timeout \(String(format: "%g", end))); "
                        + "go on with --resume")
            ]
        }
        var lines: [Line] = []
        for incident in incidents {
            // What is about to end the job is told of then.
            if let end = limits.end, incident.holdsJob, end <= incident.limit, open[incident.kind] == nil { continue }
            if open[incident.kind] == nil { lines.append(.warning(text.describe(incident))) }
            open[incident.kind] = Open(seconds: incident.seconds)
        }
        let present = Set(incidents.map(\.kind))
        for (kind, var state) in open where !present.contains(kind) {
            state.absent += seconds
            open[kind] = state
            // A rank of a host that has fallen silent isn't known to go on.
            guard state.absent >= Self.quiet, !isHidden(kind, by: present, text.table) else { continue }
            open[kind] = nil
            lines.append(.note(text.end(of: kind, seconds: state.seconds)))
        }
        return lines
    }

    private func isHidden(_ kind: Incident.Kind, by present: Set<Incident.Kind>, _ table: JobTable) -> Bool {
        guard case .rank(let rank) = kind else { return false }
        return present.contains(.host(table.host(of: rank)))
    }
}
