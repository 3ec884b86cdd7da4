import Datasets
import Foundation
import Metrics
import Reporting
import Training

extension RunReport {
    /// The confusion matrix, what follows from it for each class, and for two classes the ROC curve.
    func rightAndWrong(_ model: ModelView) -> String {
        var html = model.problem.map { Self.note($0) } ?? ""
        guard let findings = model.findings else { return html }
        let of =
            "\(HumanText.count(findings.sampleCount)) samples of the \(findings.split) split, step \(HumanText.count(model.step))"
        if let counts = findings.confusion {
            html += "<p class=\"quiet\">\(HTMLText.escaped(of)).</p><div class=\"side\">"
            html +=
                counts.count <= Self.mostMatrixClasses
                ? Self.matrix(counts, findings.classNames) : Self.confusions(counts, findings.classNames)
            if let scores = findings.scores, let chart = Self.roc(scores, findings.classNames) { html += chart.html() }
            html += "</div>" + Self.perClass(counts, findings.classNames)
        }
        return html
    }

    /// Larger matrices are a list of their largest entries.
    private static let mostMatrixClasses = 20

    private static func matrix(_ counts: [[Int]], _ names: [String]) -> String {
        let rows = counts.enumerated().map { actual, row in
            let sum = max(1, row.reduce(0, +))
            return "<tr><th scope=\"row\">\(HTMLText.escaped(names[actual], longest: 24))</th>"
                + row.enumerated().map { predicted, count in
                    let share = Double(count) / Double(sum)
                    let level = count == 0 ? 0 : share < 0.05 ? 1 : share < 0.25 ? 2 : share < 0.6 ? 3 : 4
                    return "<td class=\"h\(level)\">\(count)</td>"
                }.joined() + "</tr>"
        }
        return "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Confusion matrix\"><table class=\"matrix\">"
            + "<caption>Confusion matrix: the true class in rows, the predicted one in columns</caption><thead><tr><td></td>"
            + names.map { "<th scope=\"col\">\(HTMLText.escaped($0, longest: 24))</th>" }.joined() + "</tr></thead><tbody>"
            + rows.joined(separator: "\n") + "</tbody></table></div>\n"
    }

    private static func confusions(_ counts: [[Int]], _ names: [String]) -> String {
        var mistakes: [(actual: Int, predicted: Int, count: Int)] = []
        for actual in counts.indices {
            for predicted in counts.indices where actual != predicted && counts[actual][predicted] > 0 {
                mistakes.append((actual, predicted, counts[actual][predicted]))
            }
        }
        let rows = mistakes.sorted { $0.count > $1.count }.prefix(20).map {
            [HTMLText.escaped(names[$0.actual]), HTMLText.escaped(names[$0.predicted]), String($0.count)]
        }
        return HTMLText.table(["class", "taken for", "samples"], rows, caption: "The most frequent mistakes", names: [0, 1])
    }

    private static func perClass(_ counts: [[Int]], _ names: [String]) -> String {
        let rows = counts.indices.map { index -> [String] in
            let hits = Double(counts[index][index])
            let actual = Double(counts[index].reduce(0, +))
            let predicted = Double(counts.reduce(0) { $0 + $1[index] })
            func share(_ part: Double, _ whole: Double) -> String { whole > 0 ? HumanText.figure(part / whole) : "–" }
            return [
                HTMLText.escaped(names[index]), HumanText.count(Int(actual)), share(hits, predicted), share(hits, actual),
                share(2 * hits, predicted + actual)
            ]
        }
        return "<details\(counts.count <= 12 ? " open" : "")><summary>Class by class</summary>"
            + HTMLText.table(["class", "samples", "precision", "recall", "F1"], rows) + "</details>"
    }

