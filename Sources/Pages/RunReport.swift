import Diagnostics
import Foundation
import Reporting
import Training

/// `dtrain report`: what one run, or several, have come to, as a page.
///
/// `RunReport+Curves.swift` draws, `RunReport+Model.swift` shows what a checkpoint does with the data, the others are tables.
package struct RunReport {
    let runs: [RunRecord]
    /// What each run's newest checkpoint says; nil where nobody asked.
    let models: [ModelView?]
    /// Whether the page reloads itself.
    package let isFollowing: Bool

    /// More runs on one page aren't told apart.
    package static let mostRuns = 24

    /// Seconds between two looks of a page at its file.
    package static let reloadSeconds = 5

    package init(runs: [RunRecord], models: [ModelView?], isFollowing: Bool = false) {
        precondition(!runs.isEmpty && runs.count == models.count, "\(runs.count) runs, \(models.count) models")
        self.runs = runs
        self.models = models
        self.isFollowing = isFollowing
    }

    /// Whether any of them still trains.
    package var isRunning: Bool { runs.contains { $0.state == .running } }

    /// What each run is called: its directory's name, or its path where others have the same.
    var names: [String] {
        runs.map { run in runs.filter { $0.name == run.name }.count > 1 ? run.path : run.name }
    }

    package func page() throws -> Page {
        var body = heading
        body += curves
        if runs.count > 1 { body += comparison }
        for index in runs.indices { body += details(index) }
        let title = names.joined(separator: ", ")
        return Page(
            title: "\(title) · dtrain", body: "<main>\n\(body)</main>",
            reloadSeconds: isFollowing && isRunning ? Self.reloadSeconds : nil)
    }

    // MARK: - The beginning

    private var heading: String {
        let title = names.map { HTMLText.escaped($0) }.joined(separator: "<span class=\"quiet\">, </span>")
        var html = "<header><h1>\(title)</h1>"
        if runs.count == 1 {
            html +=
                "<p class=\"quiet\">\(HTMLText.escaped(runs[0].state.text)) · \(HTMLText.escaped(runs[0].path))</p></header>"
            html += tiles(runs[0])
        } else {
            html += "<p class=\"quiet\">\(runs.count) runs of dtrain</p></header>" + summary
        }
        for (run, name) in zip(runs, names) where !run.damagedLines.isEmpty {
            html += Self.note("\(name): \(Self.damage(run))")
        }
        for (run, name) in zip(runs, names) where run.lines.isEmpty {
            html += Self.note("\(name): nothing has been logged yet")
        }
        return html
    }

    /// What is said of lines that can't be read.
    package static func damage(_ run: RunRecord) -> String {
        let count = run.damagedLines.count
        let first = run.damagedLines.first ?? 0
        return count == 1
            ? "line \(first) of metrics.jsonl can't be read and is left out"
            : "\(HumanText.count(count)) lines of metrics.jsonl can't be read and are left out, the first is line \(HumanText.count(first))"
    }

    static func note(_ text: String) -> String { "<p class=\"note\">Note: \(HTMLText.escaped(text))</p>\n" }

    /// The figures that one looks for first.
    private func tiles(_ run: RunRecord) -> String {
        var tiles: [(name: String, value: String)] = []
        if let line = run.steps.last, let loss = line.numbers["loss"] {
            tiles.append(("training loss", HumanText.figure(loss)))
        }
        if let end = run.end {
            for key in end.numbers.keys.sorted(by: Self.isBefore) where key.hasPrefix("validation_") {
                tiles.append(
                    (
                        "\(Self.title(String(key.dropFirst(11))).lowercased()), validation",
                        HumanText.figure(end.numbers[key] ?? .nan)
                    ))
            }
        } else if let last = run.validations.last {
            for key in Self.metricKeys(last) {
                tiles.append(("\(Self.title(key).lowercased()), validation", HumanText.figure(last.numbers[key] ?? .nan)))
            }
        }
        if let best = run.best, let loss = best.numbers["loss"] {
            tiles.append(("least validation loss, step \(HumanText.count(best.step ?? 0))", HumanText.figure(loss)))
        }
        tiles.append(("steps", HumanText.count(run.lastStep)))
        if let epoch = run.lines.compactMap(\.epoch).max() { tiles.append(("epochs begun", HumanText.count(epoch))) }
        if let seconds = run.times.points.last?.seconds { tiles.append(("time", HumanText.duration(seconds: seconds))) }
        if let ranks = run.times.ranks.last { tiles.append(("ranks", HumanText.count(ranks))) }
        return "<dl class=\"tiles\">"
            + tiles.map { "<div><dt>\(HTMLText.escaped($0.name))</dt><dd>\(HTMLText.escaped($0.value))</dd></div>" }.joined()
            + "</dl>\n"
    }

    /// A row for each run.
    private var summary: String {
        let rows = runs.indices.map { index -> [String] in
            let run = runs[index]
            let last = run.validations.last
            func loss(_ line: LoggedLine?) -> String { line?.numbers["loss"].map(HumanText.figure) ?? "" }
            var metrics: [String] = []
            if let last {
                for key in Self.metricKeys(last) where key != "loss" {
                    let name = HTMLText.escaped(Self.title(key).lowercased())
                    metrics.append("\(name) \(HumanText.figure(last.numbers[key] ?? .nan))")
                }
            }
            let seconds = run.times.points.last?.seconds
            return [
                HTMLText.escaped(names[index]), HTMLText.escaped(run.state.text), HumanText.count(run.lastStep),
                loss(run.steps.last), loss(last), loss(run.best), metrics.joined(separator: ", "),
                seconds.map { HumanText.duration(seconds: $0) } ?? ""
            ]
        }
        return HTMLText.table(
            ["run", "state", "steps", "training loss", "validation loss", "least", "validation", "time"], rows,
            caption: "The runs side by side", names: [0, 1, 6])
    }

    // MARK: - Keys

    /// The keys of a line that are losses or metrics, the loss first.
    static func metricKeys(_ line: LoggedLine) -> [String] {
        line.numbers.keys.filter { !["step", "epoch", "samples", "learning_rate", "gradient_norm"].contains($0) }.sorted(
            by: isBefore)
    }

    /// The loss first, then by name.
    static func isBefore(_ one: String, _ other: String) -> Bool {
        func place(_ key: String) -> Int { key == "loss" || key == "validation_loss" ? 0 : 1 }
        return place(one) == place(other) ? one < other : place(one) < place(other)
    }

    /// A key as people read it.
    static func title(_ key: String) -> String {
        switch key {
        case "gradient_norm": return "Norm of the gradient"
        case "roc_auc": return "Area under the ROC curve"
        case "r2": return "R²"
        default:
            let words = key.replacing("_", with: " ")
            return words.prefix(1).uppercased() + words.dropFirst()
        }
    }
}
