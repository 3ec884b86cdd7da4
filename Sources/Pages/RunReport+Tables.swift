import Foundation
import Reporting

extension RunReport {
    /// The settings in which the runs differ.
    var comparison: String {
        var keys: [String] = []
        var known: Set<String> = []
        let values = runs.map { run in Dictionary(run.settings.map { ($0.key, $0.value) }) { first, _ in first } }
        for run in runs {
            for (key, _) in run.settings where known.insert(key).inserted { keys.append(key) }
        }
        let differing = keys.filter { key in Set(values.map { $0[key] }).count > 1 }
        var html = "<section aria-labelledby=\"settings\"><h2 id=\"settings\">Settings that differ</h2>\n"
        if differing.isEmpty {
            html += "<p>None: the configurations are equal.</p>"
        } else {
            let rows = differing.map { key in
                [HTMLText.escaped(key)]
                    + values.map { $0[key].map { HTMLText.escaped($0) } ?? "<span class=\"quiet\">–</span>" }
            }
            html += HTMLText.table(
                ["setting"] + names.map { HTMLText.escaped($0) }, rows, caption: "\(differing.count) of \(keys.count) settings",
                names: Set(0...runs.count))
        }
        return html + "</section>\n"
    }

    /// All that is said of one run alone.
    func details(_ index: Int) -> String {
        let run = runs[index]
        let mark = runs.count == 1 ? "" : ": " + HTMLText.escaped(names[index])
        var html = ""
        func section(_ title: String, _ content: String) {
            guard !content.isEmpty else { return }
            html += "<section><h2>\(title)\(mark)</h2>\n\(content)</section>\n"
        }
        if let model = models[index] {
            section("Right and wrong", rightAndWrong(model))
            section("What the network gets most wrong", worst(model))
        }
        section("Validations", Self.validations(run))
        section("Where the time went", Self.phases(run))
        if let model = models[index] { section("Layers", Self.layers(model)) }
        section("Environment", Self.environment(run, models[index]))
        let configuration = HTMLText.escaped(run.configuration, keepsLines: true)
        section(
            "Configuration",
            configuration.isEmpty ? "" : "<details><summary>with every default</summary><pre>\(configuration)</pre></details>")
        return html
    }

    /// More rows are thinned out; the log has them all.
    private static let mostRows = 200

    private static func validations(_ run: RunRecord) -> String {
        let lines = run.validations
        guard !lines.isEmpty else { return "" }
        let keys = Set(lines.flatMap { metricKeys($0) }).sorted(by: isBefore)
        let stride = (lines.count + mostRows - 1) / mostRows
        let shown = lines.enumerated().filter { $0.offset % stride == 0 || $0.offset == lines.count - 1 }.map(\.element)
        let rows = shown.map { line in
            [HTMLText.exact(Double(line.step ?? 0)), line.epoch.map { String($0) } ?? ""]
                + keys.map { line.numbers[$0].map(HTMLText.exact) ?? "" }
        }
        let note = stride == 1 ? "" : "; every \(stride) of \(HumanText.count(lines.count))"
        return "<details\(lines.count <= 30 ? " open" : "")><summary>all digits, as in metrics.jsonl\(note)</summary>"
            + HTMLText.table(["step", "epoch"] + keys.map { HTMLText.escaped($0) }, rows, names: []) + "</details>"
    }

    private static func phases(_ run: RunRecord) -> String {
        let phases = run.times.phases
        guard !phases.isEmpty else {
            return run.times.points.isEmpty
                ? ""
                : "<p class=\"quiet\">The phases of each rank weren't measured; <code>dtrain train --trace FILE</code> does so.</p>"
        }
        let known = ["load", "forward", "backward", "reduce", "update", "wait"]
        let names =
            known.filter { name in phases.contains { $0.seconds[name] != nil } }
            + Set(phases.flatMap(\.seconds.keys)).subtracting(known).sorted()
        let rows = phases.map { rank -> [String] in
            let sum = rank.seconds.values.reduce(0, +)
            let host = rank.host.isEmpty ? "" : " on \(rank.host)"
            var cells = [HTMLText.escaped("rank \(rank.rank)\(host)")]
            for name in names {
                let seconds = rank.seconds[name] ?? 0
                let share = sum > 0 ? seconds / sum * 100 : 0
                cells.append(String(format: "%.3f <small>%.0f %%</small>", seconds, share))
            }
            cells.append(String(format: "%.3f", sum))
            return cells
        }
        return HTMLText.table(
            ["rank"] + names.map { HTMLText.escaped($0) } + ["in all"], rows, caption: "Seconds of each rank's steps")
    }

    private static func layers(_ model: ModelView) -> String {
        guard let table = model.layers else { return "" }
        let rows = table.rows.map { row in row.map { HTMLText.escaped($0) } }
        return HTMLText.table(ModelView.layerHeader, rows, names: [0, 1, 2])
            + table.notes.map { "<p class=\"quiet\">\(HTMLText.escaped($0))</p>" }.joined()
    }

    private static func environment(_ run: RunRecord, _ model: ModelView?) -> String {
        var rows: [[String]] = []
        if let model, !model.build.isEmpty { rows.append(["program of the checkpoint", HTMLText.escaped(model.build)]) }
        if let model, !model.digest.isEmpty {
            rows.append(["checkpoint", HTMLText.escaped(model.checkpoint)])
            rows.append(["SHA-256 of its weights", HTMLText.escaped(model.digest)])
        }
        if !run.times.ranks.isEmpty {
            rows.append(["ranks of each start", run.times.ranks.suffix(20).map { String($0) }.joined(separator: ", ")])
        }
        for rank in run.ranks.prefix(64) where !rank.start.isEmpty {
            rows.append(["rank \(rank.number)", HTMLText.escaped(rank.start)])
        }
        if run.ranks.count > 64 { rows.append(["", "and \(run.ranks.count - 64) more ranks"]) }
        for line in run.lines where line.event == LogEvent.change.rawValue {
            rows.append(["changed at step \(line.step ?? 0)", HTMLText.escaped(line.texts["change"] ?? "")])
        }
        var html = rows.isEmpty ? "" : HTMLText.table(["what", "value"], rows, names: [0, 1])
        let words = run.ranks.flatMap { rank in rank.words.map { "rank \(rank.number): \($0)" } }
        if !words.isEmpty {
            html +=
                "<p>What ranks had to say:</p><ul>" + words.prefix(40).map { "<li>\(HTMLText.escaped($0))</li>" }.joined()
                + "</ul>"
        }
        return html
    }
}
