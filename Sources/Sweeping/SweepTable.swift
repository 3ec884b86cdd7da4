import Checkpointing
import Diagnostics
import Files
import Foundation
import Reporting

/// The trials of a sweep side by side. The same whatever the number of groups and the order in which they were done.
package struct SweepTable: Sendable {
    package struct Row: Sendable {
        package enum State: String, Sendable {
            case finished, failed
            /// Others of its rung were better.
            case stopped
            /// It isn't done yet.
            case open
        }

        package let trial: Trial
        package let state: State
        /// Where the trial is, or ended; from 0.
        package let rung: Int
        /// The result on its highest rung.
        package let result: SweepResult?
    }

    package let plan: SweepPlan
    package let mode: SweepMode
    package let rungCount: Int
    /// By trial.
    package let rows: [Row]
    package let best: SweepResult?
    package let isComplete: Bool

    package init(_ plan: SweepPlan, rungCount: Int, mode: SweepMode, results: [SweepResult]) {
        self.plan = plan
        self.mode = mode
        self.rungCount = rungCount
        let progress = SweepProgress(plan, rungCount: rungCount, mode: mode, results: results)
        let last = Set(progress.rungs.last ?? [])
        let open = Set(progress.open.map(\.trial))
        rows = plan.trials.map { trial in
            let result = progress.newest[trial.number]
            let state: Row.State =
                if open.contains(trial.number) {
                    .open
                } else if let result, result.state == .failed {
                    .failed
                } else if last.contains(trial.number) {
                    .finished
                } else {
                    .stopped
                }
            let rung = progress.rungs.lastIndex { $0.contains(trial.number) } ?? 0
            return Row(trial: trial, state: state, rung: rung, result: result)
        }
        best = progress.best(mode)
        isComplete = progress.isComplete
    }

    /// What is in the directory of a sweep now.
    package init(_ directory: SweepDirectory, _ rungs: SweepRungs) throws {
        self.init(directory.plan, rungCount: rungs.count, mode: directory.mode, results: try directory.allResults())
    }

    package var doneCount: Int { rows.count { $0.state != .open } }

    /// The rows, the better ones first, then those that failed, then those that are still open.
    package var ranked: [Row] {
        let places = Dictionary(
            SweepProgress.ranked(rows.compactMap(\.result), mode).enumerated().map { ($0.element.trial, $0.offset) }
        ) { first, _ in first }
        return rows.sorted {
            let (a, b) = (places[$0.trial.number] ?? .max, places[$1.trial.number] ?? .max)
            return a == b ? $0.trial.number < $1.trial.number : a < b
        }
    }

    private var isHalving: Bool { plan.method.halving != nil }

    /// The table as CSV, with all digits.
    package var csv: String {
        let header =
            ["trial", "state"] + (isHalving ? ["rung"] : []) + ["steps", plan.metric, "digest"] + plan.parameters.map(\.key)
        let lines = rows.map { row in
            [String(row.trial.number), row.state.rawValue] + (isHalving ? [String(row.rung)] : [])
                + [
                    row.result?.step.map { String($0) } ?? "", row.result?.value.map { "\($0)" } ?? "",
                    row.result?.digest ?? ""
                ] + row.trial.values
        }
        return ([header] + lines).map { $0.map(CSVText.cell).joined(separator: ",") + "\n" }.joined()
    }

    /// What people read, the best trial first.
    ///
    /// - Parameter most: trials that are shown.
    package func lines(most: Int = .max) -> [String] {
        let names = shortNames(plan.parameters.map(\.key))
        let header = ["trial", "state"] + (isHalving ? ["rung"] : []) + ["steps", plan.metric] + names
        let shown = ranked.prefix(most)
        let table = shown.map { row in
            [String(row.trial.number), row.state.rawValue] + (isHalving ? [String(row.rung)] : [])
                + [
                    row.result?.step.map(HumanText.count) ?? "-", row.result?.value.map(HumanText.figure) ?? "-"
                ] + row.trial.values.map { messageLine($0, longest: 40) }
        }
        var lines = TextTable.lines([header] + table)
        if rows.count > shown.count { lines.append("and \(rows.count - shown.count) more") }
        for row in shown where row.state == .failed {
            lines.append("trial \(row.trial.number) failed: \(messageLine(row.result?.reason ?? ""))")
        }
        return lines
    }

    /// Writes the table and the configuration of the best trial.
    static func write(_ directory: SweepDirectory, _ rungs: SweepRungs) throws {
        try SweepClaim.withSharedFiles(directory.directory) {
            let table = try SweepTable(directory, rungs)
            try SweepDirectory.write(table.csv, as: SweepDirectory.tableName, in: directory.directory)
            guard let best = table.best, let value = best.value,
                let run = try directory.directory.directory(Trial.name(best.trial), orFailWith: .badData),
                let configuration = try SweepDirectory.text(RunDirectory.configuration, in: run)
            else { return }
            let head =
                "# trial \(best.trial) of \(printable(directory.path)): \(table.plan.metric) \(HumanText.figure(value)), the best of "
                + "\(table.rows.count) (\(table.doneCount) done)\n"
            try SweepDirectory.write(head + configuration, as: SweepDirectory.bestName, in: directory.directory)
        }
    }
}

/// Keys by their last parts, as long as they must be to be told apart.
package func shortNames(_ keys: [String]) -> [String] {
    keys.map { key in
        let parts = key.split(separator: ".")
        for count in 1...max(1, parts.count) {
            let name = parts.suffix(count).joined(separator: ".")
            if !keys.contains(where: { $0 != key && ($0 == name || $0.hasSuffix("." + name)) }) { return name }
        }
        return key
    }
}