    /// The curve of Fawcett (2006): from the highest score down, how many of the positives are found, and of the negatives.
    static func roc(_ scores: [ScoredLabel], _ names: [String]) -> Chart? {
        guard let area = areaUnderROCCurve(scores) else { return nil }
        let sorted = scores.sorted { $0.score > $1.score }
        let positives = Double(sorted.filter(\.isPositive).count)
        let negatives = Double(sorted.count) - positives
        var points = [CurvePoint(0, 0)]
        var (found, false_) = (0.0, 0.0)
        for (index, pair) in sorted.enumerated() {
            if pair.isPositive { found += 1 } else { false_ += 1 }
            // Equal scores are one point.
            if index + 1 < sorted.count, sorted[index + 1].score == pair.score { continue }
            points.append(CurvePoint(false_ / negatives, found / positives))
        }
        let yes = names.count == 2 ? names[1] : "1"
        return Chart(
            "ROC curve of \(yes), area \(HumanText.figure(area))", .share("share of the others taken for it"),
            [Chart.Curve("found", run: 0, isStrong: true, points: points)], hasDiagonal: true)
    }

    /// The samples with the largest losses.
    func worst(_ model: ModelView) -> String {
        guard let findings = model.findings, !findings.worst.isEmpty else { return "" }
        let examples = findings.worst
        let hint =
            "<p class=\"quiet\">The samples of the \(findings.split) split with the largest losses; numbers count from 0.</p>\n"
        if case .fields(let fields) = examples[0].content { return hint + Self.rows(examples, columns: fields.map(\.name)) }
        let isLong = if case .text = examples[0].content { true } else { false }
        let items = examples.map { example -> String in
            let answer =
                example.truth.map { truth in
                    "is \(Self.strong(truth)), said \(Self.strong(example.answer ?? ""))<br>"
                } ?? ""
            let words = HTMLText.escaped("sample \(example.sample)")
            let caption = "\(answer)<span class=\"quiet\">\(words), loss \(HumanText.figure(example.loss))</span>"
            switch example.content {
            case .picture(let png):
                return
                    "<li><img alt=\"\(words)\" src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">\(caption)</li>"
            case .text(let text): return "<li><blockquote>\(HTMLText.escaped(text, longest: 600))</blockquote>\(caption)</li>"
            case .numbers(let numbers): return "<li>\(Self.sparkline(numbers))\(caption)</li>"
            case .fields: return "<li>\(caption)</li>"
            }
        }
        return hint + "<ul class=\"examples\(isLong ? " long" : "")\">\(items.joined(separator: "\n"))</ul>\n"
    }

    private static func strong(_ text: String) -> String { "<b>\(HTMLText.escaped(text, longest: 60))</b>" }

    /// More columns of a table aren't shown.
    private static let mostColumns = 16

    private static func rows(_ examples: [SampleFindings.Example], columns: [String]) -> String {
        let shown = columns.prefix(mostColumns)
        let hasAnswers = examples.contains { $0.truth != nil }
        let header =
            ["sample"] + (hasAnswers ? ["is", "said"] : []) + ["loss"] + shown.map { HTMLText.escaped($0, longest: 40) }
        let rows = examples.map { example -> [String] in
            var cells = [String(example.sample)]
            if hasAnswers { cells += [example.truth ?? "", example.answer ?? ""].map { HTMLText.escaped($0, longest: 60) } }
            cells.append(HumanText.figure(example.loss))
            if case .fields(let fields) = example.content {
                cells += fields.prefix(mostColumns).map { HTMLText.escaped($0.value, longest: 60) }
            }
            return cells
        }
        let more = columns.count > mostColumns ? "the first \(mostColumns) of \(columns.count) columns" : nil
        return HTMLText.table(header, rows, caption: more, names: hasAnswers ? [0, 1, 2] : [0])
    }

    /// Numbers in their order as a line, without an axis.
    private static func sparkline(_ numbers: [Float]) -> String {
        let scale = Scale(around: numbers.map(Double.init))
        let points = numbers.enumerated().compactMap { index, number -> String? in
            scale.place(Double(number)).map {
                "\(HTMLText.place(Double(index) / Double(max(1, numbers.count - 1)) * 120)) \(HTMLText.place(60 - 60 * $0))"
            }
        }
        return
            "<svg viewBox=\"0 0 120 60\" aria-hidden=\"true\"><polyline class=\"curve c0\" points=\"\(points.joined(separator: " "))\"/></svg>"
    }
}
