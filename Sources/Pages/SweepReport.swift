import Diagnostics
import Foundation
import Reporting
import Sweeping

/// `dtrain report` of a sweep: its trials across their parameters, and all of them in a table.
package struct SweepReport {
    private let path: String
    private let table: SweepTable
    /// The effective configuration of the best trial, as `best.yaml` has it; nil where there is none yet.
    private let bestConfiguration: String?
    private let isFollowing: Bool

    /// - Parameter isFollowing: whether the page reloads itself.
    package init(path: String, _ table: SweepTable, bestConfiguration: String?, isFollowing: Bool = false) {
        self.isFollowing = isFollowing
        self.path = path
        self.table = table
        self.bestConfiguration = bestConfiguration
    }

    package func page() -> Page {
        var body = heading + tiles
        body += "<h2>Parameters and results</h2>" + coordinates
        body += "<h2>Trials</h2>" + trials
        if let bestConfiguration {
            body +=
                "<h2>Configuration of the best trial</h2><pre>\(HTMLText.escaped(bestConfiguration, keepsLines: true))</pre>"
        }
        return Page(
            title: "\(table.plan.name) · dtrain", body: "<main>\n\(body)</main>",
            reloadSeconds: isFollowing ? RunReport.reloadSeconds : nil)
    }

    private var metric: String { table.plan.metric }

    private var heading: String {
        let state = table.isComplete ? "finished" : "\(table.doneCount) of \(table.rows.count) trials are done"
        return "<header><h1>\(HTMLText.escaped(table.plan.name))</h1><p class=\"quiet\">a sweep of dtrain · \(state) · "
            + "\(HTMLText.escaped(path))</p></header>"
    }

    private var tiles: String {
        var tiles: [(name: String, value: String)] = []
        if let best = table.best, let value = best.value {
            tiles.append(("\(table.mode == .min ? "least" : "largest") \(metric)", HumanText.figure(value)))
            tiles.append(("best trial", String(best.trial)))
            for (parameter, value) in zip(shortNames(table.plan.parameters.map(\.key)), table.plan.trials[best.trial].values) {
                tiles.append(("its \(parameter)", value))
            }
        }
        tiles.append(("method", table.plan.method.name.replacing("_", with: " ")))
        for state in [SweepTable.Row.State.finished, .stopped, .failed, .open] {
            let count = table.rows.count { $0.state == state }
            if count > 0 || state == .finished { tiles.append(("trials \(state.rawValue)", HumanText.count(count))) }
        }
        return "<dl class=\"tiles\">"
            + tiles.map { "<div><dt>\(HTMLText.escaped($0.name))</dt><dd>\(HTMLText.escaped($0.value))</dd></div>" }.joined()
            + "</dl>\n"
    }

    // MARK: - The drawing

    /// Trials beyond these are left out of the drawing, the worse ones; the table has all.
    private static let mostLines = 300

    private var coordinates: String {
        let parameters = table.plan.parameters
        let names = shortNames(parameters.map(\.key))
        var axes: [ParallelCoordinates.Axis] = []
        for (parameter, name) in zip(parameters, names) {
            switch parameter.values {
            case .choices(let choices): axes.append(.init(name, names: choices))
            case .logUniform, .intLogUniform: axes.append(.init(name, leastRatio: 1.5))
            case .uniform, .intUniform: axes.append(.init(name, leastRatio: .infinity))
            }
        }
        axes.append(.init(metric, leastRatio: 8))
        let ranked = table.ranked.filter { $0.result?.state == .finished }.prefix(Self.mostLines)
        let lines = ranked.enumerated().map { place, row -> ParallelCoordinates.Line in
            let values = zip(axes, row.trial.values).map { axis, text -> Double? in
                axis.names.map { $0.firstIndex(of: text).map(Double.init) } ?? Double(text)
            }
            return .init(
                "trial \(row.trial.number)", values + [row.result?.value],
                rank: place == 0 ? 0 : place * 4 < ranked.count ? 1 : 2)
        }
        guard !lines.isEmpty else { return "<p class=\"quiet\">No trial has a value yet.</p>" }
        let left = table.rows.count { $0.result?.state == .failed }
        var note = "The best trial is wide, with circles; the best quarter is drawn through, the others are dotted"
        if left > 0 { note += "; \(left) that failed \(left == 1 ? "isn't" : "aren't") drawn" }
        if table.plan.method.halving != nil { note += "; trials that were stopped early show what they had come to" }
        return ParallelCoordinates("Each line is a trial", axes, lines).html() + "<p class=\"quiet\">\(note).</p>"
    }

    private var trials: String {
        let names = shortNames(table.plan.parameters.map(\.key))
        let isHalving = table.plan.method.halving != nil
        let hasFailed = table.rows.contains { $0.state == .failed }
        let header =
            ["trial", "state"] + (isHalving ? ["rung"] : []) + ["steps", metric] + names + (hasFailed ? ["why"] : [])
        let rows = table.ranked.map { row -> [String] in
            var cells = [String(row.trial.number), row.state.rawValue]
            if isHalving { cells.append(String(row.rung)) }
            cells.append(row.result?.step.map { String($0) } ?? "")
            cells.append(row.result?.value.map(HTMLText.exact) ?? "")
            cells += row.trial.values.map { HTMLText.escaped($0) }
            return hasFailed ? cells + [HTMLText.escaped(row.result?.reason ?? "")] : cells
        }
        return HTMLText.table(
            header.map { HTMLText.escaped($0) }, rows, caption: "All trials, the best first",
            names: hasFailed ? [0, 1, header.count - 1] : [0, 1])
    }
}
