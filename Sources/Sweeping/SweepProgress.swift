/// How far a sweep is: a function of its plan and the results, so that everybody who has these sees the same.
package struct SweepProgress: Sendable {
    /// The trials of each rung that has begun. Which these are is only known when the rung before is complete.
    package let rungs: [[Int]]
    /// What is to be done on the last of these rungs.
    package let open: [SweepUnit]
    /// Whether nothing comes behind these rungs.
    package let isLast: Bool
    /// Each trial's result on its highest rung.
    package let newest: [Int: SweepResult]

    package var isComplete: Bool { isLast && open.isEmpty }

    /// - Parameter rungCount: how many rungs there can be.
    package init(_ plan: SweepPlan, rungCount: Int, mode: SweepMode, results: [SweepResult]) {
        let byUnit = Dictionary(results.map { ($0.unit, $0) }) { first, _ in first }
        var rungs: [[Int]] = []
        var newest: [Int: SweepResult] = [:]
        var members = plan.trials.map(\.number)
        var open: [SweepUnit] = []
        while true {
            let rung = rungs.count
            rungs.append(members)
            var found: [SweepResult] = []
            open = []
            for trial in members {
                let unit = SweepUnit(trial: trial, rung: rung)
                guard let result = byUnit[unit] else {
                    open.append(unit)
                    continue
                }
                newest[trial] = result
                found.append(result)
            }
            guard open.isEmpty, rungs.count < rungCount, let halving = plan.method.halving else { break }
            let ranked = Self.ranked(found.filter { $0.state == .finished }, mode)
            members = ranked.prefix(halving.promotedCount(of: members.count)).map(\.trial).sorted()
            if members.isEmpty { break }
        }
        isLast = rungs.count == rungCount || open.isEmpty
        self.rungs = rungs
        self.open = open
        self.newest = newest
    }

    /// The better ones first, those trained longer in front of all others; of equals the one with the lower number.
    package static func ranked(_ results: [SweepResult], _ mode: SweepMode) -> [SweepResult] {
        results.sorted { one, other in
            if one.state != other.state { return one.state == .finished }
            if one.rung != other.rung { return one.rung > other.rung }
            let (a, b) = (one.value ?? .nan, other.value ?? .nan)
            if mode.isBetter(a, than: b) != mode.isBetter(b, than: a) { return mode.isBetter(a, than: b) }
            return one.trial < other.trial
        }
    }

    /// The best of all that have finished, on the highest rung that any has reached.
    package func best(_ mode: SweepMode) -> SweepResult? {
        Self.ranked(newest.values.filter { $0.state == .finished }, mode).first
    }
}
